import type {
  Duty,
  GrantReply,
  GrantRequest,
  ParkItem,
  ParkReply,
  RenewItem,
  RenewReply,
  SessionFound,
  SweepReply,
} from '../../lib/registry/registry.ts';
import type { Court } from './court.ts';
import { type Ledger, type PromisedLease, UNPROMISED } from './ledger.ts';
import type { Execution } from './registry-server.ts';

/** The registry counts whole milliseconds of its clock. */
const ROUNDING_MS = 2;

/** What the database can say about a lease: a session is there, or one may still appear. */
export type IsAlive = (leaseId: string) => boolean;

type Granted = Extract<GrantReply, { kind: 'granted' }>;
type Item = { readonly id: string; readonly fence: number };
const NOBODY: Item = { id: '', fence: 0 };
type Words = readonly string[];

/** Reads what the registry answers, and holds it to the laws. Operations that it does not know promise nothing to it. */
export class RegistryLaws {
  isAlive: IsAlive = () => false;
  /** Where the order of many waiters can be counted. */
  readonly #isSmall: boolean;
  readonly #ledger: Ledger;
  readonly #court: Court;

  constructor(ledger: Ledger, court: Court, isSmall: boolean) {
    this.#ledger = ledger;
    this.#court = court;
    this.#isSmall = isSmall;
  }

  readonly hear = ({ operation, args, reply }: Execution): void => {
    if (operation === 'grant') this.#grant(args[0] as GrantRequest, reply as GrantReply);
    else if (operation === 'renew') this.#renew(args[2] as RenewItem[], reply as RenewReply);
    else if (operation === 'park') this.#park(args[2] as ParkItem[], reply as ParkReply);
    else if (operation === 'release') this.#gone(args[2] as Item[], reply as Words, 'released');
    else if (operation === 'abandon') this.#abandon(args[2] as Item[], reply as Words);
    else if (operation === 'settle') this.#gone(args[2] as Item[], reply as Words, 'settled');
    else if (operation === 'configure') this.#configure(args[2] === true);
    else if (operation === 'adopt' && reply === 'adopted') this.#adopted(args[2] as SessionFound[], args[3]);
    else if (operation === 'sweep') this.#duties((reply as SweepReply).duties);
  };

