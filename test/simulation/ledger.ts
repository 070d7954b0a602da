import type { LeaseRef, ResourceSettings } from '../../lib/core/lease.ts';
import type { Timeline } from './timeline.ts';

/** A lease as the registry's own answers have promised it. */
export interface PromisedLease {
  readonly id: string;
  readonly fence: number;
  readonly holder: string;
  readonly isProbe: boolean;
  /** True time up to which the registry has promised to leave it alone. */
  untilMs: number;
  /** True time up to which its holder may rely on it: the same, unless the registry has lost the promise. */
  reliedUntilMs: number;
  /** Forward steps of the server's clock before that promise. */
  stepsMs: number;
  /** Backward steps before it. */
  backMs: number;
  /** The registry has shown that it is revoking. */
  isOver: boolean;
}

export interface Ticket {
  readonly stamp: number;
  /** A slot may be kept for it. */
  readonly listens: boolean;
  readonly seenAtMs: number;
  readonly stepsMs: number;
}

/** A lease before its first promise. */
export const UNPROMISED = { untilMs: 0, reliedUntilMs: 0, stepsMs: 0, backMs: 0, isOver: false } as const;

/**
 * What the registry has promised, kept from its answers alone, in true time. A lease counts from its grant until `released` or
 * `settled`: expiry and revocation do not end it.
 */
export class Ledger {
  readonly settings: ResourceSettings;
  leases = new Map<string, PromisedLease>();
  /** What the registry has forgotten; their holders may still rely on it. */
  readonly forgotten = new Map<string, PromisedLease>();
  tickets = new Map<string, Ticket>();
  /** Settled although their holders may still rely on them: a step of the server's clock has shortened their protection. */
  readonly shortened = new Set<string>();
  fence = 0;
  /** Sum of the forward steps of the server's clock: they shorten what runs by it (L6, stated). */
  stepsMs = 0;
  /** Sum of the backward steps: what runs by that clock may run longer by so much. */
  backMs = 0;
  revocations = 0;
  grants = 0;
  /** Infinity: nobody has asked yet. */
  learnUntilMs = Number.POSITIVE_INFINITY;
  /** A census has ended the learning: nothing that was open then is unknown. */
  isCounted = false;
  /** What holders gave back while the registry learned: no census brings it back. */
  readonly farewells = new Set<string>();
  /** Grants that the server lost with a part of its memory: each may stand for one connection too many (stated). */
  readonly lost = new Set<string>();
  /** True ms for one ms of the server's clock. */
  readonly pace: number;
  readonly #timeline: Pick<Timeline, 'nowMs'>;

  constructor(timeline: Pick<Timeline, 'nowMs'>, settings: ResourceSettings, rate: number) {
    this.#timeline = timeline;
    this.settings = settings;
    this.pace = 1 / rate;
  }

  get nowMs(): number {
    return this.#timeline.nowMs;
  }

  find(id: string): PromisedLease | undefined {
    return this.leases.get(id) ?? this.forgotten.get(id);
  }

  promise(lease: PromisedLease, protectMs: number): void {
    lease.untilMs = this.nowMs + protectMs * this.pace;
    lease.reliedUntilMs = lease.untilMs;
    lease.stepsMs = this.stepsMs;
    lease.backMs = this.backMs;
  }

  end(lease: PromisedLease): void {
    this.leases.delete(lease.id);
    if (this.stepsMs > lease.stepsMs) this.shortened.add(lease.id);
  }

  /** Before this moment nobody may take the lease away. */
  protectedUntilMs(lease: PromisedLease): number {
    return lease.untilMs - (this.stepsMs - lease.stepsMs);
  }

  /** The first contact after amnesia: learning begins. */
  beginLearning(): void {
    if (this.learnUntilMs !== Number.POSITIVE_INFINITY) return;
    const { protectMs, idleMs, connectBoundMs } = this.settings;
    this.isCounted = false;
    this.farewells.clear();
    this.learnUntilMs = this.nowMs + (protectMs + idleMs + connectBoundMs) * this.pace;
  }

  forgetAll(areFencesSafe: boolean): void {
    for (const [id, lease] of this.leases) this.forgotten.set(id, lease);
    this.leases.clear();
    this.tickets.clear();
    this.learnUntilMs = Number.POSITIVE_INFINITY;
    // Fences go on from the clock: set back before, it starts below (stated).
    if (!areFencesSafe) this.fence = 0;
  }

  /** The registry is back where `earlier` was; what it has promised since then it does not know. */
  adopt(earlier: Ledger): void {
    for (const [id, lease] of this.leases) {
      const kept = earlier.leases.get(id);
      if (kept !== undefined) kept.reliedUntilMs = Math.max(lease.reliedUntilMs, kept.untilMs);
      else {
        this.forgotten.set(id, lease);
        this.lost.add(id);
      }
    }
    this.leases = earlier.leases;
    this.tickets = earlier.tickets;
    if (earlier.learnUntilMs === Number.POSITIVE_INFINITY) this.learnUntilMs = earlier.learnUntilMs;
  }

  /** A holder, or a census, has told a registry without memory of a lease: it counts again. */
  takeBack({ id, fence }: LeaseRef): void {
    if (this.leases.has(id) || this.farewells.has(id)) return;
    const lease = this.forgotten.get(id) ?? { id, fence, holder: '?', isProbe: false, ...UNPROMISED };
    const reliedUntilMs = lease.reliedUntilMs;
    this.forgotten.delete(id);
    this.leases.set(id, lease);
    this.fence = Math.max(this.fence, fence);
    lease.isOver = false;
    this.promise(lease, this.settings.protectMs);
    lease.reliedUntilMs = Math.max(reliedUntilMs, lease.reliedUntilMs);
  }

  bidFarewell(id: string): void {
    if (this.learnUntilMs !== Number.POSITIVE_INFINITY && this.nowMs < this.learnUntilMs)
      this.farewells.add(id);
  }

  endLearning(): void {
    this.farewells.clear();
    this.learnUntilMs = 0;
    this.isCounted = true;
  }

  step(ms: number): void {
    const trueMs = ms * this.pace;
    this.backMs += Math.max(0, -trueMs);
    this.stepsMs += Math.max(0, trueMs);
    this.learnUntilMs -= Math.max(0, trueMs);
  }

  /** Tickets whose callers are surely alive for the registry, with a better claim than `stamp`. */
  liveAhead(stamp: number, limit: number): number {
    let count = 0;
    for (const [id, ticket] of this.tickets) {
      const deadMs = ticket.seenAtMs + (this.settings.ticketLivenessMs - 2) * this.pace;
      if (deadMs - (this.stepsMs - ticket.stepsMs) <= this.nowMs) this.tickets.delete(id);
      // Who listens may have a slot that is kept for him, which nobody else is told.
      else if (ticket.stamp < stamp && !ticket.listens) count += 1;
      if (count >= limit) break;
    }
    return count;
  }
}
