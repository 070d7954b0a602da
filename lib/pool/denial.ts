import { LeaseholdError } from '../core/errors.ts';
import type { DenialReason, Forbidden, Fullness } from '../core/lease.ts';

const WHY: Readonly<Record<DenialReason, string>> = {
  FULL: 'every connection is taken',
  QUEUE_FULL: "the fleet's queue is full",
  LEARNING: 'the registry has no memory yet, and grants nothing until it knows which connections are open',
  PAUSED: 'an operator has paused the resource',
  DRAINING: 'an operator empties the resource',
  BREAKER: 'connects have failed for several holders, and the database is left alone for a while',
  RATE: "the database's rate of new connections is used up",
  DEADLINE_NEAR: 'nothing is granted before the caller has to give up',
};

export interface Denial {
  readonly reason: DenialReason;
  readonly retryAfterMs: number;
  readonly because?: Forbidden;
}

/** The registry's refusal, as the caller hears it. */
export const deniedError = (resource: string, { reason, retryAfterMs, because }: Denial): LeaseholdError => {
  const why = because === undefined ? WHY[reason] : `${WHY[reason]}: ${WHY[because]}`;
  return new LeaseholdError(
    'DENIED',
    `No lease on '${resource}': ${why}; try again in ${Math.ceil(retryAfterMs)} ms.`,
    { retryAfterMs, details: { resource, reason, ...(because === undefined ? {} : { because }) } },
  );
};

/** Why those who wait in the registry's queue get nothing for now, should their time run out meanwhile. */
export const forbiddenError = (resource: string, because: Forbidden): LeaseholdError =>
  new LeaseholdError('DENIED', `No lease on '${resource}': ${WHY[because]}.`, {
    details: { resource, reason: because },
  });

/** A caller whose time is up, and all that is known about why. */
export interface TimedOut {
  readonly resource: string;
  readonly waitedMs: number;
  readonly step: string;
  /** What last went wrong there. */
  readonly trouble: LeaseholdError | undefined;
  /** This process's connections, the callers that wait in it, and the most it may have. */
  readonly own: {
    readonly total: number;
    readonly active: number;
    readonly idle: number;
    readonly opening: number;
    readonly waiting: number;
    readonly max: number;
  };
  /** The fleet's, when the registry last said so. */
  readonly fleet: (Fullness & { readonly ageMs: number }) | undefined;
}

/** A word of the registry is present for as long as two slow polls take, in ms. */
const PRESENT_MS = 1_000;
/** Beyond this age, in ms, it says nothing about this wait any more. */
const STALE_MS = 60_000;

/** Which step was slow, what last went wrong there, and what this process and the fleet have. */
export const timedOutError = ({
  resource,
  waitedMs,
  step,
  trouble,
  own,
  fleet,
}: TimedOut): LeaseholdError => {
  const isKnown = fleet !== undefined && fleet.ageMs <= STALE_MS;
  const text = [
    `No connection to '${resource}' within ${Math.round(waitedMs)} ms: waiting for ${step}.`,
    `This process has ${own.active} active and ${own.idle} idle of ${own.total} in all, at most ${own.max};`,
    own.waiting === 1 ? '1 caller waits.' : `${own.waiting} callers wait.`,
    ...(isKnown ? [fleetText(fleet)] : []),
  ].join(' ');
  const details = {
    step,
    waitedMs: Math.round(waitedMs),
    ...own,
    ...(isKnown && {
      fleetInUse: fleet.inUse,
      capacity: fleet.capacity,
      fleetAgeMs: Math.round(fleet.ageMs),
    }),
  };
  if (trouble === undefined) return new LeaseholdError('ACQUIRE_TIMEOUT', text, { details });
  return new LeaseholdError(trouble.code, `${text} ${trouble.message}`, {
    cause: trouble,
    details: { ...trouble.details, ...details },
    ...(trouble.retryAfterMs === undefined ? {} : { retryAfterMs: trouble.retryAfterMs }),
  });
};

const fleetText = ({ inUse, capacity, ageMs }: Fullness & { readonly ageMs: number }): string =>
  ageMs <= PRESENT_MS
    ? `The fleet has ${inUse} of ${capacity} in use.`
    : `The fleet had ${inUse} of ${capacity} in use ${Math.round(ageMs / 1_000)} s ago.`;
