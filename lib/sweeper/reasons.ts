import type { ResourceReport } from '../core/report.ts';

export interface Wishes {
  readonly checkCapacity: boolean;
  readonly lookEveryMs: number;
  /** Of the leased role. */
  readonly driver: unknown;
}

/** Why a sweep would go to the database, besides duties. */
export interface Reasons {
  /** Sessions without a lease were there at the last look, and may have gone. */
  readonly hasForeign: boolean;
  /** The capacity is to be read, and the fleet has connections: so the database is awake. */
  readonly isToRead: boolean;
  /** The last look is too long ago. */
  readonly isToLook: boolean;
  /** Nobody knows whether the database is back: somebody has to try. */
  readonly isToTry: boolean;
}

export const NO_REASONS: Reasons = { hasForeign: false, isToRead: false, isToLook: false, isToTry: false };

export const reasonsIn = (
  state: ResourceReport | undefined,
  { checkCapacity, lookEveryMs, driver }: Wishes,
): Reasons =>
  state === undefined
    ? NO_REASONS
    : {
        hasForeign: state.foreign > 0,
        isToRead: checkCapacity && state.held > 0,
        isToLook: lookEveryMs > 0 && (state.sweep?.lookedAgoMs ?? lookEveryMs) >= lookEveryMs,
        isToTry: driver !== undefined && state.breaker === 'half-open',
      };

export const isReason = (reasons: Reasons): boolean => Object.values(reasons).includes(true);
