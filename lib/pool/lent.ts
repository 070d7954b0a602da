import { LeaseholdError } from '../core/errors.ts';

/** A connection in a borrower's hands. */
export interface Lent<Connection> extends AsyncDisposable {
  readonly connection: Connection;
  /** Gives the connection back to the pool; the lease stays with this process. Idempotent. */
  giveBack(): Promise<void>;
}

export const usedAfterReturn = (): LeaseholdError =>
  new LeaseholdError(
    'USED_AFTER_RETURN',
    'The connection was used after it had been given back to the pool.',
  );

export const leaseLost = (reason: string, cause?: unknown): LeaseholdError =>
  new LeaseholdError(
    'LEASE_LOST',
    `The lease on this connection has ended (${reason}); what was in flight may or may not have happened.`,
    { cause, details: { reason } },
  );
