import { systemClock } from '../core/clock.ts';
import type { Config } from '../core/config.ts';
import { readLambda } from '../core/environment.ts';
import { isLeaseholdError, LeaseholdError } from '../core/errors.ts';
import { Events } from '../core/events.ts';
import { systemRandom } from '../core/random.ts';
import type { OnClosed } from './closer.ts';
import { timedOutError } from './denial.ts';
import { Dispatch } from './dispatch.ts';
import { explain } from './gate.ts';
import { Holder } from './holder.ts';
import { currentDeadline, type InvocationDeadline } from './invocation.ts';
import type { LeasedConnection } from './leased-connection.ts';
import type { Lent } from './lent.ts';
import { Loan, stackHere } from './loan.ts';
import type { PoolEvents } from './pool-events.ts';
import { logEvents } from './pool-log.ts';
import { type PoolOptions, parseOptions } from './pool-options.ts';
import type { PoolStatistics } from './statistics.ts';
import { aborted } from './waiters.ts';

export interface AcquireOptions {
  /** How long to wait, in ms. Default: `acquireTimeoutMs`, and never past the invocation's own deadline. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** What one process has and does; nothing of the fleet. */
export interface PoolStatus {
  readonly resource: string;
  readonly group: string;
  readonly max: number;
  readonly idle: number;
  readonly lent: number;
  /** Being asked about, checked, or at a duty. */
  readonly busy: number;
  /** Waiting for a lease, or connecting. */
  readonly opening: number;
  readonly closing: number;
  /** Callers of this process that wait for a connection. */
  readonly waiting: number;
  /** The registry has last said that somebody in the fleet waits, or would have to. */
  readonly pressure: boolean;
}

export interface Invocation {
  /** Parks what is idle where somebody may need it, and sees pending work through, for at most `budgetMs`. Idempotent. */
  end(budgetMs: number): Promise<void>;
}

const DEFAULT_CLOSE_TIMEOUT_MS = 5_000;

/**
 * The connections of one process, each under a lease of the fleet's registry. A warm use makes no network call of ours: the
 * connection is lent while the holder's own clocks say that its protection lasts, and renewed beside the work.
 */
export class Pool<Connection> implements AsyncDisposable {
  readonly config: Config;
  readonly events = new Events<PoolEvents>();
  /** One invocation at a time: then whatever the last one left behind is over when the next begins. */
  readonly isExclusive: boolean;
  readonly #holder: Holder;
  readonly #dispatch: Dispatch<Connection>;
  #closing: Promise<void> | undefined;

  constructor(options: PoolOptions<Connection>, onClosed?: OnClosed<Connection>) {
    this.config = parseOptions(options);
    const { registry, driver, logger, clock = systemClock, random = systemRandom } = options;
    if (logger !== undefined) logEvents(this.events, logger, this.config);
    this.isExclusive = readLambda(options.env).isExclusive;
    this.#holder = new Holder(this.config, registry, clock, random, this.events);
    this.#dispatch = new Dispatch(this.#holder, driver, { isFrozenBetween: this.isExclusive, onClosed });
  }

