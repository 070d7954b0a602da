import type { Duty } from '../../lib/core/duty.ts';
import type { Share } from '../../lib/core/lease.ts';
import type { GrantReply, GrantRequest } from '../../lib/registry/registry.ts';
import type { Court } from './court.ts';
import type { Ledger, PromisedLease, Ticket } from './ledger.ts';

type Granted = Extract<GrantReply, { kind: 'granted' }>;

/** What is surely known of a group. */
interface GroupSeen {
  readonly share: Share;
  /** Tickets that are alive and have no claim. */
  readonly waiting: readonly Ticket[];
  /** Leases and claims: at least, at most. */
  readonly atLeast: number;
  readonly atMost: number;
}

/** Who is served before whom, and what shares allow (L9, L10), as far as it can be told from answers alone. */
export class QueueLaws {
  readonly #ledger: Ledger;
  readonly #court: Court;
  #woken: readonly string[] = [];

  constructor(ledger: Ledger, court: Court) {
    this.#ledger = ledger;
    this.#court = court;
  }

  /**
   * Nobody barges: whoever takes room leaves as much for those before it, and a poll may be early by the capacity. `woken`: to
   * whom the same step has offered slots, perhaps before.
   */
  order(
    { leaseId, stamp, again, group }: GrantRequest,
    { duties, isProbe }: Granted,
    woken: readonly string[],
  ): void {
    const ledger = this.#ledger;
    const ticket = ledger.tickets.get(leaseId);
    const { capacity, headroom } = ledger.settings;
    const ownStamp = ticket?.stamp ?? (stamp > 0 ? stamp : Number.POSITIVE_INFINITY);
    this.#woken = woken;
    const ahead = this.#ahead(ownStamp, group);
    this.#woken = [];
    // A slot that is kept for somebody does not keep a probe from going beyond the count.
    const claims = isProbe ? 0 : [...ledger.tickets.values()].filter((each) => ledger.isClaimed(each)).length;
    const free = capacity - ledger.leases.size - claims;
    const room = free - headroom;
    const soft = ticket !== undefined && room > 0 ? room + capacity : room;
    // One overlap for each ticket ahead of a poll, and one more.
    const places = ticket !== undefined && !isProbe ? Math.max(1, free) : 1;
    const isKept = ticket !== undefined && ledger.mayBeClaimed(ticket) && capacity > ledger.leases.size;
    const isInTurn = ahead < soft || isKept || (duties.length > 0 && ahead < places && (isProbe || free > 0));
    this.#court.judge(
      'L9',
      isInTurn,
      () =>
        `${leaseId} (stamp ${stamp}, again ${again}) was served: ${ahead} ahead, ${claims} claims, room ${room}, duties ${duties.length}`,
    );
  }

  /** A group takes no more than its maximum. `taker`: who was just counted. */
  maximum(group: string, taker: string): void {
    const seen = this.#seen(group);
    if (seen === undefined) return;
    const most = Math.max(seen.share.max, this.#ledger.groupMost.get(group) ?? 0);
    this.#court.judge(
      'L10',
      seen.atLeast <= most,
      () => `${taker} is number ${seen.atLeast} of group ${group}, whose maximum is ${most}`,
    );
  }

  /** Nobody else takes a lease from a group that has no more than its minimum. */
  minimum(duties: readonly Duty[], taker: string): void {
    const ledger = this.#ledger;
    if (ledger.mayReap) return;
    for (const { lease: ref } of duties) {
      const lease = ledger.leases.get(ref.id);
      if (lease === undefined || lease.isOver || lease.group === taker || !this.#isHeld(lease)) continue;
      const seen = this.#seen(lease.group);
      if (seen === undefined) continue;
      const { min } = seen.share;
      this.#court.judge(
        'L10',
        seen.atMost > min,
        () => `${ref.id} was revoked for ${taker}, and its group ${lease.group} has no more than ${min}`,
      );
    }
  }

  /** Tickets without a claim that are surely served before a caller of `group` with this stamp. */
  #ahead(stamp: number, group: string): number {
    const own = this.#waiting(group).filter((each) => each.stamp < stamp).length;
    const mine = this.#seen(group);
    // Its minimum may be in force though it is not sure.
    const isUrgent = mine === undefined || mine.atLeast + own < (this.#ledger.shares.get(group)?.min ?? 0);
    const priority = mine?.share.priority ?? Number.POSITIVE_INFINITY;
    let ahead = own;
    for (const other of this.#ledger.shares.keys()) {
      const seen = other === group ? undefined : this.#seen(other);
      if (seen === undefined) continue;
      const { min, max } = seen.share;
      const urgent = Math.min(seen.waiting.length, Math.max(0, min - seen.atMost));
      const eligible = Math.min(seen.waiting.length, Math.max(0, max - seen.atMost));
      const older = seen.waiting.filter((each) => each.stamp < stamp).length;
      const all = isUrgent ? urgent : eligible;
      if (seen.share.priority > priority) ahead += all;
      else if (seen.share.priority === priority)
        ahead += Math.max(isUrgent ? 0 : urgent, Math.min(all, older));
      else if (!isUrgent) ahead += urgent;
    }
    return ahead;
  }

  #waiting(group: string): Ticket[] {
    const ledger = this.#ledger;
    const isWaiting = ([id, each]: readonly [string, Ticket]): boolean =>
      each.group === group && ledger.isLive(each) && !ledger.mayBeClaimed(each) && !this.#woken.includes(id);
    return [...ledger.tickets].filter(isWaiting).map(([, each]) => each);
  }

  /** Undefined: its share is not surely the one that was agreed on. */
  #seen(group: string): GroupSeen | undefined {
    const ledger = this.#ledger;
    const share = ledger.shares.get(group);
    if (share === undefined || ledger.vagueGroups.has(group)) return undefined;
    const leases = [...ledger.leases.values()].filter((lease) => lease.group === group && !lease.isOver);
    const tickets = [...ledger.tickets.values()].filter((each) => each.group === group);
    const sure = leases.filter((lease) => ledger.protectedUntilMs(lease) > ledger.nowMs + 2).length;
    return {
      share: ledger.areMinimaSure ? share : { ...share, min: 0 },
      waiting: this.#waiting(group),
      atLeast: sure + tickets.filter((each) => ledger.isClaimed(each)).length,
      atMost: leases.length + this.#claimed(group),
    };
  }

  /** Slots that may be kept for a group. */
  #claimed(group: string): number {
    const isClaimed = ([id, each]: readonly [string, Ticket]): boolean =>
      each.group === group && (this.#ledger.mayBeClaimed(each) || this.#woken.includes(id));
    return [...this.#ledger.tickets].filter(isClaimed).length;
  }

  /** It cannot have expired. */
  #isHeld(lease: PromisedLease): boolean {
    const { settings, pace, nowMs } = this.#ledger;
    return this.#ledger.protectedUntilMs(lease) + (settings.idleMs - 2) * pace > nowMs;
  }
}
