import { isLeaseholdError, LeaseholdError } from '../core/errors.ts';
import type { LeasedConnection } from './leased-connection.ts';
import { leaseLost, usedAfterReturn } from './lent.ts';
import type { Renewer } from './renewer.ts';

/** An answer that was already on its way may be older than the lapse: then it is asked once more. */
const ASKS = 2;

/**
 * The gate before each statement of a borrower (D6): open while the holder's own clocks say that the lease is protected.
 * A thawed process comes here before any of its timers has run; it asks first, and a lost lease sends nothing.
 */
export class Gate<Connection> {
  readonly #renewer: Renewer<Connection>;
  readonly #marginMs: number;

  constructor(renewer: Renewer<Connection>, marginMs: number) {
    this.#renewer = renewer;
    this.#marginMs = marginMs;
  }

  pass(connection: LeasedConnection<Connection> | undefined): Promise<void> | undefined {
    if (connection?.place !== 'lent') return Promise.reject(usedAfterReturn(connection?.lastTrace));
    return connection.lease.isUsable(this.#marginMs) ? undefined : this.#askFirst(connection);
  }

  async #askFirst(connection: LeasedConnection<Connection>): Promise<void> {
    const { lease } = connection;
    for (let asks = 0; asks < ASKS && lease.loss === undefined; asks += 1) {
      const result = await this.#renewer.renew(connection);
      if (lease.isUsable(this.#marginMs)) return;
      if (result === 'unanswered') break;
    }
    if (lease.loss !== undefined) throw leaseLost(lease.loss);
    throw new LeaseholdError(
      'REGISTRY_UNREACHABLE',
      'The protection of the lease has lapsed and could not be prolonged.',
    );
  }
}

/** The borrower's error, or the lost lease that is behind it. */
export const explain = <Connection>(
  { lease, driver }: LeasedConnection<Connection>,
  error: unknown,
): unknown => {
  // A lost lease closes the connection: that it is closed is then only how its borrower noticed.
  if (isLeaseholdError(error) && error.code !== 'CONNECTION_LOST') return error;
  if (lease.loss !== undefined) return leaseLost(lease.loss, error);
  // Only what is unprotected is ever revoked: a session that was ended then was ended for somebody else.
  return !driver.isOpen && lease.remainingMs() <= 0 ? leaseLost('revoked', error) : error;
};
