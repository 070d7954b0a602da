import type { EventEmitter } from 'node:events';
import { callOutside } from '../core/call-outside.ts';
import type { Lent } from '../pool/lent.ts';
import { Pool } from '../pool/pool.ts';
import { Callers } from './callers.ts';
import type { ParsedMysqlPool } from './mysql-pool-config.ts';

/** A connection of `mysql2` in its callback form, as a pool of it lends one. */
export interface PoolConnection extends EventEmitter {
  readonly _command?: unknown;
  query(...values: unknown[]): EventEmitter;
  execute(...values: unknown[]): EventEmitter;
  release(): void;
  destroy(): void;
  end(callback?: () => void): void;
}

type MysqlEvent = 'acquire' | 'connection' | 'enqueue' | 'release';

/** Lends the connections of a leased pool in the manner of `mysql2`: with its events and its `release`. */
export class MysqlLending {
  readonly leases: Pool<unknown>;
  readonly #callers: Callers<unknown>;
  readonly #emitter: EventEmitter;
  /** Told of with 'connection'. */
  readonly #known = new WeakSet<PoolConnection>();
  readonly #out = new Map<PoolConnection, Lent<unknown>>();

  constructor(parsed: ParsedMysqlPool, emitter: EventEmitter) {
    this.#emitter = emitter;
    this.leases = new Pool(parsed.options);
    this.#callers = new Callers(this.leases, parsed);
  }

  /** Rejects with the pool's errors. */
  checkOut(): Promise<PoolConnection> {
    const { idle, lent, busy, opening } = this.leases.status();
    if (idle === 0 && lent + busy + opening >= this.leases.config.max) this.#tell('enqueue');
    return this.#callers.serve((lent) => this.#handOut(lent));
  }

  end(): Promise<void> {
    return this.#callers.end();
  }

  #handOut(lent: Lent<unknown>): PoolConnection {
    const connection = coreOf(lent.connection);
    this.#out.set(connection, lent);
    if (!this.#known.has(connection)) {
      this.#known.add(connection);
      this.#dress(connection);
      this.#tell('connection', connection);
    }
    this.#tell('acquire', connection);
    return connection;
  }

  /** What a connection of a pool has beside one of its own. A second `release` does nothing, as callers of `mysql2` know it. */
  #dress(connection: PoolConnection): void {
    connection.release = () => this.#release(connection, false);
    connection.destroy = () => this.#release(connection, true);
    connection.end = (callback) => {
      this.#release(connection, false);
      callback?.();
    };
  }

  #release(connection: PoolConnection, isUnwanted: boolean): void {
    const lent = this.#out.get(connection);
    if (lent === undefined) return;
    this.#out.delete(connection);
    (isUnwanted ? lent.discard() : lent.giveBack()).catch(ignore);
    if (!isUnwanted) this.#tell('release', connection);
  }

  #tell(event: MysqlEvent, ...values: unknown[]): void {
    callOutside(() => this.#emitter.emit(event, ...values));
  }
}

/** The promise form keeps it inside. */
const coreOf = (connection: unknown): PoolConnection =>
  (Reflect.get(Object(connection), 'connection') ?? connection) as PoolConnection;

const ignore = (): void => undefined;
