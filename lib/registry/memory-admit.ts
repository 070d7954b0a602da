import type { CensusDuty, Duty } from '../core/duty.ts';
import { type DenialReason, encodeSettings, type Share } from '../core/lease.ts';
import { LIMITS } from '../core/limits.ts';
import { type Admission, claimsAhead, decideAdmission } from '../core/policy.ts';
import type { LeaseBook } from './memory-book.ts';
import type { Ban } from './memory-control.ts';
import type { Held } from './memory-dead.ts';
import { type Group, viewOf } from './memory-groups.ts';
import type { Ticket } from './memory-tickets.ts';
import type { GrantReply, GrantRequest } from './registry.ts';

/** A caller as the decision sees it. */
interface Caller {
  readonly request: GrantRequest;
  readonly group: Group;
  readonly ticket: Ticket | undefined;
  readonly stamp: number;
}

/** The decision to grant, queue or deny, and what follows from it (steps 1 to 5 of `admit`). */
export const grant = (book: LeaseBook, request: GrantRequest): GrantReply => {
  book.raiseConnectBound(request.settings.connectBoundMs);
  const known = answerToKnown(book, request);
  if (known !== undefined) return known;
  const { capacity, headroom } = book.settings;
  const ticket = book.tickets.get(request.leaseId);
  const group = ticket?.group ?? book.groups.of(request.group, request.share, capacity - headroom);
  const stamp = ticket?.stamp ?? book.tickets.stampFor(request.stamp, book.now);
  return decide(book, { request, group, ticket, stamp });
};

/** The answer to an id the registry knows, or must not take for new (L3, L5); undefined: an ask to decide. */
const answerToKnown = (book: LeaseBook, request: GrantRequest): GrantReply | undefined => {
  const { leaseId, holder, again } = request;
  const lease = book.held.get(leaseId);
  if (lease !== undefined && lease.holder !== holder) return { kind: 'lost', reason: 'unknown' };
  if (lease !== undefined) return granted(book, request, lease, [], book.control.censusOf(leaseId, book.now));
  const entry = book.dead.get(leaseId);
  if (entry !== undefined) return { kind: 'lost', reason: entry.reason };
  const isUnknownRepeat = again && book.tickets.get(leaseId) === undefined;
  return isUnknownRepeat ? { kind: 'lost', reason: 'unknown' } : undefined;
};

const decide = (book: LeaseBook, caller: Caller): GrantReply => {
  const { now, control, settings } = book;
  const others = book.groups.all().filter((group) => group !== caller.group);
  const ahead = claimsAhead(
    viewOf(caller.group, caller.stamp),
    others.map((group) => viewOf(group, caller.stamp)),
  );
  const ban = control.ban(now);
  if (ban !== undefined) return takeCensus(book, caller) ?? queueOrDeny(book, caller, ahead, ban);
  // Who gives up before would give the lease back unused, and the rate would be spent on nothing. The rate is never given back,
  // whoever comes and goes, so the queue is no use to such a caller either, nor is the probe. A census was granted above: it is never
  // put off, for two of them are seconds apart.
  const { connectedAfterMs: forMs } = book;
  if (forMs > (caller.request.waitMs ?? forMs))
    return queueOrDeny(book, caller, ahead, { because: 'RATE', forMs });
  const victim = victimFor(book, caller.group);
  const admission = admissionOf(book, caller, ahead, victim);
  if (admission === 'none') return queueOrDeny(book, caller, ahead);
  const tooFarMs = book.connectAfterMs - LIMITS.connectAfterMaxMs;
  if (tooFarMs > 0) return queueOrDeny(book, caller, ahead, { because: 'RATE', forMs: tooFarMs });
  // The connects that may still start are for those who wait already.
  const isBarging = caller.ticket === undefined && ahead + book.tickets.claims >= book.startsLeft;
  if (isBarging) return queueOrDeny(book, caller, ahead, { because: 'RATE' });
  const present = { now, settings };
  const duties: Duty[] = [];
  if (admission === 'revoke' && victim !== undefined) {
    book.revoke(victim.id, 'revoked');
    duties.push(book.dead.dutyOf(victim.id, present));
  }
  const isProbe = admission === 'probe';
  if (isProbe) duties.push(...book.dead.takeDuties(LIMITS.pageMax, present, Number.POSITIVE_INFINITY));
  else duties.push(...book.dead.takeDuties(LIMITS.dutiesPerReply - duties.length, present));
  return granted(book, caller.request, hold(book, caller, isProbe), duties);
};

const admissionOf = (book: LeaseBook, caller: Caller, ahead: number, victim: Held | undefined): Admission => {
  const { group, ticket, stamp } = caller;
  const { taken, max, older } = viewOf(group, stamp);
  return decideAdmission({
    settings: book.settings,
    cap: book.cap,
    held: book.held.size,
    revoking: book.dead.size,
    claims: book.tickets.claims,
    ahead,
    isPoll: ticket !== undefined,
    hasClaim: ticket !== undefined && book.tickets.hasClaim(ticket.id),
    isWithinShare: taken + older < max,
    hasFreeDuty: book.dead.dutyAt.upTo(book.now, 1).length > 0,
    hasRevocable: victim !== undefined,
    mayProbe: book.held.size === 0 && book.dead.mayProbe(book.now),
  });
};

