import type { ResourceSettings, Share } from './lease.ts';
import { LIMITS } from './limits.ts';

/** All that the decision to grant depends on, for a resource whose registry forbids nothing. */
export interface AdmissionView {
  readonly settings: ResourceSettings;
  /** The capacity, less the sessions that are not ours. */
  readonly cap: number;
  readonly held: number;
  readonly revoking: number;
  /** Slots kept for waiters that were woken. */
  readonly claims: number;
  /** Tickets with a better claim. */
  readonly ahead: number;
  /** The caller has a ticket already: this is a poll. */
  readonly isPoll: boolean;
  /** One of the claims is the caller's. */
  readonly hasClaim: boolean;
  /** The caller's group stays within its maximum. */
  readonly isWithinShare: boolean;
  /** Some revoking entry's duty is free, and its look may start now. */
  readonly hasFreeDuty: boolean;
  /** Some held lease is not protected, and shares allow to revoke it for this caller. */
  readonly hasRevocable: boolean;
  /** The probe's own conditions on entries and delay hold (see `mayProbe`). */
  readonly mayProbe: boolean;
}

/** How a lease may be granted: from the room, over a freed duty, over a revoked lease, as a probe; or not now. */
export type Admission = 'room' | 'takeover' | 'revoke' | 'probe' | 'none';

/** What may be granted without revoking anything; negative where more is open. */
const roomOf = (
  settings: ResourceSettings,
  view: { readonly cap: number; readonly held: number; readonly revoking: number; readonly claims: number },
): number => view.cap - settings.headroom - view.held - view.revoking - view.claims;

/**
 * The decision of `admit` (steps 2 to 5 of the protocol), pure.
 *
 * Law L1 is visible in it: 'room' needs the headroom free, 'takeover' and 'revoke' need one place below the capacity, and
 * only a probe goes one beyond. Law L9: a newcomer takes room only if every ticket ahead could have its own, a poll if
 * fewer than room + capacity tickets are ahead (polled order is soft: strict order would leave room idle until the oldest
 * polls), and only the best claim revokes or probes.
 */
export const decideAdmission = (view: AdmissionView): Admission => {
  const { settings, cap, held, revoking, claims, ahead } = view;
  const count = held + revoking;
  const room = roomOf(settings, view);
  // Its slot is counted; an overlap that somebody else makes meanwhile has its own place.
  if (view.hasClaim && count + claims <= cap) return 'room';
  const isInTurn = ahead < (view.isPoll ? room + settings.capacity : room);
  if (room > 0 && isInTurn && view.isWithinShare) return 'room';
  const places = cap - count - claims;
  // One overlap for each ticket ahead, and one more: a crowd that polls would else hand over one lease at a time.
  const mayOverlap = places > 0 && (view.isPoll ? ahead < places : ahead === 0);
  // An entry whose connection is surely over goes before a lease that somebody may want to use again.
  if (mayOverlap && view.hasFreeDuty && view.isWithinShare) return 'takeover';
  if (mayOverlap && view.hasRevocable) return 'revoke';
  if (ahead > 0) return 'none';
  return held === 0 && revoking > 0 && view.mayProbe && view.isWithinShare ? 'probe' : 'none';
};

/** What of a group says whom it may be served. */
export interface GroupLoad extends Share {
  /** Its leases and claims. */
  readonly taken: number;
  /** Its tickets without a claim. */
  readonly waiting: number;
}

/** A group as a caller sees it. */
export interface GroupView extends GroupLoad {
  /** Its tickets that are older than the caller. */
  readonly older: number;
}

/** Tickets of a group that are served before anyone above their minimum. */
const urgentOf = ({ waiting, min, taken }: GroupLoad): number => Math.min(waiting, Math.max(0, min - taken));

/** Tickets of a group that its maximum allows to serve. */
export const eligibleOf = ({ waiting, max, taken }: GroupLoad): number =>
  Math.min(waiting, Math.max(0, max - taken));

/** Tickets with a better claim than a caller of `own` (laws L9, L10): below their minimum first, then by priority, then by age. */
export const claimsAhead = (own: GroupView, others: readonly GroupView[]): number => {
  const isUrgent = own.taken + own.older < own.min;
  const before = (other: GroupView): number => {
    const urgent = urgentOf(other);
    if (other.priority < own.priority) return isUrgent ? 0 : urgent;
    const all = isUrgent ? urgent : eligibleOf(other);
    if (other.priority > own.priority) return all;
    return Math.max(isUrgent ? 0 : urgent, Math.min(all, other.older));
  };
  return others.reduce((sum, other) => sum + before(other), own.older);
};

/**
 * May the one grant beyond the count be made? Only when no connect of any entry can still be in flight, when at least one
 * entry is past the moment at which its backend must have gone, and not within the delay after a refused probe.
 */
export const mayProbe = (view: {
  readonly now: number;
  readonly probeAfter: number;
  /** The latest `lookAt` of all entries: after it no connect of theirs is in flight. */
  readonly lookMax: number;
  /** The earliest `endAt` of the entries looked at. */
  readonly endMin: number;
}): boolean => view.now >= view.probeAfter && view.now >= view.lookMax && view.now >= view.endMin;

/**
 * When the holder should renew next, in ms: a third of the protection while there is room, so that two renewals may fail;
 * sooner while somebody waits, because renewals carry duties and the word to yield.
 */
export const renewAfterMs = (settings: ResourceSettings, held: number, waiters: number): number => {
  const longest = Math.floor(settings.protectMs / 3);
  if (waiters === 0) return longest;
  const shortest = Math.floor(settings.protectMs / 20);
  const paced = Math.ceil((held * 1_000) / LIMITS.renewalsPerSecond);
  return Math.min(longest, Math.max(shortest, paced));
};

export interface YieldView {
  readonly cap: number;
  readonly count: number;
  readonly room: number;
  /** Tickets that shares allow to serve. */
  readonly eligible: number;
  readonly flagged: number;
  readonly heldForMs: number;
  readonly isDraining: boolean;
  /** Opened before the last `reconnect`. */
  readonly isStale: boolean;
  readonly group: GroupLoad & { readonly flagged: number };
}

/**
 * Should an idle connection be given up? Never more of them than are wanted, and never within the quantum, but in a debt or
 * a drain. Without headroom nobody can revoke a parked lease, so there a full resource is reason enough.
 */
export const shouldYield = (settings: ResourceSettings, view: YieldView): boolean => {
  const { cap, count, flagged, group } = view;
  const debt = Math.max(0, count - cap);
  if (view.isDraining || flagged < debt) return true;
  if (view.isStale && flagged < Math.max(1, settings.headroom)) return true;
  if (view.heldForMs < settings.quantumMs) return false;
  if (group.taken >= group.max && group.flagged < group.waiting) return true;
  const mayGive = group.waiting > 0 || group.taken > group.min;
  const wanted = debt + Math.max(0, view.eligible - Math.max(0, view.room));
  if (mayGive && flagged < wanted) return true;
  return settings.headroom === 0 && count >= cap;
};

/** Delay before the next probe after `failures` refused ones, in ms. */
export const probeDelayMs = (failures: number): number =>
  Math.min(LIMITS.probeDelayMaxMs, LIMITS.probeDelayMs * 2 ** Math.max(0, failures - 1));
