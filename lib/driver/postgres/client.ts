import type pg from 'pg';
import type { RawStream } from '../network.ts';
import type { StatementQueue } from './statement-queue.ts';

/** The user's own `pg`, imported either way: `import pg from 'pg'` or `import * as pg from 'pg'`. */
export interface PgModule {
  readonly Client: typeof pg.Client;
}

/** What this driver uses of `pg.Client`. Not all of it is in the published types: `config.ts` checks that it is there. */
export interface RawClient {
  readonly host: string;
  readonly port: number;
  /** Replaced by the one that was just asked for; a connection string without one would make nothing of a password function. */
  password: unknown;
  readonly ssl: unknown;
  /** What a cancel request names this session by; none where a pooler has not said. */
  readonly processID: number | null;
  readonly secretKey: number | null;
  readonly connection: RawConnection;
  connect(): Promise<unknown>;
  query(config: unknown, values?: unknown, callback?: unknown): unknown;
  end(callback?: unknown): unknown;
  emit(event: string, ...values: unknown[]): boolean;
  listenerCount(event: string): number;
  getStartupConf(): StartupMessage;
  getTransactionStatus(): 'I' | 'T' | 'E' | null;
}

/** The parameters of the startup message; among them every session setting that `pg` knows. */
export interface StartupMessage {
  readonly application_name?: unknown;
  readonly options?: unknown;
  readonly idle_in_transaction_session_timeout?: unknown;
  readonly statement_timeout?: unknown;
}

export interface RawConnection {
  /** Replaced when the connection is upgraded to TLS. */
  readonly stream: RawStream;
  on(event: string, listener: (value: unknown) => void): unknown;
  /** Says goodbye to the server, then ends our half of the stream. */
  end(): void;
}

type RawClientClass = new (config: pg.ClientConfig) => RawClient;

/** What a client is made with, besides its configuration. */
export interface ClientParts {
  readonly statements: StatementQueue;
  /** Completes the startup message: label and settings belong to the session from its first instant. */
  completeStartup(message: StartupMessage): StartupMessage;
  /** Told of every 'error' event, whoever else listens. */
  onError(error: unknown): void;
}

export type DriverClientClass = new (config: pg.ClientConfig, parts: ClientParts) => RawClient;

/**
 * A class made from the user's own `pg.Client`: what the borrower gets is a real instance of it. It overrides instead of
 * listening where it can, because a borrower may well call `removeAllListeners`.
 */
export const driverClientClass = (module: PgModule): DriverClientClass => {
  const Parent = module.Client as unknown as RawClientClass;

  class Client extends Parent {
    readonly #parts: ClientParts;

    constructor(config: pg.ClientConfig, parts: ClientParts) {
      super(config);
      this.#parts = parts;
      parts.statements.attach(this.connection, (statement, values, callback) =>
        super.query(statement, values, callback),
      );
    }

    /** Hot path: with the gate open this costs one call and no allocation. */
    override query(config: unknown, values?: unknown, callback?: unknown): unknown {
      return this.#parts.statements.query(config, values, callback);
    }

    override getStartupConf(): StartupMessage {
      return this.#parts.completeStartup(super.getStartupConf());
    }

    override emit(event: string, ...values: unknown[]): boolean {
      if (event === 'drain' && this.#parts.statements.onDrain()) return false;
      if (event === 'error') {
        this.#parts.onError(values[0]);
        // An 'error' that nobody listens for would end the process (D8).
        if (this.listenerCount('error') === 0) return false;
      }
      return super.emit(event, ...values);
    }

    /** A borrower that ends the connection ends it as always; what it still had waiting is failed, not sent. */
    override end(callback?: unknown): unknown {
      const ended = super.end(callback);
      this.#parts.statements.close();
      return ended;
    }
  }

  // Libraries look at the name, and minifiers change it.
  Object.defineProperty(Client, 'name', { value: 'Client' });
  return Client;
};
