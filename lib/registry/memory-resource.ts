import { decideAdmission, mayProbe, probeDelayMs, renewAfterMs, shouldYield, underPressure } from '../core/policy.ts';
import type { LeaseRef, LossReason, ResourceSettings } from '../core/lease.ts';
import { EPOCH_MS, FENCES_PER_MS, LIMITS, STAMPS_PER_MS } from '../core/limits.ts';
import { Ordered } from '../core/ordered.ts';
import type {
  AbandonItem,
  Duty,
  GrantReply,
  GrantRequest,
  ParkItem,
  ParkOutcome,
  ReleaseItem,
  RenewItem,
  RenewOutcome,
  ReportEntry,
  ResourceReport,
  SettleItem,
  SweepReply,
  Weather,
} from './registry.ts';

interface Held {
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

interface Revoking {
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
 * One resource: every transition of the protocol, over plain maps. The Lua scripts are its twin, transition by transition;
 * the differential test holds the two to the same answers.
 */
export class MemoryResource {
  settings: ResourceSettings;
  #now: number;
  #clockMs: number;
  #learnUntil: number;
  #fence = 0;
  #stamp = 0;
  #flagged = 0;
  #probeAfter = 0;
  #probeFailures = 0;
  #lookMax = 0;
  /** Leases that this operation has expired. */
  #expired = 0;
  readonly #held = new Map<string, Held>();
  readonly #protectedUntil = new Ordered();
  readonly #revoking = new Map<string, Revoking>();
  /** Revoking entries by the moment their duty can be taken: free of an owner, and a look would prove something. */
  readonly #dutyAt = new Ordered();
  readonly #queue = new Ordered();
  readonly #aliveUntil = new Ordered();

  constructor(settings: ResourceSettings, clockMs: number, isNew: boolean) {
    this.settings = settings;
    this.#clockMs = clockMs;
    this.#now = clockMs;
    this.#learnUntil = clockMs + (isNew ? 0 : settings.protectMs + settings.idleMs + settings.connectBoundMs);
  }

  /** First step of every transition: time advances (L17), and what it made due is reaped (L16). */
  enter(clockMs: number): void {
    this.#now += Math.max(0, clockMs - this.#clockMs);
    this.#clockMs = clockMs;
    this.#expired = 0;
    this.#reap(LIMITS.reapMax);
  }

