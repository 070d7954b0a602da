import type { ResourceSettings } from '../../lib/core/lease.ts';
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
  readonly seenAtMs: number;
  readonly stepsMs: number;
}

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
      else if (ticket.stamp < stamp) count += 1;
      if (count >= limit) break;
    }
    return count;
  }
}
