import type { LeaseRef, LossReason, ResourceSettings } from '../core/lease.ts';
import { LIMITS } from '../core/limits.ts';
import { decideAdmission } from '../core/policy.ts';
import { type Held, LeaseBook, type Revoking } from './memory-book.ts';
import { reportOf } from './memory-report.ts';
import type {
  AbandonItem,
  Duty,
  GrantReply,
  GrantRequest,
  ParkItem,
  ParkOutcome,
  ParkReply,
  ReleaseItem,
  RenewItem,
  RenewOutcome,
  RenewReply,
  ResourceReport,
  SettleItem,
  SweepReply,
} from './registry.ts';

/**
 * One resource: every transition of the protocol. The Lua scripts are its twin, transition by transition; the differential
 * test holds the two to the same answers.
 */
export class MemoryResource {
  readonly #book: LeaseBook;

  constructor(settings: ResourceSettings, clockMs: number) {
    this.#book = new LeaseBook(settings, clockMs);
  }

  enter(clockMs: number): void {
    this.#book.enter(clockMs);
  }

  get settings(): ResourceSettings {
    return this.#book.settings;
  }

  get learningMs(): number {
    return this.#book.learningMs;
  }

  configure(settings: ResourceSettings, isNew: boolean): void {
    this.#book.raiseConnectBound(settings.connectBoundMs);
    if (isNew) this.#book.endLearning();
  }

  grant(request: GrantRequest): GrantReply {
    const book = this.#book;
    book.raiseConnectBound(request.settings.connectBoundMs);
    const known = this.#known(request);
    if (known !== undefined) return known;
    if (book.learningMs > 0) return { kind: 'denied', reason: 'LEARNING', retryAfterMs: book.learningMs };
    const ticket = book.queue.score(request.leaseId);
    const isPoll = ticket !== undefined;
    const stamp = ticket ?? book.stampFor(request.stamp);
    const ahead = book.queue.rankOf(stamp, isPoll ? request.leaseId : '');
    const revocable = book.protectedUntil.upTo(book.now, 1)[0];
    const admission = decideAdmission({
      settings: book.settings,
      held: book.held.size,
      revoking: book.revoking.size,
      ahead,
      isPoll,
      hasFreeDuty: book.dutyAt.upTo(book.now, 1).length > 0,
      hasRevocable: revocable !== undefined,
      mayProbe: book.mayProbe,
    });
    if (admission === 'none') return this.#queueOrDeny(request, stamp, ahead, isPoll);
    const duties: Duty[] = [];
    if (admission === 'revoke' && revocable !== undefined) {
      book.revoke(revocable, 'revoked');
      duties.push(book.dutyOf(revocable));
    }
    const isProbe = admission === 'probe';
    if (isProbe) duties.push(...book.takeDuties(LIMITS.pageMax, Number.POSITIVE_INFINITY));
    else duties.push(...book.takeDuties(LIMITS.dutiesPerReply - duties.length));
    book.forgetTicket(request.leaseId);
    return this.#granted(book.hold(request, isProbe), duties);
  }

