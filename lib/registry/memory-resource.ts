import type { LeaseRef, LossReason, ResourceSettings } from '../core/lease.ts';
import { LIMITS } from '../core/limits.ts';
import type { Election } from '../core/operation.ts';
import type { ResourceReport } from '../core/report.ts';
import { grant } from './memory-admit.ts';
import { LeaseBook } from './memory-book.ts';
import { type Held, NOBODY, type Revoking } from './memory-dead.ts';
import { registered, takeOver } from './memory-learning.ts';
import { reportOf } from './memory-report.ts';
import { flagIfWanted } from './memory-yield.ts';
import type {
  AbandonItem,
  GrantReply,
  GrantRequest,
  ParkItem,
  ParkOutcome,
  ParkReply,
  Registration,
  ReleaseItem,
  RenewItem,
  RenewOutcome,
  RenewReply,
  SettleItem,
  SweepReply,
} from './registry.ts';

/**
 * One resource: the transitions of a lease. The Lua scripts are their twins, transition by transition; the differential test
 * holds the two to the same answers.
 */
export class MemoryResource {
  readonly book: LeaseBook;

  constructor(settings: ResourceSettings, clockMs: number) {
    this.book = new LeaseBook(settings, clockMs);
  }

  grant(request: GrantRequest): GrantReply {
    return grant(this.book, request);
  }

  renew(holder: string, items: readonly RenewItem[]): RenewReply {
    const { book } = this;
    const outcomes = items.map((item) => this.#renewOne(holder, item));
    const last = items.findLast(({ id }) => book.held.get(id)?.holder === holder);
    const lease = last === undefined ? undefined : book.held.get(last.id);
    const isHolding = outcomes.some(({ kind }) => kind === 'held');
    const duties = isHolding ? book.dead.takeDuties(LIMITS.dutiesPerReply, book) : [];
    const census = isHolding ? book.control.takeCensus(book.now) : undefined;
    const { renewAfterMs, settings, inForce } = book;
    return {
      outcomes,
      duties,
      dutyMs: settings.dutyMs,
      renewAfterMs,
      pressure: book.pressureOn(lease?.group),
      ...(census !== undefined && { census }),
      ...(inForce !== undefined && { inForce }),
    };
  }

  park(holder: string, items: readonly ParkItem[]): ParkReply {
    const { book } = this;
    const outcomes = items.map((item) => this.#parkOne(holder, item));
    const lease = items.map(({ id }) => book.held.get(id)).findLast((held) => held?.holder === holder);
    const { inForce } = book;
    return { outcomes, pressure: book.pressureOn(lease?.group), ...(inForce !== undefined && { inForce }) };
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

  sweep(limit: number, election?: Election): SweepReply {
    const { book } = this;
    book.reap(LIMITS.pageMax);
    const isElected = election === undefined || book.control.sweep.elect(election, book.now);
    const duties = isElected ? book.dead.takeDuties(Math.min(limit, LIMITS.pageMax), book) : [];
    const census = isElected ? book.control.takeCensus(book.now) : undefined;
    const { expired, held, dead, settings } = book;
    const counts = { isElected, expired, held: held.size, revoking: dead.size };
    return { ...counts, dutyMs: settings.dutyMs, duties, ...(census !== undefined && { census }) };
  }

  report(entries: number | readonly string[]): ResourceReport {
    return reportOf(this.book, entries);
  }

  #renewOne(holder: string, item: RenewItem): RenewOutcome {
    const { book } = this;
    const lease = this.#owned(holder, item, item.again) ?? registered(book, holder, item);
    if (lease === undefined) return this.#isForgotten(item.id) ? { kind: 'forgotten' } : this.#lost(item.id);
    book.bind(lease, item.session);
    if (item.turn > lease.turn) {
      lease.turn = item.turn;
      book.unflag(lease);
      // A connect that was put off keeps what it was given.
      const until = Math.max(book.now + book.settings.protectMs, book.protectedUntil.score(lease.id) ?? 0);
      book.protectedUntil.set(lease.id, until);
      // A busy holder never parks, but is to reconnect all the same: it gives up what it is told here when it is given back.
      if (item.idle || lease.fence < book.control.staleBelow) flagIfWanted(book, lease);
    }
    return { kind: 'held', protectMs: book.remainingMs(lease.id), yield: lease.isFlagged };
  }

  #parkOne(holder: string, item: ParkItem): ParkOutcome {
    const { book } = this;
    const lease = this.#owned(holder, item);
    if (lease === undefined) return this.#lost(item.id);
    book.bind(lease, item.session);
    if (item.turn > lease.turn) {
      lease.turn = item.turn;
      const until = Math.min(book.now, book.protectedUntil.score(lease.id) ?? 0);
      book.protectedUntil.set(lease.id, until);
      flagIfWanted(book, lease);
    }
    const protectMs = book.remainingMs(lease.id);
    if (protectMs > 0) return { kind: 'held', protectMs };
    return { kind: lease.isFlagged ? 'yield' : 'parked' };
  }

  #releaseOne(holder: string, item: ReleaseItem): 'released' | 'unknown' {
    const { book } = this;
    if (book.tickets.forget(item.id)) return 'released';
    const lease = book.held.get(item.id) ?? book.dead.get(item.id)?.held;
    if (lease !== undefined && !mayRelease(lease, holder, item.fence)) return 'unknown';
    book.control.bidFarewell(item.id);
    if (lease === undefined) return 'unknown';
    const failuresBefore = book.dead.probeFailures;
    if (book.dead.get(lease.id) !== undefined) book.dead.remove(lease.id);
    else book.removeHeld(lease);
    if (lease.isProbe && item.outcome === 'refused') book.dead.probeFailed(failuresBefore, book.now);
    book.observe(lease, item.outcome);
    return 'released';
  }

