import type { Background } from './background.ts';
import type { Farewells } from './farewells.ts';
import type { Holder } from './holder.ts';
import type { LeasedConnection } from './leased-connection.ts';
import type { CloseReason } from './pool-events.ts';
import type { Roster } from './roster.ts';
import { closeStep } from './steps.ts';

/**
 * Told of each connection that has gone, with the error that ended it if one did. `wasProtected`: nobody in the fleet could
 * have ended it.
 */
export type OnClosed<Connection> = (
  client: Connection,
  reason: CloseReason,
  error: Error | undefined,
  wasProtected: boolean,
) => void;

export interface CloserParts<Connection> {
  readonly holder: Holder;
  readonly roster: Roster<Connection>;
  readonly farewells: Farewells;
  readonly background: Background;
  readonly onClosed: OnClosed<Connection> | undefined;
  /** Its place in this process is free. */
  readonly onFree: () => void;
}

/** Ends connections: says goodbye, waits for the server's own end, and gives the lease back, or up where none was seen. */
export class Closer<Connection> {
  readonly #parts: CloserParts<Connection>;

  constructor(parts: CloserParts<Connection>) {
    this.#parts = parts;
  }

  close(connection: LeasedConnection<Connection>, reason: CloseReason): void {
    if (connection.place === 'closing') return;
    this.#parts.roster.move(connection, 'closing');
    this.#parts.background.add(this.#close(connection, reason));
  }

  /** One whose lease has ended. */
  lose(connection: LeasedConnection<Connection>): void {
    this.close(connection, connection.lease.loss === 'revoked' ? 'revoked' : 'lost');
  }

  async #close(connection: LeasedConnection<Connection>, reason: CloseReason): Promise<void> {
    const { holder, roster, farewells, onClosed, onFree } = this.#parts;
    const { driver, lease } = connection;
    const wasProtected = lease.remainingMs() > 0;
    const { endSeen, error } = await closeStep(driver, holder.config.operationTimeoutMs);
    roster.remove(connection);
    if (endSeen) farewells.release(lease, 'closed');
    else farewells.abandon(lease, 'unseen', driver.session);
    holder.events.emit('connectionClosed', { reason, endSeen });
    onClosed?.(driver.client, reason, error, wasProtected);
    onFree();
  }
}
