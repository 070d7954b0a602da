import type { EventEmitter } from 'node:events';
import type pg from 'pg';
import type { Pool } from '../pool/pool.ts';
import { PgEvents } from './pg-events.ts';
import { type PgHooks, PgLending } from './pg-lending.ts';
import {
  type LeasedPgPoolConfig,
  type ParsedPgPool,
  type PgPoolModule,
  parsePgPool,
} from './pg-pool-config.ts';
import { AFTER_END, pgErrorOf } from './pg-pool-error.ts';
import { runStatement, untilFree } from './pg-statement.ts';

export type { LeasedPgPoolConfig, LeaseOptions, PgPoolModule } from './pg-pool-config.ts';

/** A `pg.Pool` whose every connection is leased. */
export interface LeasedPgPool extends pg.Pool {
  /** The pool behind it: its `status`, its `events`, and `close` with a bound. */
  readonly leases: Pool<pg.Client>;
}

/** What is used of `pg.Pool` itself; how it keeps connections is replaced. */
interface RawPool extends EventEmitter {
  options: Record<string, unknown>;
  ending: boolean;
  ended: boolean;
  log(...messages: unknown[]): void;
  Promise: PromiseConstructor;
  Client: unknown;
}

type RawPoolClass = new (config: object) => RawPool;
type Callback = (...answer: unknown[]) => void;

/**
 * In the place of `new pg.Pool(config)`: a real instance of the user's own `pg.Pool`, with its methods, options, counts, events
 * and error messages, whose connections are leased from the fleet's registry (`config.lease`, as for `createPool`).
 *
 * `connect` and `query` reject with what `pg` would say (its `code`, its message; a LeaseholdError is the `cause`), and with a
 * LeaseholdError where only the registry can say it: DENIED, REGISTRY_UNREACHABLE, ACQUIRE_TIMEOUT, … A failed connect is not
 * tried again. Inside the wrappers of handlers every wait is bounded by what is left of the invocation.
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem of the options at once; opens nothing.
 */
export const leasedPgPool = (pg: PgPoolModule, config: LeasedPgPoolConfig): LeasedPgPool => {
  const parsed = parsePgPool(pg, config);
  const Leased = leasedPoolClass(pg);
  return new Leased(config, parsed) as unknown as LeasedPgPool;
};

type LeasedPoolClass = new (config: LeasedPgPoolConfig, parsed: ParsedPgPool) => RawPool;

/** A class made from the user's own `pg.Pool`: libraries ask `instanceof`, or look at the name. */
const leasedPoolClass = (module: PgPoolModule): LeasedPoolClass => {
  const Parent = module.Pool as unknown as RawPoolClass;

  class LeasedPool extends Parent {
    readonly #lending: PgLending;

    constructor({ lease: _, ...config }: LeasedPgPoolConfig, parsed: ParsedPgPool) {
      super(config);
      this.#lending = new PgLending(parsed, config as PgHooks, new PgEvents(this, (text) => this.log(text)));
      this.options['max'] = this.leases.config.max;
      // Who finds it opens connections beside the pool (Kysely, to cancel a statement); nobody has leased those.
      this.Client = undefined;
    }

    get leases(): Pool<pg.Client> {
      return this.#lending.leases;
    }

    get totalCount(): number {
      return this.#lending.totalCount;
    }

    get idleCount(): number {
      return this.#lending.idleCount;
    }

    get waitingCount(): number {
      return this.#lending.waitingCount;
    }

    get expiredCount(): number {
      return this.#lending.expiredCount;
    }

    connect(callback?: Callback): unknown {
      const connecting = this.#connect();
      if (callback === undefined) return this.#promised(connecting);
      connecting.then(
        (client) => process.nextTick(callback, undefined, client, client.release),
        (error: unknown) => process.nextTick(callback, error, undefined, () => undefined),
      );
      return undefined;
    }

    query(statement: unknown, values?: unknown, callback?: unknown): unknown {
      if (typeof statement === 'function') return this.#answer(Promise.reject(noStatement()), statement);
      if (typeof values === 'function') return this.#answer(this.#query(statement, undefined), values);
      return this.#answer(this.#query(statement, values), callback);
    }

    end(callback?: unknown): unknown {
      return this.#answer(this.#end(), callback);
    }

    async #connect(): Promise<pg.PoolClient> {
      if (this.ending) throw new Error(AFTER_END);
      this.log('connecting');
      try {
        return await this.#lending.checkOut();
      } catch (error) {
        this.log('connect failed', error);
        throw pgErrorOf(module, error);
      }
    }

    async #query(statement: unknown, values: unknown): Promise<unknown> {
      const client = await this.#connect();
      let failure: unknown;
      try {
        return await runStatement(client, statement, values);
      } catch (error) {
        failure = error;
        await untilFree(client, error);
        throw error;
      } finally {
        this.#lending.giveBack(client, failure);
      }
    }

    async #end(): Promise<void> {
      if (this.ending) throw new Error('Called end on pool more than once');
      this.log('ending');
      this.ending = true;
      await this.#lending.end();
      this.ended = true;
    }

    /** To a callback in a tick of its own: an exception there is the caller's. */
    #answer(work: Promise<unknown>, callback: unknown): unknown {
      if (typeof callback !== 'function') return this.#promised(work);
      const tell = callback as Callback;
      work.then(
        (result) => process.nextTick(tell, undefined, result),
        (error: unknown) => process.nextTick(tell, error),
      );
      return undefined;
    }

    /** Of the class that the options name. */
    #promised<Result>(work: Promise<Result>): Promise<Result> {
      if (this.Promise === Promise) return work;
      return new this.Promise((resolve, reject) => work.then(resolve, reject));
    }
  }

  // Libraries look for "Pool" in it, and minifiers change it.
  Object.defineProperty(LeasedPool, 'name', { value: 'LeasedPool' });
  return LeasedPool;
};

const noStatement = (): Error =>
  new Error('Passing a function as the first parameter to pool.query is not supported');
