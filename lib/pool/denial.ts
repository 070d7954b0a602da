import { LeaseholdError } from '../core/errors.ts';
import type { DenialReason, Forbidden } from '../core/lease.ts';

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
