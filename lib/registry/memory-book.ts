import type { LossReason, ResourceSettings } from '../core/lease.ts';
import { EPOCH_MS, FENCES_PER_MS, LIMITS, STAMPS_PER_MS } from '../core/limits.ts';
import { Ordered } from '../core/ordered.ts';
import { mayProbe, probeDelayMs, renewAfterMs, shouldYield, underPressure } from '../core/policy.ts';
import type { Duty, GrantRequest } from './registry.ts';

export interface Held {
  readonly id: string;
  readonly fence: number;
  readonly holder: string;
  readonly group: string;
  readonly grantedAt: number;
  readonly isProbe: boolean;
  turn: number;
  session: string | undefined;
  isFlagged: boolean;
}

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

/**
 * What is known of one resource, and the steps that several transitions share: the twin of the Lua prelude. Every step keeps
 * the sums and the orders in agreement with the entries.
 */
export class LeaseBook {
  settings: ResourceSettings;
  now: number;
  /** Leases that this operation has expired. */
  expired = 0;
  flagged = 0;
  #clockMs: number;
  #learnUntil: number;
  #fence = 0;
  #stamp = 0;
  #probeAfter = 0;
  #probeFailures = 0;
  #lookMax = 0;
  readonly held = new Map<string, Held>();
  readonly protectedUntil = new Ordered();
  readonly revoking = new Map<string, Revoking>();
  /** Revoking entries by the moment their duty can be taken: free of an owner, and a look would prove something. */
  readonly dutyAt = new Ordered();
  readonly queue = new Ordered();
  readonly #aliveUntil = new Ordered();

  constructor(settings: ResourceSettings, clockMs: number) {
    this.settings = settings;
    this.#clockMs = clockMs;
    this.now = clockMs;
    this.#learnUntil = clockMs + settings.protectMs + settings.idleMs + settings.connectBoundMs;
  }