  get learningMs(): number {
    return Math.max(0, this.#learnUntil - this.#now);
  }

  /** The operator says that no session is open: nothing has to be waited for. */
  endLearning(): void {
    this.#learnUntil = this.#now;
  }

  raiseConnectBound(connectBoundMs: number): void {
    this.settings = { ...this.settings, connectBoundMs: Math.max(this.settings.connectBoundMs, connectBoundMs) };
  }

  grant(request: GrantRequest): GrantReply {
    const known = this.#known(request);
    if (known !== undefined) return known;
    if (this.learningMs > 0) return { kind: 'denied', reason: 'LEARNING', retryAfterMs: this.learningMs };
    const ticket = this.#queue.score(request.leaseId);
    const isPoll = ticket !== undefined;
    const stamp = ticket ?? this.#stampFor(request.stamp);
    const ahead = this.#queue.rankOf(stamp, isPoll ? request.leaseId : '');
    const free = this.#dutyAt.upTo(this.#now, 1)[0];
    const revocable = this.#protectedUntil.upTo(this.#now, 1)[0];
    const admission = decideAdmission({
      settings: this.settings,
      held: this.#held.size,
      revoking: this.#revoking.size,
      ahead,
      isPoll,
      hasFreeDuty: free !== undefined,
      hasRevocable: revocable !== undefined,
      mayProbe: this.#held.size === 0 && this.#mayProbe(),
    });
    if (admission === 'none') return this.#queueOrDeny(request, stamp, ahead, isPoll);
    const duties: Duty[] = [];
    if (admission === 'revoke' && revocable !== undefined) duties.push(this.#dutyOf(this.#revoke(revocable, 'revoked')));
    duties.push(...this.#takeDuties((admission === 'probe' ? LIMITS.pageMax : LIMITS.dutiesPerReply) - duties.length, admission === 'probe'));
    return this.#admit(request, duties, admission === 'probe');
  }

  renew(holder: string, items: readonly RenewItem[]): readonly RenewOutcome[] {
    return items.map((item) => this.#renewOne(holder, item));
  }

  park(holder: string, items: readonly ParkItem[]): readonly ParkOutcome[] {
    return items.map((item) => this.#parkOne(holder, item));
  }

  release(holder: string, items: readonly ReleaseItem[]): ('released' | 'unknown')[] {
    return items.map((item) => this.#releaseOne(holder, item));
  }

  abandon(holder: string, items: readonly AbandonItem[]): ('abandoned' | 'unknown')[] {
    return items.map((item) => this.#abandonOne(holder, item));
  }

  settle(by: LeaseRef | undefined, items: readonly SettleItem[]): ('settled' | 'kept' | 'unknown')[] {
    return items.map((item) => this.#settleOne(by, item));
  }

  sweep(duties: number): SweepReply {
    this.#reap(LIMITS.pageMax);
    const taken = this.#takeDuties(Math.min(duties, LIMITS.pageMax), false);
    return {
      expired: this.#expired,
      held: this.#held.size,
      revoking: this.#revoking.size,
      dutyMs: this.settings.dutyMs,
      duties: taken,
    };
  }

  /** Free duties for a holder that has just renewed. */
  dutiesForRenewal(): Duty[] {
    return this.#takeDuties(LIMITS.dutiesPerReply, false);
  }

  get weather(): Weather {
    return { pressure: underPressure(this.settings, this.#count, this.#queue.size) };
  }

  get renewAfterMs(): number {
    return renewAfterMs(this.settings, this.#held.size, this.#queue.size);
  }

  report(entries: number): ResourceReport {
    const limit = Math.min(entries, LIMITS.pageMax);
    const held = this.#protectedUntil.upTo(Number.POSITIVE_INFINITY, limit);
    const revoking = this.#dutyAt.upTo(Number.POSITIVE_INFINITY, limit - held.length);
    return {
      settings: this.settings,
      held: this.#held.size,
      protectedCount: this.#held.size - this.#protectedUntil.rankOf(this.#now, '\uffff'),
      revoking: this.#revoking.size,
      waiters: this.#queue.size,
      flagged: this.#flagged,
      learningMs: this.learningMs,
      entries: [...held, ...revoking].map((id) => this.#entry(id)),
    };
  }

  #entry(id: string): ReportEntry {
    const held = this.#held.get(id);
    const entry = this.#revoking.get(id);
    const lease = held ?? entry?.held;
    if (lease === undefined) throw new Error(`Lease ${id} has no record.`);
    return {
      lease: { id, fence: lease.fence },
      state: entry !== undefined ? 'revoking' : this.#remaining(id) > 0 ? 'protected' : 'revocable',
      holder: lease.holder,
      group: lease.group,
      session: entry === undefined ? lease.session : entry.session,
      isProbe: lease.isProbe,
    };
  }

  get #count(): number {
    return this.#held.size + this.#revoking.size;
  }

  #remaining(id: string): number {
    return Math.max(0, (this.#protectedUntil.score(id) ?? 0) - this.#now);
  }

  /** The answer to an id the registry knows, or must not take for new (L3, L5); undefined: an ask to decide. */
  #known(request: GrantRequest): GrantReply | undefined {
    const lease = this.#held.get(request.leaseId);
    if (lease !== undefined) {
      return lease.holder === request.holder ? this.#granted(lease, []) : { kind: 'lost', reason: 'unknown' };
    }
    const entry = this.#revoking.get(request.leaseId);
    if (entry !== undefined) return { kind: 'lost', reason: entry.reason };
    const isUnknownRepeat = request.again && this.#queue.score(request.leaseId) === undefined;
    return isUnknownRepeat ? { kind: 'lost', reason: 'unknown' } : undefined;
  }

  /** A stamp from the past keeps its place; one from the future, or none, gets the next. */
  #stampFor(asked: number): number {
    const next = Math.max(this.#stamp + 1, (this.#now - EPOCH_MS) * STAMPS_PER_MS);
    return asked > 0 && asked < next ? asked : next;
  }

  #mayProbe(): boolean {
    const page = this.#dutyAt.upTo(Number.POSITIVE_INFINITY, LIMITS.pageMax);
    const ends = page.map((id) => this.#revoking.get(id)?.endAt ?? Number.POSITIVE_INFINITY);
    return mayProbe({ now: this.#now, probeAfter: this.#probeAfter, lookMax: this.#lookMax, endMin: Math.min(...ends) });
  }

  #admit(request: GrantRequest, duties: readonly Duty[], isProbe: boolean): GrantReply {
    this.#forgetTicket(request.leaseId);
    this.#fence = Math.max(this.#fence + 1, (this.#now - EPOCH_MS) * FENCES_PER_MS);
    const lease: Held = {
      id: request.leaseId,
      fence: this.#fence,
      holder: request.holder,
      group: request.group,
      grantedAt: this.#now,
      isProbe,
      turn: 0,
      session: undefined,
      isFlagged: false,
    };
    this.#held.set(lease.id, lease);
    this.#protectedUntil.set(lease.id, this.#now + this.settings.protectMs);
    return this.#granted(lease, duties);
  }

  #granted(lease: Held, duties: readonly Duty[]): GrantReply {
    return {
      kind: 'granted',
      fence: lease.fence,
      protectMs: this.#remaining(lease.id),
      idleMs: this.settings.idleMs,
      connectAfterMs: 0,
      renewAfterMs: this.renewAfterMs,
      dutyMs: this.settings.dutyMs,
      isProbe: lease.isProbe,
      duties,
      ...this.weather,
    };
  }

  #queueOrDeny(request: GrantRequest, stamp: number, ahead: number, isPoll: boolean): GrantReply {
    const retryAfterMs = this.#retryAfterMs(ahead);
    if (!isPoll) {
      if (!request.wait) return { kind: 'denied', reason: 'FULL', retryAfterMs };
      if (this.#queue.size >= this.settings.waitersMax) return { kind: 'denied', reason: 'QUEUE_FULL', retryAfterMs };
      this.#stamp = Math.max(this.#stamp, stamp);
      this.#queue.set(request.leaseId, stamp);
    }
    this.#aliveUntil.set(request.leaseId, this.#now + this.settings.ticketLivenessMs);
    return { kind: 'queued', position: ahead + 1, stamp, retryAfterMs, ...this.weather };
  }

  /** The earliest moment at which something known can change for the caller with `ahead` others before it. */
  #retryAfterMs(ahead: number): number {
    if (ahead >= LIMITS.hintRanks) return LIMITS.pollMaxMs;
    const lapse = this.#protectedUntil.scoreAbove(this.#now, ahead) ?? Number.POSITIVE_INFINITY;
    const duty = this.#dutyAt.scoreAbove(this.#now, ahead) ?? Number.POSITIVE_INFINITY;
    return Math.min(LIMITS.pollMaxMs, Math.min(lapse, duty) - this.#now);
  }

  #renewOne(holder: string, item: RenewItem): RenewOutcome {
    const lease = this.#owned(holder, item);
    if (lease === undefined) return { kind: 'lost', reason: this.#lossOf(item.id) };
    if (item.turn > lease.turn) {
      lease.turn = item.turn;
      lease.session ??= item.session;
      this.#unflag(lease);
      this.#protectedUntil.set(lease.id, this.#now + this.settings.protectMs);
      if (item.idle) this.#flagIfWanted(lease);
    }
    return { kind: 'held', protectMs: this.#remaining(lease.id), yield: lease.isFlagged };
  }

  #parkOne(holder: string, item: ParkItem): ParkOutcome {
    const lease = this.#owned(holder, item);
    if (lease === undefined) return { kind: 'lost', reason: this.#lossOf(item.id) };
    if (item.turn > lease.turn) {
      lease.turn = item.turn;
      lease.session ??= item.session;
      this.#protectedUntil.set(lease.id, Math.min(this.#now, this.#protectedUntil.score(lease.id) ?? 0));
      this.#flagIfWanted(lease);
    }
    const protectMs = this.#remaining(lease.id);
    if (protectMs > 0) return { kind: 'held', protectMs };
    return { kind: lease.isFlagged ? 'yield' : 'parked' };
  }

  #releaseOne(holder: string, item: ReleaseItem): 'released' | 'unknown' {
    if (this.#forgetTicket(item.id)) return 'released';
    const lease = this.#held.get(item.id) ?? this.#revoking.get(item.id)?.held;
    if (lease === undefined || lease.holder !== holder) return 'unknown';
    if (item.fence !== lease.fence && item.fence !== 0) return 'unknown';
    if (lease.isProbe && item.outcome === 'refused') {
      this.#probeFailures += 1;
      this.#probeAfter = this.#now + probeDelayMs(this.#probeFailures);
    }
    this.#removeHeld(lease);
    if (this.#revoking.has(lease.id)) this.#removeRevoking(lease.id);
    return 'released';
  }

  #abandonOne(holder: string, item: AbandonItem): 'abandoned' | 'unknown' {
    const entry = this.#revoking.get(item.id);
    if (entry !== undefined && entry.held.holder === holder && entry.held.fence === item.fence) {
      this.#bindLate(entry, item.session);
      return 'abandoned';
    }
    const lease = this.#owned(holder, item);
    if (lease === undefined) return 'unknown';
    lease.session ??= item.session;
    this.#revoke(lease.id, 'abandoned');
    return 'abandoned';
  }

  #settleOne(by: LeaseRef | undefined, item: SettleItem): 'settled' | 'kept' | 'unknown' {
    const entry = this.#revoking.get(item.id);
    if (entry === undefined) return 'unknown';
    if (item.kind === 'cannot') {
      this.#dutyAt.set(item.id, Math.max(this.#now, entry.lookAt));
      return 'kept';
    }
    if (!this.#isProof(entry, by, item)) return 'kept';
    this.#removeRevoking(item.id);
    return 'settled';
  }

  /** Does this look prove the entry's backend gone? The looker itself has waited out `lookAfterMs` before its look. */
  #isProof(entry: Revoking, by: LeaseRef | undefined, item: SettleItem & { kind: 'absent' }): boolean {
    if (entry.session === undefined) return item.seen || this.#now >= entry.lookAt;
    if (entry.session.startsWith(`${item.server}.`)) return true;
    // Another server's list proves nothing, unless the looker connected after the revocation: then the endpoint has moved on.
    const looker = by === undefined ? undefined : this.#held.get(by.id);
    return looker !== undefined && looker.fence === by?.fence && looker.grantedAt >= entry.revokedAt;
  }

  #owned(holder: string, ref: LeaseRef): Held | undefined {
    const lease = this.#held.get(ref.id);
    return lease !== undefined && lease.holder === holder && lease.fence === ref.fence ? lease : undefined;
  }

  #lossOf(id: string): LossReason {
    return this.#revoking.get(id)?.reason ?? 'unknown';
  }

  #flagIfWanted(lease: Held): void {
    const heldForMs = this.#now - lease.grantedAt;
    const view = { count: this.#count, waiters: this.#queue.size, flagged: this.#flagged, heldForMs };
    if (lease.isFlagged || !shouldYield(this.settings, view)) return;
    lease.isFlagged = true;
    this.#flagged += 1;
  }

  #unflag(lease: Held): void {
    if (lease.isFlagged) this.#flagged -= 1;
    lease.isFlagged = false;
  }

  #reap(limit: number): void {
    for (const id of this.#protectedUntil.upTo(this.#now - this.settings.idleMs, limit)) {
      this.#revoke(id, 'expired');
      this.#expired += 1;
    }
    for (const id of this.#aliveUntil.upTo(this.#now, limit)) this.#forgetTicket(id);
  }

  /** Held becomes revoking: over for its holder, still counted. */
  #revoke(id: string, reason: LossReason): string {
    const lease = this.#held.get(id);
    if (lease === undefined) throw new Error(`Lease ${id} is not held.`);
    const { idleMs, connectBoundMs } = this.settings;
    const ended = Math.min(this.#now, this.#protectedUntil.score(id) ?? 0);
    const bound = lease.session !== undefined;
    // An abandoned attempt was given up just now; any other one was not started after the protection.
    const connectOver = (reason === 'abandoned' ? this.#now : ended) + connectBoundMs;
    const entry: Revoking = {
      held: lease,
      reason,
      revokedAt: this.#now,
      session: lease.session,
      lookAt: bound ? 0 : connectOver,
      endAt: bound ? ended + idleMs + connectBoundMs : connectOver,
    };
    this.#removeHeld(lease);
    this.#revoking.set(id, entry);
    this.#lookMax = Math.max(this.#lookMax, entry.lookAt);
    this.#dutyAt.set(id, Math.max(this.#now, entry.lookAt));
    return id;
  }

  #bindLate(entry: Revoking, session: string | undefined): void {
    if (session === undefined || entry.session !== undefined) return;
    entry.session = session;
    entry.endAt = this.#now + this.settings.idleMs + this.settings.connectBoundMs;
    if ((this.#dutyAt.score(entry.held.id) ?? 0) === entry.lookAt) this.#dutyAt.set(entry.held.id, this.#now);
    entry.lookAt = 0;
  }

  #takeDuties(limit: number, all: boolean): Duty[] {
    const due = all ? Number.POSITIVE_INFINITY : this.#now;
    return this.#dutyAt.upTo(due, Math.max(0, limit)).map((id) => this.#dutyOf(id));
  }

  /** Gives the duty an owner: it is free again `dutyMs` after the look may start. */
  #dutyOf(id: string): Duty {
    const entry = this.#revoking.get(id);
    if (entry === undefined) throw new Error(`Lease ${id} is not revoking.`);
    const lookAfterMs = Math.max(0, entry.lookAt - this.#now);
    this.#dutyAt.set(id, this.#now + lookAfterMs + this.settings.dutyMs);
    return { lease: { id, fence: entry.held.fence }, session: entry.session, lookAfterMs };
  }

  #forgetTicket(id: string): boolean {
    this.#aliveUntil.delete(id);
    return this.#queue.delete(id);
  }

  #removeHeld(lease: Held): void {
    this.#unflag(lease);
    this.#held.delete(lease.id);
    this.#protectedUntil.delete(lease.id);
  }

  #removeRevoking(id: string): void {
    this.#revoking.delete(id);
    this.#dutyAt.delete(id);
    this.#probeFailures = 0;
    this.#probeAfter = 0;
    if (this.#revoking.size === 0) this.#lookMax = 0;
  }
}