  /**
   * Lends a connection to `work` and takes it back at its end, whatever that is. Rejects with what `work` rejects with, or
   * with a LeaseholdError: ACQUIRE_TIMEOUT, DENIED, REGISTRY_UNREACHABLE, CONNECT_FAILED, LEASE_LOST, WAITERS_FULL,
   * POOL_CLOSED, ABORTED.
   */
  async use<Result>(
    work: (connection: Connection) => Result | Promise<Result>,
    options?: AcquireOptions,
  ): Promise<Result> {
    const askedAt = this.#stack();
    const leased = this.#takeNow(options) ?? (await this.#takeLater(options));
    const loan = new Loan(this.#dispatch, leased, askedAt);
    try {
      return await work(loan.connection);
    } catch (error) {
      throw explain(leased, error);
    } finally {
      const returned = loan.endUse();
      if (returned !== undefined) await returned;
    }
  }

  /** Lends a connection until `giveBack`, or the end of an `await using` block. Errors as with `use`. */
  acquire(options?: AcquireOptions): Promise<Lent<Connection>> {
    const warm = options === undefined ? this.#dispatch.takeWarm() : undefined;
    if (warm === undefined) return this.#acquire(options);
    this.#countDirect();
    return Promise.resolve(new Loan(this.#dispatch, warm, this.#stack()));
  }

  async #acquire(options: AcquireOptions | undefined): Promise<Lent<Connection>> {
    const askedAt = this.#stack();
    const invocation = currentDeadline();
    const wasOver = isOver(invocation);
    const leased = this.#takeNow(options) ?? (await this.#takeLater(options));
    const loan = new Loan(this.#dispatch, leased, askedAt);
    // It has come too late for the invocation in which it was asked for: nobody may be left who would give it back.
    if (!wasOver && isOver(invocation)) loan.lapse();
    return loan;
  }

  /** Taken before any wait: after one the caller's lines may be lost. Undefined where nobody looks for leaks. */
  #stack(): string | undefined {
    return this.config.leakAfterMs === 0 ? undefined : stackHere();
  }

  /**
   * Opens connections until there are `min` of them, or one where `min` is 0, with backoff, for at most `timeoutMs` (default:
   * `startupMaxWaitMs`, and never past an invocation's deadline). For the start of a server, or the init of a function.
   * Rejects as `use` does.
   */
  async warm(options: AcquireOptions = {}): Promise<void> {
    if (this.#closing !== undefined) throw poolClosed();
    if (options.signal?.aborted) throw aborted(options.signal);
    const timeoutMs = boundedMs(options.timeoutMs ?? this.config.startupMaxWaitMs);
    await this.#dispatch.warm(timeoutMs, options.signal, (waitedMs) => this.#timedOut(waitedMs));
  }

  /** What has happened in this pool since it was made: counts by reason, and histograms in ms. */
  statistics(): PoolStatistics {
    return this.#holder.statistics.report();
  }

  /** Local and synchronous; no network call. */
  status(): PoolStatus {
    const { resource, group, max } = this.config;
    const { roster, waiters } = this.#dispatch.parts;
    return {
      resource,
      group,
      max,
      idle: roster.count('idle'),
      lent: roster.count('lent'),
      busy: roster.count('busy'),
      opening: roster.opening,
      closing: roster.count('closing'),
      waiting: waiters.length,
      pressure: this.#holder.pressure,
    };
  }

  /** The wrappers of handlers call this: between begin and end nothing is parked, because the work may go on. */
  beginInvocation(): Invocation {
    this.#dispatch.beginInvocation();
    let ended: Promise<void> | undefined;
    return {
      end: (budgetMs) => {
        ended ??= this.#dispatch.endInvocation(budgetMs);
        return ended;
      },
    };
  }

  /**
   * Lends nothing more, waits for what is lent (`timeoutMs`, default 5,000), closes every connection and gives every lease
   * back. Idempotent; never rejects.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeoutMs ?? DEFAULT_CLOSE_TIMEOUT_MS);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    await this.#dispatch.close(timeoutMs, poolClosed());
  }

  #takeNow(options: AcquireOptions | undefined): LeasedConnection<Connection> | undefined {
    if (this.#closing !== undefined) throw this.#failed(poolClosed());
    if (options?.signal?.aborted) throw this.#failed(aborted(options.signal));
    const connection = this.#dispatch.takeWarm();
    if (connection !== undefined) this.#countDirect();
    return connection;
  }

  #countDirect(): void {
    this.#holder.statistics.direct += 1;
    if (this.events.hears('acquired')) this.events.emit('acquired', { waitMs: 0 });
  }

  async #takeLater(options: AcquireOptions = {}): Promise<LeasedConnection<Connection>> {
    const { clock } = this.#holder;
    const { waiters } = this.#dispatch.parts;
    const since = clock.read();
    const timeoutMs = boundedMs(options.timeoutMs ?? this.config.acquireTimeoutMs);
    const waiting = waiters.wait(timeoutMs, options.signal, (waitedMs) => this.#timedOut(waitedMs));
    this.#dispatch.serve();
    try {
      const connection = await waiting;
      const waitMs = clock.elapsedMs(since);
      this.#holder.statistics.waited(waitMs);
      this.events.emit('acquired', { waitMs });
      return connection;
    } catch (error) {
      if (isLeaseholdError(error)) this.#failed(error, clock.elapsedMs(since));
      this.#dispatch.serve();
      throw error;
    }
  }

  #failed(error: LeaseholdError, waitMs = 0): LeaseholdError {
    this.events.emit('acquireFailed', { waitMs, error });
    return error;
  }

  #timedOut(waitedMs: number): LeaseholdError {
    const { step, trouble, fleet } = this.#dispatch.parts.supply.hindrance;
    const { resource, max, lent: active, idle, busy, closing, opening, waiting } = this.status();
    const total = active + idle + busy + closing;
    return timedOutError({
      resource,
      waitedMs,
      step,
      trouble,
      own: { total, active, idle, opening, waiting, max },
      fleet: fleet && { ...fleet, ageMs: this.#holder.clock.elapsedMs(fleet.heardAt) },
    });
  }
}

const isOver = (invocation: InvocationDeadline | undefined): boolean => invocation?.isOver ?? false;

/** Never past the end of the invocation in which it is asked. */
const boundedMs = (timeoutMs: number): number =>
  Math.max(0, Math.min(timeoutMs, currentDeadline()?.remainingMs() ?? Number.POSITIVE_INFINITY));

const poolClosed = (): LeaseholdError => new LeaseholdError('POOL_CLOSED', 'The pool is closed.');

/** Creates a pool. Throws CONFIG_INVALID with every problem of the options at once; opens nothing. */
export const createPool = <Connection>(options: PoolOptions<Connection>): Pool<Connection> =>
  new Pool(options);
