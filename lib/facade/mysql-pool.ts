import type { EventEmitter } from 'node:events';
import type { Pool } from '../pool/pool.ts';
import { MysqlLending, type PoolConnection } from './mysql-lending.ts';
import {
  type LeasedMysqlPoolConfig,
  type MysqlPoolModule,
  type ParsedMysqlPool,
  parseMysqlPool,
} from './mysql-pool-config.ts';
import { mysqlErrorOf, poolClosed } from './mysql-pool-error.ts';
import { carrierOf } from './mysql-statement.ts';

export type { LeasedMysqlPoolConfig, MysqlLeaseOptions, MysqlPoolModule } from './mysql-pool-config.ts';

/** A pool of the user's own `mysql2` whose every connection is leased. */
export type LeasedMysqlPool<NativePool> = NativePool & {
  /** The pool behind it: its `status`, its `events`, and `close` with a bound. */
  readonly leases: Pool<unknown>;
};

/** What is used of a pool of `mysql2` itself; how it keeps connections is replaced. */
interface RawPool extends EventEmitter {
  readonly config: { connectionLimit: number };
  _closed: boolean;
  query(...values: unknown[]): unknown;
  execute(...values: unknown[]): unknown;
}

type RawPoolClass = new (options: { readonly config: unknown }) => RawPool;
type Callback = (error: unknown, result?: unknown) => void;

/**
 * In the place of `mysql.createPool(config)`: a pool of the user's own `mysql2`, or `mysql2/promise`, with its methods, events
 * and errors, whose connections are leased from the fleet's registry (`config.lease`, as for `createPool` of leasehold).
 *
 * `getConnection`, `query` and `execute` fail with what `mysql2` would say (its `code`, its message; a LeaseholdError is the
 * `cause`), and with a LeaseholdError where only the registry can say it: DENIED, REGISTRY_UNREACHABLE, ACQUIRE_TIMEOUT, … A
 * failed connect is not tried again. Inside the wrappers of handlers every wait is bounded by what is left of the invocation.
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem of the options at once; opens nothing.
 */
export const leasedMysqlPool = <NativePool>(
  mysql2: MysqlPoolModule<NativePool>,
  config: LeasedMysqlPoolConfig,
): LeasedMysqlPool<NativePool> => {
  const parsed = parseMysqlPool(mysql2, config);
  // Connects nowhere, and needs no closing: it lends its class and its reading of the configuration.
  const model = mysql2.createPool(parsed.connection) as object;
  const core = (Reflect.get(model, 'pool') ?? model) as RawPool;
  const Leased = leasedPoolClass(core.constructor as RawPoolClass);
  const pool = new Leased({ config: core.config }, parsed);
  if (core === model) return pool as unknown as LeasedMysqlPool<NativePool>;
  const PromisePool = model.constructor as new (pool: RawPool, promise: unknown) => object;
  const promised = new PromisePool(pool, Reflect.get(config, 'Promise'));
  Object.defineProperty(promised, 'leases', { value: pool.leases, enumerable: true });
  return promised as unknown as LeasedMysqlPool<NativePool>;
};

type LeasedPoolClass = new (
  options: { readonly config: unknown },
  parsed: ParsedMysqlPool,
) => RawPool & { readonly leases: Pool<unknown> };

/** A class made from the user's own pool: libraries ask `instanceof`, or for its methods. */
const leasedPoolClass = (Parent: RawPoolClass): LeasedPoolClass => {
  class LeasedPool extends Parent {
    readonly #lending: MysqlLending;
    #isOwnStatement = false;

    constructor(options: { readonly config: unknown }, parsed: ParsedMysqlPool) {
      super(options);
      this.#lending = new MysqlLending(parsed, this);
      this.config.connectionLimit = this.leases.config.max;
    }

    get leases(): Pool<unknown> {
      return this.#lending.leases;
    }

    getConnection(callback: Callback): void {
      const isCarried = this.#isOwnStatement;
      if (this._closed) {
        process.nextTick(callback, poolClosed());
        return;
      }
      this.#lending.checkOut().then(
        (connection) => process.nextTick(callback, null, isCarried ? carrierOf(connection) : connection),
        (error: unknown) => process.nextTick(callback, mysqlErrorOf(error)),
      );
    }

    releaseConnection(connection: PoolConnection): void {
      connection.release();
    }

    /** The parent's own, which asks `getConnection`. */
    override query(...values: unknown[]): unknown {
      return this.#carried(() => super.query(...values));
    }

    override execute(...values: unknown[]): unknown {
      return this.#carried(() => super.execute(...values));
    }

    end(callback?: unknown): void {
      this._closed = true;
      const told = typeof callback === 'function' ? (callback as Callback) : () => undefined;
      this.#lending.end().then(
        () => process.nextTick(told, undefined),
        (error: unknown) => process.nextTick(told, error),
      );
    }

    #carried(run: () => unknown): unknown {
      this.#isOwnStatement = true;
      try {
        return run();
      } finally {
        this.#isOwnStatement = false;
      }
    }
  }

  // Libraries look for "Pool" in it, and minifiers change it.
  Object.defineProperty(LeasedPool, 'name', { value: 'LeasedPool' });
  return LeasedPool;
};
