import type { Instant, Timer } from '../core/clock.ts';
import { IDLE_PART } from '../core/options.ts';
import type { Driver } from '../driver/driver.ts';
import { atMost, Background } from './background.ts';
import { Chores } from './chores.ts';
import { Closer, type OnClosed } from './closer.ts';
import { Farewells } from './farewells.ts';
import { Gate } from './gate.ts';
import type { Holder } from './holder.ts';
import { IdleWatch } from './idle-watch.ts';
import { Renewer } from './renewer.ts';
import { type LeasedConnection, Roster } from './roster.ts';
import { Supply } from './supply.ts';
import { Waiters } from './waiters.ts';
import { Wakes } from './wakes.ts';

/** Brings connections and callers together: who gets what, what happens to a connection that comes back, and when it goes. */
export class Dispatch<Connection> {
  readonly roster = new Roster<Connection>();
  readonly waiters: Waiters<LeasedConnection<Connection>>;
  readonly supply: Supply<Connection>;
  /** While an invocation runs nothing is parked, because its work may go on. */
  invocations = 0;
  readonly #holder: Holder;
  readonly #chores: Chores;
  readonly #farewells: Farewells;
  readonly #renewer: Renewer<Connection>;
  readonly #background: Background;
  readonly #idleWatch: IdleWatch<Connection>;
  readonly #wakes: Wakes;
  readonly #closer: Closer<Connection>;
  #isClosing = false;
  #onEmpty: (() => void) | undefined;

