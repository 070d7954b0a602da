import { configError } from '../core/config.ts';
import { LeaseholdError } from '../core/errors.ts';
import { show } from '../core/problem.ts';
import { wholeNumber } from '../core/right.ts';
import {
  clearSoleDeadline,
  type InvocationDeadline,
  type OpenLoan,
  runWithDeadline,
  setSoleDeadline,
} from '../pool/invocation.ts';
import type { Invocation, Pool } from '../pool/pool.ts';
import { type MetricsSink, type PoolMetrics, poolMetrics } from './metrics.ts';

/** What is used of Lambda's context object. */
export interface InvocationContext {
  getRemainingTimeInMillis(): number;
}

export interface InvocationOptions {
  /**
   * Ms of the invocation that no caller may wait into: for an answer when there is no connection, and for giving back.
   * Default: 250.
   */
  readonly reserveMs?: number;
  /** Powertools' `Metrics`, or anything of its shape: see `poolMetrics`. It is never flushed here. */
  readonly metrics?: MetricsSink;
}

/** The part of a pool that the wrappers of handlers use. */
export type InvocationPool<Connection> = Pick<
  Pool<Connection>,
  'use' | 'acquire' | 'status' | 'statistics' | 'events' | 'isExclusive' | 'beginInvocation'
>;

/** A pool, or a facade in front of one (`leasedPgPool`). */
export type PoolOrFacade<Connection> =
  | InvocationPool<Connection>
  | { readonly leases: InvocationPool<Connection> };

const poolOf = <Connection>(given: PoolOrFacade<Connection>): InvocationPool<Connection> =>
  'leases' in Object(given)
    ? (given as { leases: InvocationPool<Connection> }).leases
    : (given as InvocationPool<Connection>);

/** A pool as one invocation may use it: bounded by the time that the invocation has left, and of no use after its end. */
export type LeaseHandle<Connection> = Pick<Pool<Connection>, 'use' | 'acquire'>;

const DEFAULT_RESERVE_MS = 250;
const RESERVE_MAX_MS = 60_000;
/** Ms that are left for the answer to travel when giving back has used its budget. */
const ANSWER_MS = 50;

/** One invocation of a handler and what it has borrowed; its deadline reaches `pool.use` through the asynchronous context. */
export class LambdaInvocation<Connection> implements InvocationDeadline {
  readonly loans = new Set<OpenLoan>();
  readonly #wrapper: Wrapper<Connection>;
  readonly #context: Partial<InvocationContext> | undefined;
  readonly #invocation: Invocation;
  /** Calls of the handle that have not settled. */
  readonly #goingOn = new Set<Promise<unknown>>();
  #ending: Promise<void> | undefined;

  constructor(wrapper: Wrapper<Connection>, context: Partial<InvocationContext> | undefined) {
    this.#wrapper = wrapper;
    this.#context = context;
    this.#invocation = wrapper.pool.beginInvocation();
  }

  /** What has no deadline of its own (a test, a container) has all the time; so has what goes on after the end. */
  remainingMs(): number {
    if (this.#ending !== undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.#leftMs() - this.#wrapper.reserveMs);
  }

  get isOver(): boolean {
    return this.#ending !== undefined;
  }

  /** Its handler has gone and will not come back for its end: one at a time runs here, or its time is up. */
  isLeftBehind(context: unknown): boolean {
    if (this.#context === context) return false;
    return this.#wrapper.pool.isExclusive || this.#leftMs() <= 0;
  }

  /** Bounded both ways: a caller that has lost the asynchronous context (Node 22, a callback) still has its deadline. */
  handle(): LeaseHandle<Connection> {
    const { pool } = this.#wrapper;
    return {
      use: (work, options) => this.#within(() => pool.use(work, options)),
      acquire: (options) => this.#within(() => pool.acquire(options)),
    };
  }

  /** Takes back what is still lent, and sees the pool's pending work through within the reserve. Idempotent, never rejects. */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    const { pool, reserveMs, metrics } = this.#wrapper;
    openInvocations(pool).delete(this);
    clearSoleDeadline(this);
    const left = [...this.loans];
    for (const loan of left) loan.takeBack();
    // What nobody has awaited is cut off now; that must not become an unhandled rejection, which ends the process.
    for (const going of this.#goingOn) going.catch(() => undefined);
    if (left.length > 0) pool.events.emit('leftLent', { count: left.length });
    await this.#invocation.end(Math.max(0, Math.min(reserveMs, this.#leftMs() - ANSWER_MS)));
    metrics?.record();
  }

  #within<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#ending !== undefined) return Promise.reject(handleIsOver());
    const going = this.#watched(work, () => this.#goingOn.delete(going));
    this.#goingOn.add(going);
    return going;
  }

  async #watched<Result>(work: () => Promise<Result>, done: () => void): Promise<Result> {
    try {
      return await runWithDeadline(this, work);
    } finally {
      done();
    }
  }

