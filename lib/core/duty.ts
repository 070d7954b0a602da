import type { LeaseRef } from './lease.ts';

/** The task to read the database's own session list, and to tell it with `adopt`. */
export interface CensusDuty {
  readonly epoch: number;
  readonly token: number;
}

/** A labelled session that a census has seen. */
export interface SessionFound extends LeaseRef {
  readonly session: string;
}

/** A revoking lease whose session the receiver should end, look for, and settle. */
export interface Duty {
  readonly lease: LeaseRef;
  /** Bound identity of the session; undefined if it never became known. */
  readonly session: string | undefined;
  /** From the arrival of the reply: an absence proves nothing before. 0 for bound sessions. */
  readonly lookAfterMs: number;
}
