import type { Duty } from '../core/duty.ts';
import type { LossReason, ResourceSettings } from '../core/lease.ts';
import { LIMITS } from '../core/limits.ts';
import { Ordered } from '../core/ordered.ts';
import { mayProbe, probeDelayMs } from '../core/policy.ts';
import type { Group } from './memory-groups.ts';

/** Who holds a lease that a census has found, until its holder speaks. */
export const NOBODY = '?';

export interface Held {
  readonly id: string;
  readonly fence: number;
  holder: string;
  group: Group;
  readonly grantedAt: number;
  readonly isProbe: boolean;
  turn: number;
  session: string | undefined;
  isFlagged: boolean;
}

/** A lease that is over, but its backend not yet proven gone: it still counts. */
export interface Revoking {
  readonly held: Held;
  readonly reason: LossReason;
  readonly revokedAt: number;
  session: string | undefined;
  /** From here an absence proves the backend gone: 0 if bound, else the end of the connect bound. */
  lookAt: number;
  /** From here the backend must have gone by itself: the probe may find out. */
  endAt: number;
}

/** The moment, and what is agreed on. */
interface Present {
  readonly now: number;
  readonly settings: ResourceSettings;
}

/** The revoking leases of one resource, their duties, and the probe. */
export class DeadLeases {
  /** By the moment their duty can be taken: free of an owner, and a look would prove something. */
  readonly dutyAt = new Ordered();
  readonly #entries = new Map<string, Revoking>();
  #probeAfter = 0;
  #probeFailures = 0;
  #lookMax = 0;

  get size(): number {
    return this.#entries.size;
  }

  get(id: string): Revoking | undefined {
    return this.#entries.get(id);
  }

  add(lease: Held, reason: LossReason, protectedUntil: number, { now, settings }: Present): void {
    const { id, session } = lease;
    const { idleMs, connectBoundMs } = settings;
    const ended = Math.min(now, protectedUntil);
    // An abandoned attempt was given up just now; any other one was not started after the protection.
    const connectOver = (reason === 'abandoned' ? now : ended) + connectBoundMs;
    const lookAt = session === undefined ? connectOver : 0;
    const endAt = session === undefined ? connectOver : ended + idleMs + connectBoundMs;
    this.#entries.set(id, { held: lease, reason, revokedAt: now, session, lookAt, endAt });
    this.dutyAt.set(id, Math.max(now, lookAt));
    this.#lookMax = Math.max(this.#lookMax, lookAt);
    if (lease.isProbe && session === undefined) this.probeFailed(this.#probeFailures, now);
  }

  bindLate(entry: Revoking, session: string | undefined, { now, settings }: Present): void {
    if (session === undefined || entry.session !== undefined) return;
    const { id } = entry.held;
    entry.session = session;
    entry.endAt = now + settings.idleMs + settings.connectBoundMs;
    if (this.dutyAt.score(id) === entry.lookAt) this.dutyAt.set(id, now);
    entry.lookAt = 0;
  }

  /** Something is proven gone: progress, so the next probe need not wait. */
  remove(id: string): void {
    this.#entries.delete(id);
    this.dutyAt.delete(id);
    this.#probeFailures = 0;
    this.#probeAfter = 0;
    if (this.#entries.size === 0) this.#lookMax = 0;
  }

  get probeFailures(): number {
    return this.#probeFailures;
  }

  /** The probe found nothing out: the next one waits, twice as long after each such failure. */
  probeFailed(failuresBefore: number, now: number): void {
    this.#probeFailures = failuresBefore + 1;
    this.#probeAfter = now + probeDelayMs(this.#probeFailures);
  }

  /** A page of entries is looked at. */
  mayProbe(now: number): boolean {
    const page = this.dutyAt.upTo(Number.POSITIVE_INFINITY, LIMITS.pageMax);
    const ends = page.map((id) => this.#entries.get(id)?.endAt ?? Number.POSITIVE_INFINITY);
    return mayProbe({ now, probeAfter: this.#probeAfter, lookMax: this.#lookMax, endMin: Math.min(...ends) });
  }

  /** Takes over the duties that can be taken up to `due`. */
  takeDuties(limit: number, present: Present, due: number = present.now): Duty[] {
    return this.dutyAt.upTo(due, Math.max(0, limit)).map((id) => this.dutyOf(id, present));
  }

  /** Gives the duty an owner: it is free again `dutyMs` after the look may start. */
  dutyOf(id: string, { now, settings }: Present): Duty {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new Error(`Lease ${id} is not revoking.`);
    const lookAfterMs = Math.max(0, entry.lookAt - now);
    this.dutyAt.set(id, now + lookAfterMs + settings.dutyMs);
    return { lease: { id, fence: entry.held.fence }, session: entry.session, lookAfterMs };
  }
}