/** The longest unprotected lease that shares allow to revoke for this group (law L10). */
const victimFor = (book: LeaseBook, group: Group): Held | undefined => {
  const isFull = group.taken >= group.share.max;
  for (const id of book.protectedUntil.upTo(book.now, LIMITS.victimsMax)) {
    const lease = book.held.get(id);
    if (lease === undefined) continue;
    if (lease.group === group) return lease;
    if (!isFull && lease.group.taken > lease.group.share.min) return lease;
  }
  return undefined;
};

/** A newcomer's lease for the census, where no holder makes it; within its group's maximum like every lease. */
const takeCensus = (book: LeaseBook, caller: Caller): GrantReply | undefined => {
  const { control, now, held, settings } = book;
  const isFull = caller.group.taken >= caller.group.share.max;
  // One provisional lease at a time.
  const isOut = book.remainingMs(control.censusLease) > 0;
  const isWanted = caller.request.wait && !isFull && book.count < book.cap && !isOut;
  if (!isWanted || !control.mayNewcomerTakeCensus(now, held.size, settings.protectMs)) return undefined;
  const census = control.takeCensus(now, caller.request.leaseId);
  if (census === undefined) return undefined;
  return granted(book, caller.request, hold(book, caller, false), [], census);
};

const hold = (book: LeaseBook, { request, group, ticket }: Caller, isProbe: boolean): Held => {
  const lease = book.hold(request.leaseId, request.holder, group, isProbe);
  if (ticket !== undefined) book.tickets.forget(ticket.id);
  return lease;
};

const queueOrDeny = (book: LeaseBook, caller: Caller, ahead: number, ban?: Ban): GrantReply => {
  const { request, group, ticket, stamp } = caller;
  const { wait, waitMs, leaseId, holder, listens = false } = request;
  const hintMs = ban === undefined ? book.retryAfterMs(ahead) : (ban.forMs ?? LIMITS.pollMaxMs);
  const isNear = ban?.forMs !== undefined && waitMs !== undefined && ban.forMs > waitMs;
  const { fullness } = book;
  const denied = (reason: DenialReason) =>
    ({ kind: 'denied', reason, retryAfterMs: hintMs, ...fullness }) as const;
  if (ban !== undefined && wait && isNear) {
    if (ticket !== undefined) book.tickets.forget(ticket.id);
    return { ...denied('DEADLINE_NEAR'), because: ban.because };
  }
  if (ticket === undefined) {
    if (!wait) return denied(ban?.because ?? 'FULL');
    const isFull = book.tickets.size >= book.settings.waitersMax;
    if (isFull) return denied('QUEUE_FULL');
    book.tickets.add({ id: leaseId, stamp, group, holder, listens, isPassedOver: false, isSummoned: false });
  } else {
    ticket.listens = listens;
    ticket.isPassedOver = false;
    ticket.isSummoned = false;
  }
  book.tickets.keepAlive(leaseId, book.now + book.settings.ticketLivenessMs);
  const queued = { kind: 'queued', position: ahead + 1, stamp, ...fullness } as const;
  const retryAfterMs = Math.min(LIMITS.pollMaxMs, hintMs);
  const because = ban === undefined ? {} : { because: ban.because };
  return { ...queued, retryAfterMs, ...because, ...weatherFor(book, request, group) };
};

const granted = (
  book: LeaseBook,
  request: GrantRequest,
  lease: Held,
  duties: readonly Duty[],
  census?: CensusDuty,
): GrantReply => {
  const { settings, renewAfterMs } = book;
  const protectMs = book.remainingMs(lease.id);
  return {
    kind: 'granted',
    fence: lease.fence,
    protectMs,
    idleMs: settings.idleMs,
    connectAfterMs: Math.max(0, protectMs - settings.protectMs),
    renewAfterMs,
    dutyMs: settings.dutyMs,
    isProbe: lease.isProbe,
    duties,
    ...(census !== undefined && { census }),
    ...weatherFor(book, request, lease.group),
  };
};

const weatherFor = (book: LeaseBook, { settings, share }: GrantRequest, group: Group) => {
  const isOther = encodeSettings(book.settings) !== encodeSettings(settings) || isOtherShare(group, share);
  const { inForce } = book;
  return {
    pressure: book.pressureOn(group),
    ...(isOther && { settingsDiffer: true }),
    ...(inForce !== undefined && { inForce }),
  };
};

const isOtherShare = ({ share }: Group, asked: Share | undefined): boolean =>
  asked !== undefined &&
  (asked.min !== share.min || asked.max !== share.max || asked.priority !== share.priority);
