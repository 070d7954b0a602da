import type { CensusDuty, Duty, SessionFound } from '../../lib/core/duty.ts';
import type { OperateReply, Operation } from '../../lib/core/operation.ts';
import type {
  GrantReply,
  GrantRequest,
  ParkItem,
  ParkReply,
  RenewItem,
  RenewReply,
  SweepReply,
} from '../../lib/registry/registry.ts';
import type { Court } from './court.ts';
import type { Ledger, PromisedLease } from './ledger.ts';
import { QueueLaws } from './queue-laws.ts';
import { RateLaws } from './rate-laws.ts';
import type { Execution } from './registry-server.ts';

/** The registry counts whole milliseconds of its clock. */
const ROUNDING_MS = 2;

const UNPROMISED = {
  isBound: false,
  untilMs: 0,
  reliedUntilMs: 0,
  stepsMs: 0,
  backMs: 0,
  isOver: false,
} as const;

/** What the database can say about a lease: a session is there, or one may still appear. */
export type IsAlive = (leaseId: string) => boolean;

interface Item {
  readonly id: string;
  readonly fence: number;
  readonly session?: string;
  readonly outcome?: string;
}
const NOTHING: Item = { id: '', fence: 0 };
/** Whose a lease is that a census has found. */
const NOBODY = '?';
type Granted = Extract<GrantReply, { kind: 'granted' }>;
type Words = readonly string[];

/** Reads what the registry answers, and holds it to the laws. Operations that it does not know promise nothing to it. */
export class RegistryLaws {
  isAlive: IsAlive = () => false;
  /** A census has ended the learning. */
  whenLearned: () => void = () => undefined;
  /** Where the order of many waiters can be counted. */
  readonly #isSmall: boolean;
  readonly #ledger: Ledger;
  readonly #court: Court;
  readonly #queue: QueueLaws;
  readonly #rate: RateLaws;

  constructor(ledger: Ledger, court: Court, isSmall: boolean) {
    this.#ledger = ledger;
    this.#court = court;
    this.#queue = new QueueLaws(ledger, court);
    this.#rate = new RateLaws(ledger, court);
    this.#isSmall = isSmall;
  }

  readonly hear = ({ operation, args, reply, woken = [] }: Execution): void => {
    const [, holder] = args;
    let adopted = 0;
    if (operation === 'grant') this.#grant(args[0] as GrantRequest, reply as GrantReply, woken);
    else if (operation === 'renew') this.#renew(String(holder), args[2] as RenewItem[], reply as RenewReply);
    else if (operation === 'park') this.#park(String(holder), args[2] as ParkItem[], reply as ParkReply);
    else if (operation === 'release') this.#gone(args[2] as Item[], reply as Words, 'released');
    else if (operation === 'abandon') this.#abandon(args[2] as Item[], reply as Words);
    else if (operation === 'settle') this.#gone(args[2] as Item[], reply as Words, 'settled');
    else if (operation === 'adopt') adopted = this.#adopt(args, reply);
    else if (operation === 'operate') this.#operate(args[1] as Operation, reply as OperateReply);
    else if (operation === 'configure') this.#configure(args[2] === true);
    else if (operation === 'sweep') this.#duties((reply as SweepReply).duties);
    for (const id of woken) this.#wake(id, operation === 'operate', overlapsOf(reply) + adopted);
  };

  /** The registry's memory or its time is another one. */
  reset(): void {
    this.#rate.reset();
  }

