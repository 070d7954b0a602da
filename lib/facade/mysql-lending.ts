import type { EventEmitter } from 'node:events';
import { type Clock, systemClock } from '../core/clock.ts';
import { atMost } from '../pool/background.ts';
import type { Lent } from '../pool/lent.ts';
import { Pool } from '../pool/pool.ts';
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
  readonly #timeoutMs: number | undefined;
  readonly #clock: Clock;
  readonly #emitter: EventEmitter;
  /** Told of with 'connection'. */
  readonly #known = new WeakSet<PoolConnection>();
  readonly #out = new Map<PoolConnection, Lent<unknown>>();
  readonly #pending = new Set<Promise<unknown>>();

  constructor({ options, timeoutMs }: ParsedMysqlPool, emitter: EventEmitter) {
    this.#timeoutMs = timeoutMs;
    this.#clock = options.clock ?? systemClock;
    this.#emitter = emitter;
    this.leases = new Pool(options);
  }

  /** Rejects with the pool's errors. */
  async checkOut(): Promise<PoolConnection> {
    const { idle, lent, busy, opening } = this.leases.status();
    if (idle === 0 && lent + busy + opening >= this.leases.config.max) this.#tell('enqueue');
    const checkingOut = this.#checkOut();
    this.#pending.add(checkingOut);
    try {
      return await checkingOut;
    } finally {
      this.#pending.delete(checkingOut);
    }
  }

  /**
   * Those who wait already are served, for as long as a connect may take; then waits for what is lent, however long, and
   * closes everything.
   */
  async end(): Promise<void> {
    const pending = Promise.allSettled(this.#pending).then(() => undefined);
    if (this.#pending.size > 0) await atMost(this.#clock, this.leases.config.connectTimeoutMs, pending);
    await this.leases.close({ timeoutMs: Number.POSITIVE_INFINITY });
  }

  async #checkOut(): Promise<PoolConnection> {
    const lent = await this.leases.acquire(
      this.#timeoutMs === undefined ? {} : { timeoutMs: this.#timeoutMs },
    );
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

  /** A listener's exception is the listener's own, in a tick of its own: what is lent or closed meanwhile must go on. */
  #tell(event: MysqlEvent, ...values: unknown[]): void {
    try {
      this.#emitter.emit(event, ...values);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }
}

/** The promise form keeps it inside. */
const coreOf = (connection: unknown): PoolConnection =>
  (Reflect.get(Object(connection), 'connection') ?? connection) as PoolConnection;

const ignore = (): void => undefined;
