import { LeaseholdError } from '../core/errors.ts';

/** A connection in a borrower's hands. */
export interface Lent<Connection> extends AsyncDisposable {
  readonly connection: Connection;
  /**
   * Gives the connection back to the pool; the lease stays with this process. A second call rejects with
   * USED_AFTER_RETURN; the end of an `await using` block is none.
   */
  giveBack(): Promise<void>;
  /** Gives it back to be closed: for a session that must not be used again. Like `giveBack`, once. */
  discard(): Promise<void>;
}

export interface Traces {
  readonly borrowedAt: string;
  readonly returnedAt: string;
}

/** `traces`: where it was borrowed and given back, as far as that was kept (`leakAfterMs`). */
export const usedAfterReturn = (traces?: Traces): LeaseholdError => {
  const where =
    traces === undefined
      ? 'With leakAfterMs above 0 this error says where.'
      : `Borrowed:\n${traces.borrowedAt}\nGiven back:\n${traces.returnedAt}`;
  return new LeaseholdError(
    'USED_AFTER_RETURN',
    `The connection was used, or given back again, after it had been given back to the pool. ${where}`,
    traces === undefined ? {} : { details: { borrowedAt: traces.borrowedAt, returnedAt: traces.returnedAt } },
  );
};

export const leaseLost = (reason: string, cause?: unknown): LeaseholdError =>
  new LeaseholdError(
    'LEASE_LOST',
    `The lease on this connection has ended (${reason}); what was in flight may or may not have happened.`,
    { cause, details: { reason } },
  );