  renew(holder: string, items: readonly RenewItem[]): RenewReply {
    const book = this.#book;
    const outcomes = items.map((item) => this.#renewOne(holder, item));
    const isHolding = outcomes.some(({ kind }) => kind === 'held');
    const duties = isHolding ? book.takeDuties(LIMITS.dutiesPerReply) : [];
    const { renewAfterMs, isUnderPressure: pressure } = book;
    return { outcomes, duties, dutyMs: book.settings.dutyMs, renewAfterMs, pressure };
  }

  park(holder: string, items: readonly ParkItem[]): ParkReply {
    const outcomes = items.map((item) => this.#parkOne(holder, item));
    return { outcomes, pressure: this.#book.isUnderPressure };
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
    const book = this.#book;
    book.reap(LIMITS.pageMax);
    const taken = book.takeDuties(Math.min(duties, LIMITS.pageMax));
    const { expired, held, revoking, settings } = book;
    return { expired, held: held.size, revoking: revoking.size, dutyMs: settings.dutyMs, duties: taken };
  }

  report(entries: number): ResourceReport {
    return reportOf(this.#book, entries);
  }

  /** The answer to an id the registry knows, or must not take for new (L3, L5); undefined: an ask to decide. */
  #known({ leaseId, holder, again }: GrantRequest): GrantReply | undefined {
    const lease = this.#book.held.get(leaseId);
    if (lease !== undefined && lease.holder === holder) return this.#granted(lease, []);
    if (lease !== undefined) return { kind: 'lost', reason: 'unknown' };
    const entry = this.#book.revoking.get(leaseId);
    if (entry !== undefined) return { kind: 'lost', reason: entry.reason };
    const isUnknownRepeat = again && this.#book.queue.score(leaseId) === undefined;
    return isUnknownRepeat ? { kind: 'lost', reason: 'unknown' } : undefined;
  }

  #granted(lease: Held, duties: readonly Duty[]): GrantReply {
    const { settings, renewAfterMs, isUnderPressure: pressure } = this.#book;
    return {
      kind: 'granted',
      fence: lease.fence,
      protectMs: this.#book.remainingMs(lease.id),
      idleMs: settings.idleMs,
      connectAfterMs: 0,
      renewAfterMs,
      dutyMs: settings.dutyMs,
      isProbe: lease.isProbe,
      duties,
      pressure,
    };
  }

  #queueOrDeny(request: GrantRequest, stamp: number, ahead: number, isPoll: boolean): GrantReply {
    const book = this.#book;
    const retryAfterMs = book.retryAfterMs(ahead);
    if (!isPoll) {
      if (!request.wait) return { kind: 'denied', reason: 'FULL', retryAfterMs };
      const isFull = book.queue.size >= book.settings.waitersMax;
      if (isFull) return { kind: 'denied', reason: 'QUEUE_FULL', retryAfterMs };
      book.enqueue(request.leaseId, stamp);
    }
    book.keepTicketAlive(request.leaseId);
    return { kind: 'queued', position: ahead + 1, stamp, retryAfterMs, pressure: book.isUnderPressure };
  }

  #renewOne(holder: string, item: RenewItem): RenewOutcome {
    const lease = this.#owned(holder, item);
    if (lease === undefined) return { kind: 'lost', reason: this.#lossOf(item.id) };
    lease.session ??= item.session;
    if (item.turn > lease.turn) {
      lease.turn = item.turn;
      this.#book.unflag(lease);
      this.#book.protectedUntil.set(lease.id, this.#book.now + this.settings.protectMs);
      if (item.idle) this.#book.flagIfWanted(lease);
    }
    return { kind: 'held', protectMs: this.#book.remainingMs(lease.id), yield: lease.isFlagged };
  }

  #parkOne(holder: string, item: ParkItem): ParkOutcome {
    const { now, protectedUntil } = this.#book;
    const lease = this.#owned(holder, item);
    if (lease === undefined) return { kind: 'lost', reason: this.#lossOf(item.id) };
    lease.session ??= item.session;
    if (item.turn > lease.turn) {
      lease.turn = item.turn;
      protectedUntil.set(lease.id, Math.min(now, protectedUntil.score(lease.id) ?? 0));
      this.#book.flagIfWanted(lease);
    }
    const protectMs = this.#book.remainingMs(lease.id);
    if (protectMs > 0) return { kind: 'held', protectMs };
    return { kind: lease.isFlagged ? 'yield' : 'parked' };
  }

  #releaseOne(holder: string, item: ReleaseItem): 'released' | 'unknown' {
    const book = this.#book;
    if (book.forgetTicket(item.id)) return 'released';
    const lease = book.held.get(item.id) ?? book.revoking.get(item.id)?.held;
    if (lease === undefined || lease.holder !== holder) return 'unknown';
    if (item.fence !== lease.fence && item.fence !== 0) return 'unknown';
    const failuresBefore = book.probeFailures;
    if (book.revoking.has(lease.id)) book.removeRevoking(lease.id);
    else book.removeHeld(lease);
    if (lease.isProbe && item.outcome === 'refused') book.probeFailed(failuresBefore);
    return 'released';
  }

  #abandonOne(holder: string, item: AbandonItem): 'abandoned' | 'unknown' {
    const entry = this.#book.revoking.get(item.id);
    if (entry !== undefined && entry.held.holder === holder && entry.held.fence === item.fence) {
      this.#book.bindLate(entry, item.session);
      return 'abandoned';
    }
    const lease = this.#owned(holder, item);
    if (lease === undefined) return 'unknown';
    lease.session ??= item.session;
    this.#book.revoke(lease.id, 'abandoned');
    return 'abandoned';
  }

  #settleOne(by: LeaseRef | undefined, item: SettleItem): 'settled' | 'kept' | 'unknown' {
    const entry = this.#book.revoking.get(item.id);
    if (entry === undefined) return 'unknown';
    if (item.kind === 'cannot') {
      this.#book.dutyAt.set(item.id, Math.max(this.#book.now, entry.lookAt));
      return 'kept';
    }
    if (!this.#isProof(entry, by, item)) return 'kept';
    this.#book.removeRevoking(item.id);
    return 'settled';
  }

  /** Does this look prove the entry's backend gone? The looker itself has waited out `lookAfterMs` before its look. */
  #isProof(entry: Revoking, by: LeaseRef | undefined, item: SettleItem & { kind: 'absent' }): boolean {
    if (entry.session === undefined) return item.seen || this.#book.now >= entry.lookAt;
    if (entry.session.startsWith(`${item.server}.`)) return true;
    // Another server's list proves nothing, unless the looker connected after the revocation: then the endpoint has moved on.
    const looker = by === undefined ? undefined : this.#book.held.get(by.id);
    return looker !== undefined && looker.fence === by?.fence && looker.grantedAt >= entry.revokedAt;
  }

  #owned(holder: string, ref: LeaseRef): Held | undefined {
    const lease = this.#book.held.get(ref.id);
    return lease !== undefined && lease.holder === holder && lease.fence === ref.fence ? lease : undefined;
  }

  #lossOf(id: string): LossReason {
    return this.#book.revoking.get(id)?.reason ?? 'unknown';
  }
}