  #abandonOne(holder: string, item: AbandonItem): 'abandoned' | 'unknown' {
    const { book } = this;
    const entry = book.dead.get(item.id);
    if (entry !== undefined && entry.held.holder === holder && entry.held.fence === item.fence) {
      book.dead.bindLate(entry, item.session, book);
      return 'abandoned';
    }
    const lease = this.#owned(holder, item);
    if (lease === undefined) return 'unknown';
    book.bind(lease, item.session);
    book.revoke(lease.id, 'abandoned');
    book.observe(lease, item.outcome);
    return 'abandoned';
  }

  #settleOne(by: LeaseRef | undefined, item: SettleItem): 'settled' | 'kept' | 'unknown' {
    const { book } = this;
    if (item.kind === 'vacant') return this.#vacate(item) ? 'kept' : 'unknown';
    const entry = book.dead.get(item.id);
    if (entry === undefined) return 'unknown';
    if (item.kind === 'cannot') {
      book.dead.dutyAt.set(item.id, Math.max(book.now, entry.lookAt));
      return 'kept';
    }
    if (!this.#isProof(entry, by, item)) return 'kept';
    book.dead.remove(item.id);
    book.control.bidFarewell(item.id);
    return 'settled';
  }

  #vacate({ id, fence }: LeaseRef): boolean {
    const { book } = this;
    if (book.held.get(id)?.fence !== fence || book.remainingMs(id) > 0) return false;
    book.revoke(id, 'expired');
    return true;
  }

  /** Does this look prove the entry's backend gone? The looker itself has waited out `lookAfterMs` before its look. */
  #isProof(entry: Revoking, by: LeaseRef | undefined, item: SettleItem & { kind: 'absent' }): boolean {
    if (entry.session === undefined) return item.seen || this.book.now >= entry.lookAt;
    if (entry.session.startsWith(`${item.server}.`)) return true;
    // Another server's list proves nothing, unless the looker connected after the revocation: then the endpoint has moved on.
    const looker = by === undefined ? undefined : this.book.held.get(by.id);
    return looker !== undefined && looker.fence === by?.fence && looker.grantedAt >= entry.revokedAt;
  }

  /** The holder's lease; one that a census has found becomes its own. */
  #owned(holder: string, ref: LeaseRef, again?: Registration): Held | undefined {
    const lease = this.book.held.get(ref.id);
    if (lease === undefined || lease.fence !== ref.fence) return undefined;
    takeOver(this.book, lease, holder, again);
    return lease.holder === holder ? lease : undefined;
  }

  /** The registry may have known it once. */
  #isForgotten(id: string): boolean {
    const { control, held, dead } = this.book;
    const isKnown = held.has(id) || dead.get(id) !== undefined || control.farewells.has(id);
    return control.isLearning && !isKnown;
  }

  #lost(id: string): { readonly kind: 'lost'; readonly reason: LossReason } {
    return { kind: 'lost', reason: this.book.dead.get(id)?.reason ?? 'unknown' };
  }
}

/** Fence 0: the answer that told it was lost. Nobody's lease has a session, so its fence is known. */
const mayRelease = (lease: Held, holder: string, fence: number): boolean =>
  fence === lease.fence
    ? lease.holder === holder || lease.holder === NOBODY
    : fence === 0 && lease.holder === holder;
