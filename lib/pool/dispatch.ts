import type { Instant } from '../core/clock.ts';
import { LeaseholdError } from '../core/errors.ts';
import type { Driver } from '../driver/driver.ts';
import { type Assembly, type AssemblyOptions, assemble } from './assembly.ts';
import { atMost } from './background.ts';
import type { Holder } from './holder.ts';
import type { LeasedConnection } from './leased-connection.ts';
import { Returns } from './returns.ts';

/** What the registry may take to hear that a lease is over, in ms, before a closing pool leaves it to the expiry. */
const FAREWELL_MS = 1_000;

/** So long, in ms, a top-up that nobody has asked for tries: the next occasion tries again, and a process that wants to end may. */
const TOP_UP_MS = 30_000;

/** Brings connections and callers together: who gets what, what is sent for, and what is kept. */
export class Dispatch<Connection> {
  readonly holder: Holder;
  readonly returns: Returns<Connection>;
  readonly parts: Assembly<Connection>;
  readonly #isFrozenBetween: boolean;
  /** While an invocation runs nothing is parked, because its work may go on. */
  #invocations = 0;
  #isClosing = false;
  #toppingUp: AbortController | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(holder: Holder, driver: Driver<Connection>, options: AssemblyOptions<Connection>) {
    this.holder = holder;
    this.#isFrozenBetween = options.isFrozenBetween;
    this.parts = assemble(holder, driver, options, {
      serve: () => this.serve(),
      ready: (connection) => this.#ready(connection),
      doChores: () => this.#doChores(),
      keepMinimum: () => this.#keepMinimum(),
    });
    this.returns = new Returns(this.parts, {
      isBetweenInvocations: () => this.#invocations === 0,
      isClosing: () => this.#isClosing,
      rest: (connection) => this.#rest(connection),
      ready: (connection) => this.#ready(connection),
      serve: () => this.serve(),
    });
  }

  /** A connection that needs no question: protected, lately used, and nobody has come before. */
  takeWarm(): LeasedConnection<Connection> | undefined {
    const { roster, waiters, coarse, fitness } = this.parts;
    const newest = roster.newestIdle();
    if (newest === undefined || waiters.length > 0) return undefined;
    const now = coarse.read();
    return fitness.isWarm(newest, now) ? this.#lend(newest, now) : undefined;
  }

  /** Brings what is there to those who wait, and sends for what is missing; called whenever either has changed. */
  serve(): void {
    const { roster, waiters, coarse, fitness, supply, minimum } = this.parts;
    while (waiters.length > 0) {
      const now = coarse.read();
      // An older one is as good as the newest, if that would have to be asked about first.
      const warm = roster.at('idle').findLast((idle) => fitness.isWarm(idle, now));
      if (warm === undefined) break;
      waiters.offer(this.#lend(warm, now));
    }
    while (waiters.length > supply.count + this.returns.count && this.#sendForOne());
    while (minimum.missing > roster.opening && this.#openOne());
    minimum.note();
    // What is being mended serves those who wait, and nothing of the minimum's.
    const mending = supply.count - roster.opening + this.returns.count;
    supply.callOff(roster.opening - Math.max(minimum.missing, waiters.length - mending));
    if (roster.size === 0) this.#onEmpty?.();
  }

  /** Opens what is missing to the minimum, or one connection where there is none. */
  async warm(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    timedOut: (waitedMs: number) => LeaseholdError,
  ): Promise<void> {
    const reached = this.parts.minimum.reach(timeoutMs, signal, timedOut);
    this.serve();
    try {
      await reached;
    } finally {
      this.serve();
    }
  }

  beginInvocation(): void {
    this.#invocations += 1;
    this.parts.upkeep.atInvocation();
    this.#keepMinimum();
  }

  /** Parks what is idle where somebody may need it, and sees through what is pending, for at most `budgetMs`. */
  async endInvocation(budgetMs: number): Promise<void> {
    const { roster, background, renewer, supply } = this.parts;
    this.#invocations -= 1;
    if (this.#isFrozenBetween) this.#toppingUp?.abort();
    if (this.#invocations === 0 && this.holder.pressure) {
      const idle = roster.at('idle').filter(({ lease }) => lease.remainingMs() > 0);
      if (idle.length > 0) background.add(renewer.park(idle));
    }
    // While others wait, what is sent for them is pending without end.
    if (!background.isQuiet && supply.count === 0) await background.settled(budgetMs);
  }

  /** `closed`: what those hear who wait. */
  async close(timeoutMs: number, closed: LeaseholdError): Promise<void> {
    const { roster, waiters, minimum, supply, closer, background, stop } = this.parts;
    const { clock, config } = this.holder;
    this.#isClosing = true;
    waiters.rejectAll(closed);
    minimum.fail(closed);
    supply.callOff(Number.POSITIVE_INFINITY);
    for (const connection of roster.at('idle')) closer.close(connection, 'closed');
    if (roster.size > 0) {
      const emptied = new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
      await atMost(clock, timeoutMs, emptied);
    }
    for (const connection of roster.at('lent')) closer.close(connection, 'closed');
    // What is still being opened or made fit is closed after it.
    const isInStep = roster.opening + roster.count('busy') > 0;
    const stepMs = isInStep ? Math.max(config.operationTimeoutMs, config.connectTimeoutMs) : 0;
    await background.settled(stepMs + config.operationTimeoutMs + FAREWELL_MS);
    stop();
  }

  #lend(connection: LeasedConnection<Connection>, now: Instant): LeasedConnection<Connection> {
    const { roster, coarse, renewer } = this.parts;
    connection.lentAt = now;
    connection.lentWallMs = coarse.wallMs;
    connection.uses += 1;
    if (roster.newestIdle() === connection) roster.lendNewest();
    else roster.move(connection, 'lent');
    if (this.holder.config.allowExitOnIdle) connection.driver.keepAlive(true);
    renewer.touch(connection, now);
    return connection;
  }

  #rest(connection: LeasedConnection<Connection>): void {
    this.parts.roster.move(connection, 'idle');
    if (this.holder.config.allowExitOnIdle) connection.driver.keepAlive(false);
    this.parts.upkeep.watch();
  }

  #sendForOne(): boolean {
    const { roster, background, supply } = this.parts;
    const cold = roster.newestIdle();
    if (cold === undefined) return this.#openOne();
    background.add(supply.revive(cold).finally(() => this.serve()));
    return true;
  }

  #openOne(): boolean {
    const { roster, background, supply } = this.parts;
    if (roster.size >= this.holder.config.max) return false;
    roster.opening += 1;
    background.add(supply.open().finally(() => this.serve()));
    return true;
  }

  /** A connection that nobody has: lent on, kept, or found unfit. */
  #ready(connection: LeasedConnection<Connection>): void {
    const { coarse, fitness, closer, waiters } = this.parts;
    const now = coarse.read();
    const over =
      fitness.whyOver(connection, now) ??
      (this.#isClosing ? 'closed' : connection.lease.isWanted ? 'yielded' : undefined);
    if (over !== undefined) {
      closer.close(connection, over);
      // Whoever counted on it is sent for while it closes.
      this.serve();
    } else if (waiters.length > 0 && this.#isGoodNow(connection, now))
      // It was used, opened or checked just now: whoever waits gets it as it is.
      waiters.offer(this.#lend(connection, now));
    else this.#keep(connection, now);
  }

  #isGoodNow({ isUnsure, lease }: LeasedConnection<Connection>, now: Instant): boolean {
    return !isUnsure && lease.isUsable(this.holder.config.dangerMarginMs, now);
  }

  #keep(connection: LeasedConnection<Connection>, now: Instant): void {
    this.#rest(connection);
    this.serve();
    const isUnwanted = connection.place === 'idle' && this.#invocations === 0 && this.holder.pressure;
    if (isUnwanted && connection.lease.remainingMs(now) > 0)
      this.parts.background.add(this.parts.renewer.park([connection]));
  }

  /** Not while others wait for a place: then it would be taken from them. */
  #keepMinimum(): void {
    const { config, pressure } = this.holder;
    const isEnough = pressure || config.min === 0 || this.parts.minimum.isMet;
    if (isEnough || this.#isClosing || this.#toppingUp !== undefined) return;
    this.#toppingUp = new AbortController();
    const timeoutMs = Math.min(TOP_UP_MS, config.startupMaxWaitMs);
    void this.warm(timeoutMs, this.#toppingUp.signal, notToppedUp)
      // Each failed attempt has been told.
      .catch(() => undefined)
      .finally(() => {
        this.#toppingUp = undefined;
      });
  }

  /** A look that is wanted, or had to wait. If every connection is lent or gone, the next return makes it, or somebody else. */
  #doChores(): void {
    const { roster, chores, background } = this.parts;
    const idle = roster.newestIdle();
    if (idle === undefined || chores.isEmpty) return;
    roster.move(idle, 'busy');
    background.add(this.#workOn(idle));
  }

  /** What was parked is asked about first: a lease that somebody has revoked is no place to work from. */
  async #workOn(connection: LeasedConnection<Connection>): Promise<void> {
    const { driver, lease } = connection;
    const { dangerMarginMs } = this.holder.config;
    if (lease.remainingMs() <= dangerMarginMs) await this.parts.renewer.renew(connection);
    if (lease.remainingMs() > dangerMarginMs) await this.parts.chores.work(driver, lease);
    this.#ready(connection);
  }
}

const notToppedUp = (): LeaseholdError =>
  new LeaseholdError('ACQUIRE_TIMEOUT', 'The minimum of connections was not reached in time.');