  /** First step of every transition: time advances (L17), and what it made due is reaped (L16). */
  enter(clockMs: number): void {
    this.now += Math.max(0, clockMs - this.#clockMs);
    this.#clockMs = clockMs;
    this.expired = 0;
    this.reap(LIMITS.reapMax);
  }

  get count(): number {
    return this.held.size + this.revoking.size;
  }

  get learningMs(): number {
    return Math.max(0, this.#learnUntil - this.now);
  }

  /** The operator says that no session is open: nothing has to be waited for. */
  endLearning(): void {
    this.#learnUntil = this.now;
  }

  /** A holder with a slower connect raises the bound for all, also for a learning that is under way. */
  raiseConnectBound(connectBoundMs: number): void {
    const more = connectBoundMs - this.settings.connectBoundMs;
    if (more <= 0) return;
    this.settings = { ...this.settings, connectBoundMs };
    if (this.learningMs > 0) this.#learnUntil += more;
  }

  get isUnderPressure(): boolean {
    return underPressure(this.settings, this.count, this.queue.size);
  }

  get renewAfterMs(): number {
    return renewAfterMs(this.settings, this.held.size, this.queue.size);
  }

  remainingMs(id: string): number {
    return Math.max(0, (this.protectedUntil.score(id) ?? 0) - this.now);
  }

  /** A stamp from the past keeps its place; one from the future, or none, gets the next. */
  stampFor(asked: number): number {
    const next = Math.max(this.#stamp + 1, (this.now - EPOCH_MS) * STAMPS_PER_MS);
    return asked > 0 && asked < next ? asked : next;
  }

  enqueue(id: string, stamp: number): void {
    this.#stamp = Math.max(this.#stamp, stamp);
    this.queue.set(id, stamp);
  }

  keepTicketAlive(id: string): void {
    this.#aliveUntil.set(id, this.now + this.settings.ticketLivenessMs);
  }

  forgetTicket(id: string): boolean {
    this.#aliveUntil.delete(id);
    return this.queue.delete(id);
  }

  /** A new lease, with a fence above all before it (L7). */
  hold({ leaseId: id, holder, group }: GrantRequest, isProbe: boolean): Held {
    this.#fence = Math.max(this.#fence + 1, (this.now - EPOCH_MS) * FENCES_PER_MS);
    const unbound = { turn: 0, session: undefined, isFlagged: false };
    const lease: Held = { id, fence: this.#fence, holder, group, grantedAt: this.now, isProbe, ...unbound };
    this.held.set(id, lease);
    this.protectedUntil.set(id, this.now + this.settings.protectMs);
    return lease;
  }

  flagIfWanted(lease: Held): void {
    const heldForMs = this.now - lease.grantedAt;
    const view = { count: this.count, waiters: this.queue.size, flagged: this.flagged, heldForMs };
    if (lease.isFlagged || !shouldYield(this.settings, view)) return;
    lease.isFlagged = true;
    this.flagged += 1;
  }

  unflag(lease: Held): void {
    if (lease.isFlagged) this.flagged -= 1;
    lease.isFlagged = false;
  }

  reap(limit: number): void {
    for (const id of this.protectedUntil.upTo(this.now - this.settings.idleMs, limit)) {
      this.revoke(id, 'expired');
      this.expired += 1;
    }
    for (const id of this.#aliveUntil.upTo(this.now, limit)) this.forgetTicket(id);
  }

  /** Held becomes revoking: over for its holder, still counted. */
  revoke(id: string, reason: LossReason): void {
    const lease = this.held.get(id);
    if (lease === undefined) throw new Error(`Lease ${id} is not held.`);
    const { session } = lease;
    const { idleMs, connectBoundMs } = this.settings;
    const ended = Math.min(this.now, this.protectedUntil.score(id) ?? 0);
    // An abandoned attempt was given up just now; any other one was not started after the protection.
    const connectOver = (reason === 'abandoned' ? this.now : ended) + connectBoundMs;
    const lookAt = session === undefined ? connectOver : 0;
    const endAt = session === undefined ? connectOver : ended + idleMs + connectBoundMs;
    this.removeHeld(lease);
    this.revoking.set(id, { held: lease, reason, revokedAt: this.now, session, lookAt, endAt });
    this.dutyAt.set(id, Math.max(this.now, lookAt));
    this.#lookMax = Math.max(this.#lookMax, lookAt);
    if (lease.isProbe && session === undefined) this.probeFailed(this.#probeFailures);
  }

  bindLate(entry: Revoking, session: string | undefined): void {
    if (session === undefined || entry.session !== undefined) return;
    const { id } = entry.held;
    entry.session = session;
    entry.endAt = this.now + this.settings.idleMs + this.settings.connectBoundMs;
    if (this.dutyAt.score(id) === entry.lookAt) this.dutyAt.set(id, this.now);
    entry.lookAt = 0;
  }

  removeHeld(lease: Held): void {
    this.unflag(lease);
    this.held.delete(lease.id);
    this.protectedUntil.delete(lease.id);
  }

  /** Something is proven gone: progress, so the next probe need not wait. */
  removeRevoking(id: string): void {
    this.revoking.delete(id);
    this.dutyAt.delete(id);
    this.#probeFailures = 0;
    this.#probeAfter = 0;
    if (this.revoking.size === 0) this.#lookMax = 0;
  }

  get probeFailures(): number {
    return this.#probeFailures;
  }

  /** The probe found nothing out: the next one waits, twice as long after each such failure. */
  probeFailed(failuresBefore: number): void {
    this.#probeFailures = failuresBefore + 1;
    this.#probeAfter = this.now + probeDelayMs(this.#probeFailures);
  }

  get mayProbe(): boolean {
    if (this.held.size > 0) return false;
    const page = this.dutyAt.upTo(Number.POSITIVE_INFINITY, LIMITS.pageMax);
    const ends = page.map((id) => this.revoking.get(id)?.endAt ?? Number.POSITIVE_INFINITY);
    const endMin = Math.min(...ends);
    return mayProbe({ now: this.now, probeAfter: this.#probeAfter, lookMax: this.#lookMax, endMin });
  }

  /** Takes over the duties that can be taken up to `due`. */
  takeDuties(limit: number, due: number = this.now): Duty[] {
    return this.dutyAt.upTo(due, Math.max(0, limit)).map((id) => this.dutyOf(id));
  }

  /** Gives the duty an owner: it is free again `dutyMs` after the look may start. */
  dutyOf(id: string): Duty {
    const entry = this.revoking.get(id);
    if (entry === undefined) throw new Error(`Lease ${id} is not revoking.`);
    const lookAfterMs = Math.max(0, entry.lookAt - this.now);
    this.dutyAt.set(id, this.now + lookAfterMs + this.settings.dutyMs);
    return { lease: { id, fence: entry.held.fence }, session: entry.session, lookAfterMs };
  }

  /** The earliest moment at which something known can change for the caller with `ahead` others before it. */
  retryAfterMs(ahead: number): number {
    if (ahead >= LIMITS.hintRanks) return LIMITS.pollMaxMs;
    const lapse = this.protectedUntil.scoreAbove(this.now, ahead) ?? Number.POSITIVE_INFINITY;
    const duty = this.dutyAt.scoreAbove(this.now, ahead) ?? Number.POSITIVE_INFINITY;
    return Math.min(LIMITS.pollMaxMs, Math.min(lapse, duty) - this.now);
  }
}