  #adopted(sessions: readonly SessionFound[], last: unknown): void {
    for (const session of sessions) this.#ledger.takeBack(session);
    if (last !== undefined) this.#ledger.endLearning();
  }

  #configure(isNew: boolean): void {
    if (isNew) this.#ledger.learnUntilMs = 0;
    else this.#ledger.beginLearning();
  }

  #grant(request: GrantRequest, reply: GrantReply): void {
    const ledger = this.#ledger;
    ledger.beginLearning();
    const { leaseId: id } = request;
    if (reply.kind === 'queued') {
      const { listens = false } = request;
      const { nowMs: seenAtMs, stepsMs } = ledger;
      ledger.tickets.set(id, { stamp: reply.stamp, listens, seenAtMs, stepsMs });
    } else if (reply.kind === 'lost') {
      const lease = this.#ledger.leases.get(id);
      if (lease !== undefined) this.#lost(lease, reply.reason);
      ledger.tickets.delete(id);
    } else if (reply.kind === 'denied') ledger.tickets.delete(id);
    else this.#granted(request, reply);
  }

  #granted(request: GrantRequest, reply: Granted): void {
    const ledger = this.#ledger;
    const { leaseId: id, holder } = request;
    const known = ledger.leases.get(id);
    if (known !== undefined) {
      this.#repeated(known, reply);
      return;
    }
    if (reply.census === undefined) this.#order(request, reply.duties.length);
    const canClaim = ledger.tickets.get(id)?.listens === true;
    ledger.tickets.delete(id);
    this.#duties(reply.duties);
    const { fence, isProbe } = reply;
    this.#court.judge(
      'L7',
      fence > ledger.fence,
      () => `fence ${fence} of ${id} is not above ${ledger.fence}`,
    );
    ledger.fence = Math.max(fence, ledger.fence);
    const lease: PromisedLease = { id, fence, holder, isProbe, ...UNPROMISED };
    ledger.promise(lease, reply.protectMs);
    ledger.leases.set(id, lease);
    ledger.grants += 1;
    this.#capacity(lease, reply, canClaim);
  }

  /** One effect, and the protection that remains. */
  #repeated(known: PromisedLease, { fence, protectMs }: Granted): void {
    const ledger = this.#ledger;
    const leftMs = Math.max(0, ledger.protectedUntilMs(known) - ledger.nowMs) + ledger.backMs - known.backMs;
    const isPresent = fence === known.fence && protectMs * ledger.pace <= leftMs + ROUNDING_MS;
    this.#court.judge(
      'L3',
      isPresent,
      () => `the repeat of ${known.id} promises ${protectMs} ms, ${leftMs} remain`,
    );
    this.#court.judge('L5', !known.isOver, () => `${known.id} was over, and is granted again`);
    ledger.promise(known, protectMs);
  }

  #capacity(lease: PromisedLease, { duties: given, census }: Granted, canClaim: boolean): void {
    const { settings, leases, learnUntilMs, nowMs } = this.#ledger;
    const { capacity, headroom } = settings;
    const count = leases.size;
    const duties = given.length;
    const says = (): string =>
      `${lease.id} is number ${count} of ${capacity}, headroom ${headroom}, duties ${duties}`;
    this.#court.judge(
      'L13',
      census !== undefined || nowMs + ROUNDING_MS >= learnUntilMs,
      () => `${lease.id} was granted while learning`,
    );
    if (lease.isProbe) {
      const other = this.#isSmall ? this.#otherHeld(lease) : undefined;
      this.#court.judge(
        'probe',
        other === undefined,
        () => `probe ${lease.id} was granted while ${other?.id} is held`,
      );
      return;
    }
    this.#court.judge('L1', count <= capacity, says);
    // Without a duty it came out of the room, or out of a slot that was kept for it; a census may take more.
    const kept = canClaim || census !== undefined ? 0 : headroom;
    if (duties === 0) this.#court.judge('headroom', count <= capacity - kept, says);
  }

  /** Another lease that cannot have expired, and of which nothing else is known. */
  #otherHeld(but: PromisedLease): PromisedLease | undefined {
    const { leases, settings, pace, nowMs } = this.#ledger;
    const isHeld = (lease: PromisedLease): boolean =>
      !lease.isOver && this.#ledger.protectedUntilMs(lease) + (settings.idleMs - ROUNDING_MS) * pace > nowMs;
    return [...leases.values()].find((lease) => lease !== but && isHeld(lease));
  }

  /**
   * A newcomer takes room only if all who are ahead could have theirs; a poll takes it within the soft order; everything else
   * is for the best. Whom a slot was kept for is told nobody but him.
   */
  #order({ leaseId, stamp, again }: GrantRequest, duties: number): void {
    const ledger = this.#ledger;
    const ticket = ledger.tickets.get(leaseId);
    if (ticket?.listens || !this.#isSmall) return;
    const { capacity, headroom } = ledger.settings;
    const room = Math.max(0, capacity - headroom - ledger.leases.size);
    const allowed = room === 0 ? 1 : ticket === undefined ? room : room + capacity;
    const claim = ticket?.stamp ?? (stamp > 0 ? stamp : Number.POSITIVE_INFINITY);
    this.#court.judge(
      'L9',
      ledger.liveAhead(claim, allowed) < allowed,
      () => `${leaseId} (stamp ${stamp}, again ${again}) was served before others, duties ${duties}`,
    );
  }

  #renew(items: readonly RenewItem[], reply: RenewReply): void {
    for (const [at, outcome] of reply.outcomes.entries()) {
      const item = items[at] ?? NOBODY;
      if (outcome.kind === 'lost') this.#lost(item, outcome.reason);
      else if (outcome.kind === 'held') this.#held(item, items[at]?.again !== undefined, outcome.protectMs);
    }
    this.#duties(reply.duties);
  }

  #held(item: Item, isAgain: boolean, protectMs: number): void {
    if (isAgain) {
      this.#ledger.beginLearning();
      this.#ledger.takeBack(item);
    }
    this.#keeps(item, protectMs);
  }

  #park(items: readonly ParkItem[], reply: ParkReply): void {
    for (const [at, outcome] of reply.outcomes.entries()) {
      const item = items[at] ?? NOBODY;
      if (outcome.kind === 'lost') this.#lost(item, outcome.reason);
      else this.#keeps(item, outcome.kind === 'held' ? outcome.protectMs : 0);
    }
  }

  #keeps({ id, fence }: Item, protectMs: number): void {
    const lease = this.#find(id, fence);
    this.#court.judge(
      'L5',
      lease !== undefined && !lease.isOver,
      () => `${id} is over or unknown, and is held again`,
    );
    if (lease !== undefined) this.#ledger.promise(lease, protectMs);
  }

  #lost({ id, fence }: Item, reason: string): void {
    const lease = this.#find(id, fence);
    if (lease === undefined) return;
    this.#court.judge(
      'L1',
      reason !== 'unknown',
      () => `${id} was neither released nor settled, and is unknown`,
    );
    this.#over(lease);
  }

  /** After a loss of memory an old poll can be granted anew: then the fence tells the two apart. */
  #find(id: string, fence: number): PromisedLease | undefined {
    const lease = this.#ledger.leases.get(id);
    return lease?.fence === fence ? lease : undefined;
  }

  #abandon(items: readonly Item[], words: Words): void {
    for (const [at, { id }] of items.entries()) {
      const lease = words[at] === 'abandoned' ? this.#ledger.leases.get(id) : undefined;
      if (lease === undefined) continue;
      lease.isOver = true;
      lease.untilMs = Math.min(lease.untilMs, this.#ledger.nowMs);
    }
  }

  /** Released or settled: from now on it does not count, so nothing of it may be there. */
  #gone(items: readonly Item[], words: Words, word: string): void {
    for (const [at, { id }] of items.entries()) {
      const isUnknown = word === 'released' && !this.#ledger.leases.has(id);
      if (words[at] === word || isUnknown) this.#ledger.bidFarewell(id);
      if (words[at] !== word) continue;
      const lease = this.#ledger.leases.get(id);
      if (lease !== undefined) {
        this.#ledger.end(lease);
        this.#court.judge(
          'L2',
          !this.isAlive(id),
          () => `${id} was ${word}, and its session lives or may yet appear`,
        );
      }
      this.#ledger.tickets.delete(id);
    }
  }

  #duties(duties: readonly Duty[]): void {
    for (const { lease: ref } of duties) {
      const lease = this.#ledger.leases.get(ref.id);
      this.#court.judge(
        'L5',
        lease !== undefined,
        () => `${ref.id} does not count, and its end is asked for`,
      );
      if (lease !== undefined) this.#over(lease);
    }
  }

  #over(lease: PromisedLease): void {
    if (lease.isOver) return;
    const untilMs = this.#ledger.protectedUntilMs(lease);
    const leftMs = untilMs - this.#ledger.nowMs;
    this.#court.judge(
      'L6',
      leftMs <= ROUNDING_MS,
      () => `${lease.id} was revoked ${leftMs} ms before its protection ended`,
    );
    lease.isOver = true;
    this.#ledger.revocations += 1;
  }
}
