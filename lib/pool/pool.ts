import { type Clock, sleep, systemClock, type Timer } from '../core/clock.ts';
import { type Config, type ConfigInput, configError, parseConfig } from '../core/config.ts';
import { isLeaseholdError, LeaseholdError } from '../core/errors.ts';
import { Events } from '../core/events.ts';
import { type Random, systemRandom } from '../core/random.ts';
import type { Driver } from '../driver/driver.ts';
import type { Registry } from '../registry/registry.ts';
import { Duties } from './duties.ts';
import { Farewells } from './farewells.ts';
import { Holder } from './holder.ts';
import { currentDeadline } from './invocation.ts';
import { type Lent, leaseLost, usedAfterReturn } from './lent.ts';
import type { CloseReason, PoolEvents } from './pool-events.ts';
import { Renewer } from './renewer.ts';
import { type LeasedConnection, Roster } from './roster.ts';
import { IDLE_PART, Supply } from './supply.ts';
import { aborted, Waiters } from './waiters.ts';

export type PoolOptions<Connection> = ConfigInput & {
  /** The only authority on how many connections the fleet may hold. */
  readonly registry: Registry;
  /** How to open and end connections of one engine. */
  readonly driver: Driver<Connection>;
  /** Where the function's name, and so the group and the default `max`, come from: `process.env`, or nothing. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  readonly random?: Random;
};

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
const PORTS = ['registry', 'driver', 'env', 'clock', 'random'] as const;

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
  readonly #roster = new Roster<Connection>();
  readonly #waiters: Waiters<LeasedConnection<Connection>>;
  readonly #duties: Duties;
  readonly #farewells: Farewells;
  readonly #renewer: Renewer<Connection>;
  readonly #supply: Supply<Connection>;
  readonly #background = new Set<Promise<unknown>>();
  #invocations = 0;
  #idleTimer: Timer | undefined;
  #closing: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(options: PoolOptions<Connection>) {
    const env = options.env ?? {};
    this.config = parseConfig(options, PORTS, env);
    this.isExclusive =
      env['AWS_LAMBDA_FUNCTION_NAME'] !== undefined && env['AWS_LAMBDA_MAX_CONCURRENCY'] === undefined;
    const clock = options.clock ?? systemClock;
    this.#holder = new Holder(
      this.config,
      options.registry,
      clock,
      options.random ?? systemRandom,
      this.events,
    );
    this.#waiters = new Waiters(clock, this.config.localWaitersMax);
    this.#duties = new Duties(this.#holder);
    this.#farewells = new Farewells(this.#holder);
    this.#renewer = new Renewer(this.#holder, this.#roster, this.#duties, {
      lost: (connection, reason) => {
        this.events.emit('leaseLost', { reason, inUse: connection.place === 'lent' });
        if (connection.place === 'idle') this.#drop(connection, 'lost');
        // The borrower's statement fails now, rather than running on beside somebody else's backend.
        else if (connection.place === 'lent')
          this.#later(connection.driver.close(this.config.operationTimeoutMs));
      },
      yielded: (connection) => this.#drop(connection, 'yielded'),
    });
    this.#supply = new Supply({
      holder: this.#holder,
      driver: options.driver,
      roster: this.#roster,
      waiters: this.#waiters,
      duties: this.#duties,
      farewells: this.#farewells,
      renewer: this.#renewer,
      gateOf: (connection) => this.#gate(connection),
      ready: (connection) => this.#ready(connection),
      opened: (connection) =>
        connection.driver.onEnd(() => connection.place === 'idle' && this.#drop(connection, 'broken')),
      drop: (connection, reason) => this.#drop(connection, reason),
    });
  }

  /**
   * Lends a connection to `work` and takes it back at its end, whatever that is. Rejects with what `work` rejects with, or
   * with a LeaseholdError: ACQUIRE_TIMEOUT, DENIED, REGISTRY_UNREACHABLE, CONNECT_FAILED, LEASE_LOST, POOL_CLOSED, ABORTED.
   */
  async use<Result>(
    work: (connection: Connection) => Result | Promise<Result>,
    options?: AcquireOptions,
  ): Promise<Result> {
    const connection = this.#takeNow(options) ?? (await this.#takeLater(options));
    const lentAt = this.#holder.clock.read();
    try {
      return await work(connection.driver.client);
    } catch (error) {
      throw this.#explain(connection, error);
    } finally {
      await this.#giveBack(connection, this.#holder.clock.elapsedMs(lentAt));
    }
  }

  /** Lends a connection until `giveBack`, or the end of an `await using` block. Errors as with `use`. */
  async acquire(options?: AcquireOptions): Promise<Lent<Connection>> {
    const connection = this.#takeNow(options) ?? (await this.#takeLater(options));
    const lentAt = this.#holder.clock.read();
    let returned: Promise<void> | undefined;
    const giveBack = (): Promise<void> => {
      returned ??= this.#giveBack(connection, this.#holder.clock.elapsedMs(lentAt));
      return returned;
    };
    return { connection: connection.driver.client, giveBack, [Symbol.asyncDispose]: giveBack };
  }

  /** Local and synchronous; no network call. */
  status(): PoolStatus {
    const { resource, group, max } = this.config;
    const [idle, lent, busy, closing] = (['idle', 'lent', 'busy', 'closing'] as const).map((place) =>
      this.#roster.count(place),
    );
    return {
      ...{ resource, group, max },
      ...{ idle: idle ?? 0, lent: lent ?? 0, busy: busy ?? 0, closing: closing ?? 0 },
      opening: this.#roster.opening,
      waiting: this.#waiters.length,
      pressure: this.#holder.pressure,
    };
  }

  /** The wrappers of handlers call this: between begin and end nothing is parked, because the work may go on. */
  beginInvocation(): Invocation {
    this.#invocations += 1;
    let ended: Promise<void> | undefined;
    return {
      end: (budgetMs) => {
        if (ended === undefined) this.#invocations -= 1;
        ended ??= this.#endInvocation(budgetMs);
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

  /** A connection that needs no question: protected, lately used, and nobody waits for it already. */
  #takeNow(options: AcquireOptions | undefined): LeasedConnection<Connection> | undefined {
    if (this.#closing !== undefined) throw poolClosed();
    if (options?.signal?.aborted) throw aborted(options.signal);
    const connection = this.#waiters.length === 0 ? this.#takeWarm() : undefined;
    if (connection !== undefined) this.events.emit('acquired', { waitMs: 0 });
    return connection;
  }

  #takeWarm(): LeasedConnection<Connection> | undefined {
    const connection = this.#roster.newestIdle();
    if (connection === undefined || !this.#isWarm(connection)) return undefined;
    return this.#lend(connection);
  }

  #isWarm({ driver, lease, lastUsedAt }: LeasedConnection<Connection>): boolean {
    if (!driver.isOpen || lease.remainingMs() <= this.config.dangerMarginMs) return false;
    const unusedMs = this.#holder.clock.elapsedMs(lastUsedAt);
    return unusedMs < this.config.checkAfterIdleMs && unusedMs < IDLE_PART * lease.idleMs;
  }

  #lend(connection: LeasedConnection<Connection>): LeasedConnection<Connection> {
    this.#roster.move(connection, 'lent');
    this.#renewer.touch(connection);
    return connection;
  }

  async #takeLater(options: AcquireOptions = {}): Promise<LeasedConnection<Connection>> {
    const { clock } = this.#holder;
    const since = clock.read();
    const allowedMs = currentDeadline()?.remainingMs() ?? Number.POSITIVE_INFINITY;
    const timeoutMs = Math.max(0, Math.min(options.timeoutMs ?? this.config.acquireTimeoutMs, allowedMs));
    const waiting = this.#waiters.wait(timeoutMs, options.signal, (waitedMs) => this.#timedOut(waitedMs));
    this.#serve();
    try {
      const connection = await waiting;
      this.events.emit('acquired', { waitMs: clock.elapsedMs(since) });
      return connection;
    } catch (error) {
      if (isLeaseholdError(error))
        this.events.emit('acquireFailed', { waitMs: clock.elapsedMs(since), error });
      this.#supply.callOff(this.#supply.count - this.#waiters.length);
      throw error;
    }
  }

  /** Brings connections and callers together; called whenever either has changed. */
  #serve(): void {
    while (this.#waiters.length > 0) {
      const warm = this.#takeWarm();
      if (warm === undefined) break;
      this.#waiters.offer(warm);
    }
    while (this.#waiters.length > this.#supply.count) {
      const cold = this.#roster.newestIdle();
      if (cold !== undefined) {
        this.#roster.move(cold, 'busy');
        this.#later(this.#supply.revive(cold).finally(() => this.#serve()));
      } else if (this.#roster.size < this.config.max) {
        this.#roster.opening += 1;
        this.#later(this.#supply.open().finally(() => this.#serve()));
      } else break;
    }
    this.#supply.callOff(this.#supply.count - this.#waiters.length);
    if (this.#roster.size === 0) this.#onEmpty?.();
  }

  #ready(connection: LeasedConnection<Connection>): void {
    const { driver, lease } = connection;
    if (lease.loss !== undefined) return this.#drop(connection, 'lost');
    if (!driver.isOpen) return this.#drop(connection, 'broken');
    if (this.#closing !== undefined) return this.#drop(connection, 'closed');
    const isProtected = lease.remainingMs() > this.config.dangerMarginMs;
    if (isProtected && this.#waiters.length > 0) {
      this.#waiters.offer(this.#lend(connection));
      return;
    }
    this.#roster.move(connection, 'idle');
    this.#watchIdle(lease.idleMs);
    this.#serve();
    const isUnwanted = connection.place === 'idle' && this.#invocations === 0 && this.#holder.pressure;
    if (isUnwanted && isProtected) this.#later(this.#renewer.park([connection]));
  }

  async #giveBack(connection: LeasedConnection<Connection>, heldMs: number): Promise<void> {
    const { driver, lease } = connection;
    this.events.emit('returned', { heldMs });
    connection.lastUsedAt = this.#holder.clock.read();
    this.#roster.move(connection, 'busy');
    if (driver.isOpen && lease.loss === undefined && driver.isInTransaction) {
      const rolledBack = await driver.reset(this.config.operationTimeoutMs);
      this.events.emit('transactionLeftOpen', { rolledBack });
      if (!rolledBack) return this.#drop(connection, 'broken');
    }
    if (this.#duties.isEmpty) return this.#ready(connection);
    this.#later(this.#duties.work(driver, lease).then(() => this.#ready(connection)));
  }

  /** May the borrower send a statement now? Asked in the tick of the statement. */
  #gate(connection: LeasedConnection<Connection> | undefined): Promise<void> | undefined {
    if (connection?.place !== 'lent') return Promise.reject(usedAfterReturn());
    if (connection.lease.remainingMs() > this.config.dangerMarginMs) return undefined;
    return this.#askFirst(connection);
  }

  async #askFirst(connection: LeasedConnection<Connection>): Promise<void> {
    const { lease } = connection;
    // An answer that was on its way already may be older than the lapse: then it is asked once more.
    for (let asks = 0; asks < 2 && lease.loss === undefined; asks += 1) {
      const result = await this.#renewer.renew(connection);
      if (lease.remainingMs() > this.config.dangerMarginMs) return;
      if (result === 'unanswered') break;
    }
    if (lease.loss !== undefined) throw leaseLost(lease.loss);
    throw new LeaseholdError(
      'REGISTRY_UNREACHABLE',
      'The protection of the lease has lapsed, and the registry did not prolong it.',
    );
  }

  /** The borrower's error, or the lost lease that is behind it. */
  #explain({ lease, driver }: LeasedConnection<Connection>, error: unknown): unknown {
    if (isLeaseholdError(error)) return error;
    if (lease.loss !== undefined) return leaseLost(lease.loss, error);
    // Only what is unprotected is ever revoked: a session that was ended then was ended for somebody else.
    return !driver.isOpen && lease.remainingMs() <= 0 ? leaseLost('revoked', error) : error;
  }

  #drop(connection: LeasedConnection<Connection>, reason: CloseReason): void {
    if (connection.place === 'closing') return;
    this.#roster.move(connection, 'closing');
    this.#later(this.#closeOne(connection, reason));
  }

  async #closeOne(connection: LeasedConnection<Connection>, reason: CloseReason): Promise<void> {
    const { driver, lease } = connection;
    const { endSeen } = await driver.close(this.config.operationTimeoutMs);
    this.#roster.remove(connection);
    if (endSeen) this.#farewells.release(lease, 'closed');
    else this.#farewells.abandon(lease, 'unseen', driver.session);
    this.events.emit('connectionClosed', { reason, endSeen });
    this.#serve();
  }

  /** Where the process is not frozen, unused connections are closed before the server would end them. */
  #watchIdle(idleMs: number): void {
    this.#idleTimer ??= this.#holder.clock.setBackgroundTimer(IDLE_PART * idleMs, () => {
      this.#idleTimer = undefined;
      for (const connection of this.#roster.at('idle')) {
        const isDue =
          this.#holder.clock.elapsedMs(connection.lastUsedAt) >= IDLE_PART * connection.lease.idleMs;
        if (isDue) this.#drop(connection, 'idle');
      }
      const [next] = this.#roster.at('idle');
      if (next !== undefined) this.#watchIdle(next.lease.idleMs);
    });
  }

  async #endInvocation(budgetMs: number): Promise<void> {
    if (this.#invocations === 0 && this.#holder.pressure) {
      const idle = this.#roster.at('idle').filter(({ lease }) => lease.remainingMs() > 0);
      if (idle.length > 0) this.#later(this.#renewer.park(idle));
    }
    if (this.#background.size > 0) await this.#within(budgetMs, this.#quiet());
  }

  /** Resolves when no work of the pool's own is pending, what it leads to included; waiting callers' supplies aside. */
  async #quiet(): Promise<void> {
    while (this.#background.size > 0 && this.#supply.count === 0) await Promise.all(this.#background);
    await this.#farewells.settled();
  }

  #later(work: Promise<unknown>): void {
    const tracked = work
      .catch((error: unknown) => this.events.emit('registryFailed', { operation: 'background', error }))
      .finally(() => this.#background.delete(tracked));
    this.#background.add(tracked);
  }

  async #within(budgetMs: number, work: Promise<void>): Promise<void> {
    const bound = new AbortController();
    await Promise.race([work, sleep(this.#holder.clock, budgetMs, bound.signal)]);
    bound.abort();
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#waiters.rejectAll(poolClosed());
    this.#supply.callOff(Number.POSITIVE_INFINITY);
    for (const connection of this.#roster.at('idle')) this.#drop(connection, 'closed');
    if (this.#roster.size > 0) {
      await this.#within(
        timeoutMs,
        new Promise((resolve) => {
          this.#onEmpty = resolve;
        }),
      );
    }
    for (const connection of this.#roster.at('lent')) this.#drop(connection, 'closed');
    await this.#within(this.config.operationTimeoutMs * 2, this.#quiet());
    this.#renewer.stop();
    this.#idleTimer?.cancel();
  }

  #timedOut(waitedMs: number): LeaseholdError {
    const { step, trouble } = this.#supply.hindrance;
    const { resource, max, lent, idle, opening, waiting } = this.status();
    const text =
      `No connection to '${resource}' within ${Math.round(waitedMs)} ms: waiting for ${step}. ` +
      `This process has ${lent} lent, ${idle} idle, ${opening} opening of at most ${max}; ${waiting} waiting.`;
    const details = { step, waitedMs: Math.round(waitedMs), max, lent, idle, opening, waiting };
    if (trouble === undefined) return new LeaseholdError('ACQUIRE_TIMEOUT', text, { details });
    return new LeaseholdError(trouble.code, `${text} ${trouble.message}`, {
      cause: trouble,
      details: { ...trouble.details, ...details },
      ...(trouble.retryAfterMs === undefined ? {} : { retryAfterMs: trouble.retryAfterMs }),
    });
  }
}

const poolClosed = (): LeaseholdError => new LeaseholdError('POOL_CLOSED', 'The pool is closed.');

/** Creates a pool. Throws CONFIG_INVALID with every problem of the options at once; opens nothing. */
export const createPool = <Connection>(options: PoolOptions<Connection>): Pool<Connection> => {
  const missing = [
    typeof options?.registry?.grant === 'function'
      ? []
      : ['registry: a registry is missing: redisRegistry(client), or memoryRegistry() for one process'],
    typeof options?.driver?.open === 'function'
      ? []
      : ['driver: a driver is missing: postgresDriver(pg, config)'],
  ].flat();
  if (missing.length === 0) return new Pool(options);
  try {
    parseConfig(options ?? {}, PORTS);
  } catch (error) {
    if (isLeaseholdError(error)) throw configError([...(error.details['problems'] as string[]), ...missing]);
  }
  throw configError(missing);
};
