import type { ResourceSettings } from './lease.ts';
import { LIMITS } from './limits.ts';

/** All that the decision to grant depends on, for a resource whose registry has memory and is not learning. */
export interface AdmissionView {
  readonly settings: ResourceSettings;
  readonly held: number;
  readonly revoking: number;
  /** Tickets with a better claim. */
  readonly ahead: number;
  /** The caller has a ticket already: this is a poll. */
  readonly isPoll: boolean;
  /** Some revoking entry's duty is free, and its look may start now. */
  readonly hasFreeDuty: boolean;
  /** Some held lease is not protected. */
  readonly hasRevocable: boolean;
  /** The probe's own conditions on entries and delay hold (see `mayProbe`). */
  readonly mayProbe: boolean;
}

/** How a lease may be granted: from the room, over a freed duty, over a revoked lease, as a probe; or not now. */
export type Admission = 'room' | 'takeover' | 'revoke' | 'probe' | 'none';

/**
 * The decision of `admit` (steps 2 to 5 of the protocol), pure.
 *
 * Law L1 is visible in it: 'room' needs the headroom free, 'takeover' and 'revoke' need one place below the capacity, and
 * only a probe goes one beyond. Law L9: a newcomer takes nothing past a ticket, a poll takes room if fewer than
 * room + capacity tickets are ahead (polled order is soft: strict order would leave room idle until the oldest polls), and
 * only the best claim revokes or probes.
 */
export const decideAdmission = (view: AdmissionView): Admission => {
  const { settings, held, revoking, ahead } = view;
  const count = held + revoking;
  const room = settings.capacity - settings.headroom - count;
  const isInTurn = view.isPoll ? ahead < room + settings.capacity : ahead === 0;
  if (room > 0 && isInTurn) return 'room';
  if (ahead > 0) return 'none';
  if (count < settings.capacity) {
    // An entry whose connection is surely over goes before a lease that somebody may want to use again.
    if (view.hasFreeDuty) return 'takeover';
    if (view.hasRevocable) return 'revoke';
  }
  return held === 0 && revoking > 0 && view.mayProbe ? 'probe' : 'none';
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

/** Somebody waits, or the next newcomer would have to. */
export const underPressure = (settings: ResourceSettings, count: number, waiters: number): boolean =>
  waiters > 0 || count >= settings.capacity - settings.headroom;

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

/**
 * Should an idle connection be given up for a waiter? Never more of them than there are waiters, and never within the
 * quantum. Without headroom nobody can revoke a parked lease, so there a full resource is reason enough.
 */
export const shouldYield = (
  settings: ResourceSettings,
  view: {
    readonly count: number;
    readonly waiters: number;
    readonly flagged: number;
    readonly heldForMs: number;
  },
): boolean => {
  if (view.heldForMs < settings.quantumMs) return false;
  if (view.flagged < view.waiters) return true;
  return settings.headroom === 0 && view.count >= settings.capacity;
};

/** Delay before the next probe after `failures` refused ones, in ms. */
export const probeDelayMs = (failures: number): number =>
  Math.min(LIMITS.probeDelayMaxMs, LIMITS.probeDelayMs * 2 ** Math.max(0, failures - 1));