  #operate(operation: Operation, reply: OperateReply): void {
    const ledger = this.#ledger;
    if (reply !== 'done' || operation.kind === 'observe' || operation.kind === 'retire') return;
    if (operation.kind === 'share') {
      ledger.share(operation.group, operation.share);
      return;
    }
    const next = ledger.version + 1;
    if (operation.kind === 'resize') {
      const { version = next } = operation;
      this.#court.judge('version', version >= next, () => `version ${version} replaced ${ledger.version}`);
      ledger.resize(operation, version);
      return;
    }
    ledger.version = next;
    if (operation.kind === 'resume') {
      ledger.control = 'open';
      this.#rate.connected();
    } else if (operation.kind === 'drain') {
      ledger.control = 'draining';
      ledger.mayReap = true;
    } else if (operation.kind === 'pause') {
      ledger.control = 'paused';
      const { forMs } = operation;
      ledger.pausedUntilMs = forMs > 0 ? ledger.nowMs + forMs * ledger.pace : Number.POSITIVE_INFINITY;
    }
  }

  /** What a census tells: what the registry does not know becomes a lease of nobody. How many do. */
  #adopt([, duty, sessions, last]: readonly unknown[], reply: unknown): number {
    const ledger = this.#ledger;
    if (reply !== 'adopted') return 0;
    const before = ledger.leases.size;
    for (const found of sessions as readonly SessionFound[]) {
      const isKnown = ledger.leases.has(found.id) || ledger.farewells.has(found.id);
      if (!isKnown) ledger.comesBack(found, NOBODY, 'unknown');
    }
    const adopted = ledger.leases.size - before;
    if (last === undefined) return adopted;
    const isCensus = ledger.isLearning && (duty as CensusDuty).token > 0;
    ledger.endLearning();
    if (isCensus) this.whenLearned();
    return adopted;
  }

  /**
   * A waiter is woken: for a slot that is kept for it out of the room, or to revoke or take over what is unprotected, which
   * needs a place below the capacity. Nothing may forbid grants. The same step may have overlapped, or adopted, afterwards.
   */
  #wake(id: string, isOperation: boolean, overlaps: number): void {
    const ledger = this.#ledger;
    const ticket = ledger.tickets.get(id);
    if (ticket === undefined) return;
    const { capacity, headroom } = ledger.settings;
    const others = [...ledger.tickets.values()].filter((each) => each !== ticket);
    const count = ledger.leases.size + others.filter((each) => ledger.isClaimed(each)).length - overlaps;
    const perhapsKept = others.filter((each) => ledger.mayBeClaimed(each)).length;
    const room = capacity - headroom - ledger.leases.size - perhapsKept;
    ticket.wokenAtMs = ledger.nowMs;
    // It was made before the operator's word, or after it.
    if (isOperation) return;
    // With room for everybody who waits, it is a slot: what only a poll can take is told to those beyond the room.
    if (room > others.length - perhapsKept) ticket.claimedAtMs = ledger.nowMs;
    this.#allowed(`an offer to ${id}`);
    if (this.#isSmall) this.#queue.maximum(ticket.group, id);
    const most = ledger.mayBeTaken ? capacity : capacity - headroom;
    this.#court.judge('headroom', count < most, () => `${id} was woken beside ${count} of ${most}`);
  }

  /** Nothing forbids it. */
  #allowed(what: string): void {
    const { nowMs, control, pausedUntilMs, stepsMs, learnUntilMs } = this.#ledger;
    this.#court.judge('L13', nowMs + ROUNDING_MS >= learnUntilMs, () => `${what} while learning`);
    this.#court.judge('control', control !== 'draining', () => `${what} while draining`);
    const isPaused = control === 'paused' && nowMs + ROUNDING_MS < pausedUntilMs;
    this.#court.judge('control', !isPaused, () => `${what} while paused (${stepsMs})`);
  }

  #configure(isNew: boolean): void {
    if (isNew) this.#ledger.endLearning();
    else this.#ledger.beginLearning();
  }

  #grant(request: GrantRequest, reply: GrantReply, woken: readonly string[]): void {
    const ledger = this.#ledger;
    ledger.beginLearning();
    const { leaseId: id } = request;
    if (reply.kind === 'queued') {
      const { nowMs: seenAtMs, stepsMs } = ledger;
      const { claimedAtMs, wokenAtMs } = ledger.tickets.get(id) ?? {};
      const { group } = request;
      const claim = {
        ...(claimedAtMs !== undefined && { claimedAtMs }),
        ...(wokenAtMs !== undefined && { wokenAtMs }),
      };
      ledger.tickets.set(id, { stamp: reply.stamp, group, seenAtMs, stepsMs, ...claim });
    } else if (reply.kind === 'denied') ledger.tickets.delete(id);
    else if (reply.kind === 'lost') {
      const lease = this.#ledger.leases.get(id);
      if (lease !== undefined) this.#lost(lease, reply.reason);
      ledger.tickets.delete(id);
    } else if (reply.kind === 'granted') this.#granted(request, reply, woken);
  }

  #granted(request: GrantRequest, reply: Granted, woken: readonly string[]): void {
    const ledger = this.#ledger;
    const { leaseId: id, holder } = request;
    const known = ledger.leases.get(id);
    if (known !== undefined) {
      this.#repeated(known, reply);
      return;
    }
    const claim = ledger.tickets.get(id);
    const mayBeClaimed = woken.includes(id) || (claim !== undefined && ledger.mayBeClaimed(claim));
    if (reply.census === undefined && !mayBeClaimed && this.#isSmall)
      this.#queue.order(request, reply, woken);
    if (this.#isSmall) this.#queue.minimum(reply.duties, request.group);
    ledger.tickets.delete(id);
    this.#duties(reply.duties);
    const { fence, isProbe, protectMs, connectAfterMs } = reply;
    this.#court.judge(
      'L7',
      fence > ledger.fence,
      () => `fence ${fence} of ${id} is not above ${ledger.fence}`,
    );
    ledger.fence = Math.max(fence, ledger.fence);
    const isCensus = reply.census !== undefined;
    const connectFromMs = ledger.nowMs + connectAfterMs * ledger.pace;
    const { group } = request;
    const lease: PromisedLease = {
      id,
      fence,
      holder,
      group,
      isProbe,
      isCensus,
      connectFromMs,
      ...UNPROMISED,
    };
    ledger.promise(lease, protectMs);
    ledger.leases.set(id, lease);
    ledger.grants += 1;
    this.#rate.inTime(request, reply);
    this.#rate.granted(id, connectFromMs);
    if (this.#isSmall) this.#queue.maximum(group, id);
    this.#capacity(lease, reply.duties.length, mayBeClaimed);
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
    // Where nothing remains its protection ended before, and its expiry counts from then.
    if (protectMs === 0) return;
    const { reliedUntilMs } = known;
    ledger.promise(known, protectMs);
    // What a step of the server's clock has shortened, the holder does not know.
    known.reliedUntilMs = Math.max(known.reliedUntilMs, reliedUntilMs);
  }

  #capacity(lease: PromisedLease, duties: number, mayBeClaimed: boolean): void {
    const { settings, leases, quietUntilMs, nowMs } = this.#ledger;
    const { capacity, headroom } = settings;
    const count = leases.size;
    const says = (): string =>
      `${lease.id} is number ${count} of ${capacity}, headroom ${headroom}, duties ${duties}`;
    if (lease.isCensus) {
      const isQuiet = nowMs + ROUNDING_MS >= quietUntilMs;
      this.#court.judge('L13', isQuiet, () => `${lease.id} was granted for a census before the quiet time`);
      this.#court.judge('L1', count <= capacity, says);
      return;
    }
    this.#allowed(`${lease.id} was granted`);
    if (lease.isProbe) {
      const other = this.#isSmall ? this.#held(lease) : undefined;
      this.#court.judge(
        'probe',
        other === undefined,
        () => `probe ${lease.id} was granted while ${other?.id} is held`,
      );
      return;
    }
    this.#court.judge('L1', count <= capacity, says);
    // Without a duty it came out of the room.
    if (duties === 0 && !mayBeClaimed) this.#court.judge('headroom', count <= capacity - headroom, says);
  }

  /** Another lease that cannot have expired, and of which nothing else is known. */
  #held(but: PromisedLease): PromisedLease | undefined {
    const { leases, settings, pace, nowMs } = this.#ledger;
    const isHeld = (lease: PromisedLease): boolean =>
      !lease.isOver && this.#ledger.protectedUntilMs(lease) + (settings.idleMs - ROUNDING_MS) * pace > nowMs;
    return [...leases.values()].find((lease) => lease !== but && isHeld(lease));
  }

  #renew(holder: string, items: readonly RenewItem[], reply: RenewReply): void {
    const ledger = this.#ledger;
    if (items.some(({ again, session }) => again !== undefined && session !== undefined))
      ledger.beginLearning();
    for (const [at, outcome] of reply.outcomes.entries()) {
      const item = items[at];
      if (item === undefined) continue;
      if (outcome.kind === 'forgotten') {
        const isKnown = ledger.leases.has(item.id);
        this.#court.judge('L13', !isKnown, () => `${item.id} counts, and is said to be forgotten`);
      } else if (outcome.kind === 'lost') this.#lost(item, outcome.reason);
      else {
        this.#comesBack(holder, item);
        this.#keeps(item, outcome.protectMs);
      }
    }
    this.#duties(reply.duties);
  }

  /** Only to a registry that learns, and only what has not ended meanwhile. */
  #comesBack(holder: string, item: RenewItem): void {
    const ledger = this.#ledger;
    const { id, again } = item;
    const lease = ledger.leases.get(id);
    if (lease !== undefined && lease.holder !== NOBODY) return;
    ledger.bringBack(again?.inForce);
    if (lease !== undefined) {
      lease.holder = holder;
      if (again !== undefined) lease.group = again.group;
      if (again !== undefined) ledger.vagueGroups.add(again.group);
      return;
    }
    if (again === undefined) return;
    const isAllowed = ledger.nowMs <= ledger.learnUntilMs + ROUNDING_MS && !ledger.farewells.has(id);
    this.#court.judge('L5', isAllowed, () => `${id} has ended or is late, and is held again`);
    ledger.comesBack(item, holder, again.group);
  }

  #park(holder: string, items: readonly ParkItem[], reply: ParkReply): void {
    for (const [at, outcome] of reply.outcomes.entries()) {
      const item = items[at] ?? NOTHING;
      const lease = this.#find(item.id, item.fence);
      if (lease?.holder === NOBODY && outcome.kind !== 'lost') lease.holder = holder;
      if (outcome.kind === 'lost') this.#lost(item, outcome.reason);
      else this.#keeps(item, outcome.kind === 'held' ? outcome.protectMs : 0);
    }
  }

  #keeps({ id, fence, session }: Item, protectMs: number): void {
    const lease = this.#find(id, fence);
    this.#court.judge(
      'L5',
      lease !== undefined && !lease.isOver,
      () => `${id} is over or unknown, and is held again`,
    );
    if (lease === undefined) return;
    const { untilMs } = lease;
    this.#ledger.promise(lease, protectMs);
    // A park that a newer one has overtaken does not make it later.
    if (protectMs === 0) lease.untilMs = Math.min(lease.untilMs, untilMs);
    this.#bound(lease, session);
  }

  /** The first word of a session says that the connect went well. */
  #bound(lease: PromisedLease, session: string | undefined): void {
    if (session === undefined || lease.isBound) return;
    lease.isBound = true;
    this.#rate.connected();
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
    for (const [at, { id, session, outcome }] of items.entries()) {
      const lease = words[at] === 'abandoned' ? this.#ledger.leases.get(id) : undefined;
      if (lease === undefined) continue;
      if (!lease.isOver) this.#bound(lease, session);
      const isOver = this.#ledger.protectedUntilMs(lease) <= this.#ledger.nowMs;
      if (!lease.isOver) this.#rate.ended(lease, outcome, isOver);
      lease.isOver = true;
      lease.untilMs = Math.min(lease.untilMs, this.#ledger.nowMs);
    }
  }

  /** Released or settled: from now on it does not count, so nothing of it may be there. */
  #gone(items: readonly Item[], words: Words, word: string): void {
    for (const [at, { id, outcome }] of items.entries()) {
      const isOwn = words[at] === word || !this.#ledger.leases.has(id);
      if (this.#ledger.isLearning && isOwn && !this.#ledger.tickets.has(id)) this.#ledger.farewells.add(id);
      if (words[at] !== word) continue;
      const lease = this.#ledger.leases.get(id);
      if (lease !== undefined) {
        this.#ledger.end(lease);
        this.#rate.ended(lease, outcome, false);
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

/** Leases that a step has granted over a duty. */
const overlapsOf = (reply: unknown): number => {
  const { kind, duties } = reply as GrantReply & { readonly duties?: readonly Duty[] };
  return kind === 'granted' && duties !== undefined && duties.length > 0 ? 1 : 0;
};