  #leftMs(): number {
    return this.#context?.getRemainingTimeInMillis?.() ?? Number.POSITIVE_INFINITY;
  }
}

/** What the wrapper of one handler knows: its pool and its options, checked. */
export class Wrapper<Connection> {
  readonly pool: InvocationPool<Connection>;
  readonly reserveMs: number;
  readonly metrics: PoolMetrics | undefined;

  /** `own`: further options of the wrapper, by name, each with what is wrong with it. */
  constructor(
    given: PoolOrFacade<Connection>,
    options: InvocationOptions,
    own: Readonly<Record<string, string | undefined>> = {},
  ) {
    const pool = poolOf(given);
    const problems = [...poolProblems(pool), ...optionProblems(options, Object.keys(own))];
    for (const [name, problem] of Object.entries(own)) if (problem) problems.push(`${name}: ${problem}`);
    if (problems.length > 0) throw configError(problems);
    this.pool = pool;
    this.reserveMs = options.reserveMs ?? DEFAULT_RESERVE_MS;
    this.metrics = options.metrics === undefined ? undefined : poolMetrics(pool, options.metrics);
  }

  /** Synchronous and local. Ends first what an earlier invocation has left behind: an early return skips every `after`. */
  begin(context: Partial<InvocationContext> | undefined): LambdaInvocation<Connection> {
    const open = openInvocations(this.pool);
    const begun = new LambdaInvocation(this, context);
    for (const other of [...open]) if (other.isLeftBehind(context)) void other.end();
    open.add(begun);
    if (this.pool.isExclusive) setSoleDeadline(begun);
    return begun;
  }
}

/** By pool, not by wrapper: several handlers of one process may share a pool. */
const openByPool = new WeakMap<object, Set<LambdaInvocation<unknown>>>();

const openInvocations = (pool: object): Set<LambdaInvocation<unknown>> => {
  const open = openByPool.get(pool) ?? new Set();
  openByPool.set(pool, open);
  return open;
};

const poolProblems = (pool: unknown): string[] =>
  typeof Reflect.get(Object(pool), 'beginInvocation') === 'function'
    ? []
    : ['pool: is missing or is none; it is createPool({ … }), or leasedPgPool(pg, { … })'];

const optionProblems = (options: InvocationOptions, others: readonly string[]): string[] => {
  const { reserveMs = DEFAULT_RESERVE_MS, metrics } = options;
  const known = ['reserveMs', 'metrics', ...others];
  const unknown = Object.keys(options).filter((name) => !known.includes(name));
  const reserve = wholeNumber(0, RESERVE_MAX_MS, 'ms');
  const isSink = metrics === undefined || typeof metrics.addMetric === 'function';
  return [
    ...unknown.map((name) => `${name}: no such option; there are ${known.join(', ')}`),
    ...(reserve.isRight(reserveMs) ? [] : [`reserveMs: ${show(reserveMs)} is not ${reserve.says}`]),
    ...(isSink ? [] : ['metrics: has no addMetric']),
  ];
};

const handleIsOver = (): LeaseholdError =>
  new LeaseholdError('USED_AFTER_RETURN', 'The handle was used after its invocation had ended.');