  constructor(holder: Holder, driver: Driver<Connection>, onClosed?: OnClosed<Connection>) {
    const { config, clock, events } = holder;
    this.#holder = holder;
    this.#background = new Background(clock, (error) =>
      events.emit('registryFailed', { operation: 'background', error }),
    );
    this.waiters = new Waiters(clock, config.localWaitersMax);
    this.#wakes = new Wakes(holder);
    this.#idleWatch = new IdleWatch(clock, this.roster, (connection) =>
      this.#closer.close(connection, 'idle'),
    );
    this.#chores = new Chores(holder, () => this.#doChores());
    this.#farewells = new Farewells(holder, this.#background);
    this.#closer = new Closer({
      holder,
      roster: this.roster,
      farewells: this.#farewells,
      background: this.#background,
      onClosed,
      onFree: () => this.serve(),
    });
    this.#renewer = new Renewer(holder, this.roster, this.#chores, {
      lost: (connection, reason) => {
        events.emit('leaseLost', { reason, inUse: connection.place === 'lent' });
        if (connection.place === 'idle') this.#closer.lose(connection);
        // The borrower's statement fails now, rather than running on after somebody else was given the place.
        else if (connection.place === 'lent')
          this.#background.add(connection.driver.close(config.operationTimeoutMs));
      },
      yielded: (connection) => this.#closer.close(connection, 'yielded'),
    });
    const gate = new Gate(this.#renewer, config.dangerMarginMs);
    this.supply = new Supply({
      holder,
      driver,
      roster: this.roster,
      waiters: this.waiters,
      chores: this.#chores,
      wakes: this.#wakes,
      farewells: this.#farewells,
      renewer: this.#renewer,
      gate,
      opened: (connection) =>
        connection.driver.onEnd(() => {
          if (connection.place === 'idle') this.#closer.close(connection, 'broken');
        }),
      ready: (connection) => this.#ready(connection),
      drop: (connection, reason) => this.#closer.close(connection, reason),
    });
  }

  /** A connection that needs no question: protected, lately used, and nobody has come before. */
  takeWarm(): LeasedConnection<Connection> | undefined {
    const newest = this.waiters.length === 0 ? this.roster.newestIdle() : undefined;
    if (newest === undefined) return undefined;
    const now = this.#holder.clock.read();
    return this.#isWarm(newest, now) ? this.#lend(newest, now) : undefined;
  }

  /** Brings what is there to those who wait, and sends for what is missing; called whenever either has changed. */
  serve(): void {
    while (this.waiters.length > 0) {
      const idle = this.roster.newestIdle();
      const now = this.#holder.clock.read();
      if (idle === undefined || !this.#isWarm(idle, now)) break;
      this.waiters.offer(this.#lend(idle, now));
    }
    while (this.waiters.length > this.supply.count && this.#sendForOne());
    this.supply.callOff(this.supply.count - this.waiters.length);
    if (this.roster.size === 0) this.#onEmpty?.();
  }

  async giveBack(connection: LeasedConnection<Connection>): Promise<void> {
    const { driver, lease } = connection;
    const { config, clock, events } = this.#holder;
    const now = clock.read();
    events.emit('returned', { heldMs: clock.elapsedMs(connection.lentAt, now) });
    // Closing has not waited for this borrower.
    if (connection.place !== 'lent') return;
    connection.lastUsedAt = now;
    this.roster.move(connection, 'busy');
    if (driver.isOpen && lease.loss === undefined && !driver.isClean) {
      const { isFit, wasInTransaction } = await driver.reset(config.operationTimeoutMs);
      if (wasInTransaction) events.emit('transactionLeftOpen', { rolledBack: isFit });
      if (!isFit) {
        this.#closer.close(connection, 'broken');
        return;
      }
    }
    if (lease.isWanted && lease.loss === undefined && driver.isOpen)
      this.#closer.close(connection, 'yielded');
    else if (!this.#chores.isEmpty)
      this.#background.add(this.#chores.work(driver, lease).then(() => this.#ready(connection)));
    else if (!this.#isTurnOver(connection, now)) this.#ready(connection);
    else this.#background.add(this.#renewer.park([connection]).then(() => this.#ready(connection)));
  }

  /** A busy holder asks once a quantum whether somebody is to have its place, and awaits it: its next use would overtake the answer. */
  #isTurnOver(connection: LeasedConnection<Connection>, now: Instant): boolean {
    const { pressure, clock, config } = this.#holder;
    const mayPark = pressure && (this.waiters.length > 0 || this.invocations === 0);
    if (!mayPark || clock.elapsedMs(connection.turnSince, now) < config.quantumMs) return false;
    connection.turnSince = now;
    return connection.lease.remainingMs(now) > 0;
  }

  /** Gives back a connection that its borrower wants closed; resolves when it is. */
  async discard(connection: LeasedConnection<Connection>): Promise<void> {
    const { clock, events } = this.#holder;
    events.emit('returned', { heldMs: clock.elapsedMs(connection.lentAt) });
    if (connection.place === 'lent') this.#closer.close(connection, 'discarded');
  }

  /** Loans keep where they began: only while leaks are looked for, because it costs more than the loan. */
  get tracesLoans(): boolean {
    return this.#holder.config.leakAfterMs > 0;
  }

  watchLoan({ lentAt }: LeasedConnection<Connection>, stack: string): Timer {
    const { clock, config, events } = this.#holder;
    return clock.setBackgroundTimer(config.leakAfterMs, () =>
      events.emit('leakSuspected', { heldMs: clock.elapsedMs(lentAt), stack }),
    );
  }

  /** Ends a loan whose borrower may still have the client: then nobody else may get this connection. */
  takeBack(connection: LeasedConnection<Connection>): void {
    const { clock, events } = this.#holder;
    events.emit('returned', { heldMs: clock.elapsedMs(connection.lentAt) });
    if (connection.place === 'lent') this.#closer.close(connection, 'left');
  }

  /** Parks what is idle where somebody may need it, and sees through what is pending. */
  async endInvocation(budgetMs: number): Promise<void> {
    if (this.invocations === 0 && this.#holder.pressure) {
      const idle = this.roster.at('idle').filter(({ lease }) => lease.remainingMs() > 0);
      if (idle.length > 0) this.#background.add(this.#renewer.park(idle));
    }
    // While others wait, what is sent for them is pending without end.
    if (!this.#background.isQuiet && this.supply.count === 0) await this.#background.settled(budgetMs);
  }

  async close(timeoutMs: number): Promise<void> {
    const { clock, config } = this.#holder;
    this.#isClosing = true;
    this.supply.callOff(Number.POSITIVE_INFINITY);
    for (const connection of this.roster.at('idle')) this.#closer.close(connection, 'closed');
    if (this.roster.size > 0) {
      const emptied = new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
      await atMost(clock, timeoutMs, emptied);
    }
    for (const connection of this.roster.at('lent')) this.#closer.close(connection, 'closed');
    await this.#background.settled(2 * config.operationTimeoutMs);
    this.#renewer.stop();
    this.#chores.stop();
    this.#wakes.stop();
    this.#idleWatch.stop();
  }

  #isWarm({ driver, lease, lastUsedAt }: LeasedConnection<Connection>, now: Instant): boolean {
    const { clock, config } = this.#holder;
    if (!driver.isOpen || !lease.isUsable(config.dangerMarginMs, now)) return false;
    return clock.elapsedMs(lastUsedAt, now) < Math.min(config.checkAfterIdleMs, IDLE_PART * lease.idleMs);
  }

  #lend(connection: LeasedConnection<Connection>, now: Instant): LeasedConnection<Connection> {
    connection.lentAt = now;
    this.roster.move(connection, 'lent');
    this.#renewer.touch(connection, now);
    return connection;
  }

  #sendForOne(): boolean {
    const cold = this.roster.newestIdle();
    if (cold !== undefined) {
      this.roster.move(cold, 'busy');
      this.#background.add(this.supply.revive(cold).finally(() => this.serve()));
      return true;
    }
    if (this.roster.size >= this.#holder.config.max) return false;
    this.roster.opening += 1;
    this.#background.add(this.supply.open().finally(() => this.serve()));
    return true;
  }

  /** A connection that nobody has: lent on, kept, or found unfit. */
  #ready(connection: LeasedConnection<Connection>): void {
    const { driver, lease } = connection;
    if (lease.loss !== undefined) this.#closer.lose(connection);
    else if (!driver.isOpen) this.#closer.close(connection, 'broken');
    else if (this.#isClosing) this.#closer.close(connection, 'closed');
    else this.#keep(connection);
  }

  /** It was used, opened or checked just now: whoever waits gets it as it is. */
  #keep(connection: LeasedConnection<Connection>): void {
    const { lease } = connection;
    const { config, clock, pressure } = this.#holder;
    const now = clock.read();
    const isCalled = this.waiters.length > 0 && lease.isUsable(config.dangerMarginMs, now);
    if (lease.isWanted) this.#closer.close(connection, 'yielded');
    else if (isCalled) this.waiters.offer(this.#lend(connection, now));
    if (lease.isWanted || isCalled) return;
    this.roster.move(connection, 'idle');
    this.#idleWatch.start(lease.idleMs);
    this.serve();
    const isUnwanted = connection.place === 'idle' && this.invocations === 0 && pressure;
    if (isUnwanted && lease.remainingMs(now) > 0) this.#background.add(this.#renewer.park([connection]));
  }

  /** A look that is wanted, or had to wait. If every connection is lent or gone, the next return makes it, or somebody else. */
  #doChores(): void {
    const idle = this.roster.newestIdle();
    if (idle === undefined || this.#chores.isEmpty) return;
    this.roster.move(idle, 'busy');
    this.#background.add(this.#workOn(idle));
  }

  /** What was parked is asked about first: a lease that somebody has revoked is no place to work from. */
  async #workOn(connection: LeasedConnection<Connection>): Promise<void> {
    const { driver, lease } = connection;
    const { dangerMarginMs } = this.#holder.config;
    if (lease.remainingMs() <= dangerMarginMs) await this.#renewer.renew(connection);
    if (lease.remainingMs() > dangerMarginMs) await this.#chores.work(driver, lease);
    this.#ready(connection);
  }
}
