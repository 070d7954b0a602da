import type { Instant } from '../core/clock.ts';
import type { Assembly } from './assembly.ts';
import type { LeasedConnection } from './leased-connection.ts';
import type { CloseReason } from './pool-events.ts';
import { resetStep } from './steps.ts';

export interface ReturnsHooks<Connection> {
  /** Between invocations what is idle may be given up. */
  isBetweenInvocations(): boolean;
  isClosing(): boolean;
  /** Nobody wants it: it is kept as it is. */
  rest(connection: LeasedConnection<Connection>): void;
  ready(connection: LeasedConnection<Connection>): void;
  /** Whoever counted on a connection that goes is sent for anew. */
  serve(): void;
}

/** What happens to a connection that comes back from its borrower. */
export class Returns<Connection> {
  /** Connections that can be had, or are found unfit, within a round trip: nobody is sent for in their place. */
  count = 0;
  readonly #parts: Assembly<Connection>;
  readonly #hooks: ReturnsHooks<Connection>;

  constructor(parts: Assembly<Connection>, hooks: ReturnsHooks<Connection>) {
    this.#parts = parts;
    this.#hooks = hooks;
  }

  /** Undefined where all is done: nothing was left open, nobody waits, and nothing is to be done with it. */
  giveBack(connection: LeasedConnection<Connection>): Promise<void> | undefined {
    const { fitness, background } = this.#parts;
    const now = this.#note(connection);
    // Closing has not waited for this borrower.
    if (connection.place !== 'lent') return undefined;
    connection.lastUsedAt = now;
    connection.isUnsure ||= fitness.mayHaveDied(connection, now);
    connection.answeredAt = now;
    if (
      this.#isAsked(connection) ||
      !connection.driver.isClean ||
      fitness.whyOver(connection, now) !== undefined
    ) {
      const taken = this.#takeIn(connection, now);
      // Whoever closes, or ends an invocation, sees it through.
      background.add(taken);
      return taken;
    }
    this.#hooks.rest(connection);
    return undefined;
  }

  /** Ends a loan without keeping the connection, because its borrower wants that, or may still have the client. */
  end(connection: LeasedConnection<Connection>, reason: CloseReason): void {
    this.#note(connection);
    if (connection.place === 'lent') this.#parts.closer.close(connection, reason);
  }

  /** Somebody wants it, its place, or something to be done with it. */
  #isAsked({ lease }: LeasedConnection<Connection>): boolean {
    const { holder, waiters, supply, chores } = this.#parts;
    if (lease.isWanted || holder.pressure || waiters.length > 0) return true;
    return supply.count > 0 || !chores.isEmpty || this.#hooks.isClosing();
  }

  async #takeIn(connection: LeasedConnection<Connection>, now: Instant): Promise<void> {
    const { roster, closer, background, chores, renewer } = this.#parts;
    const { driver, lease } = connection;
    roster.move(connection, 'busy');
    if (!driver.isClean && !(await this.#counted(this.#reset(connection)))) {
      if (lease.loss === undefined) closer.close(connection, 'broken');
      else closer.lose(connection);
      this.#hooks.serve();
      return;
    }
    const ready = (): void => this.#hooks.ready(connection);
    if (lease.isWanted && lease.loss === undefined && driver.isOpen) closer.close(connection, 'yielded');
    else if (!chores.isEmpty) background.add(chores.work(driver, lease).then(ready));
    else if (!this.#isTurnOver(connection, now)) ready();
    else background.add(this.#counted(renewer.park([connection])).then(ready));
  }

  async #counted<Result>(work: Promise<Result>): Promise<Result> {
    this.count += 1;
    try {
      return await work;
    } finally {
      this.count -= 1;
    }
  }

  /** Only under protection: an answer would keep the session alive beyond what the registry counts on. */
  async #reset(connection: LeasedConnection<Connection>): Promise<boolean> {
    const { holder, renewer } = this.#parts;
    const { dangerMarginMs, operationTimeoutMs } = holder.config;
    const { driver, lease } = connection;
    if (driver.isOpen && !lease.isUsable(dangerMarginMs)) await renewer.renew(connection);
    const mayAsk = driver.isOpen && lease.isUsable(dangerMarginMs);
    const { isFit, wasInTransaction } = mayAsk
      ? await resetStep(driver, operationTimeoutMs)
      : { isFit: false, wasInTransaction: driver.isOpen };
    if (wasInTransaction) holder.events.emit('transactionLeftOpen', { rolledBack: isFit });
    if (isFit) connection.isUnsure = false;
    return isFit;
  }

  /** A busy holder asks once a quantum whether somebody is to have its place, and awaits it: its next use would overtake the answer. */
  #isTurnOver(connection: LeasedConnection<Connection>, now: Instant): boolean {
    const { holder, waiters } = this.#parts;
    const { pressure, clock, config } = holder;
    const mayPark = pressure && (waiters.length > 0 || this.#hooks.isBetweenInvocations());
    if (!mayPark || clock.elapsedMs(connection.turnSince, now) < config.quantumMs) return false;
    connection.turnSince = now;
    return connection.lease.remainingMs(now) > 0;
  }

  /** Counts it, and answers when it is. */
  #note({ lentWallMs }: LeasedConnection<Connection>): Instant {
    const { holder, coarse } = this.#parts;
    const { statistics, events } = holder;
    const now = coarse.read();
    const heldMs = Math.max(0, coarse.wallMs - lentWallMs);
    statistics.hold.add(heldMs);
    if (events.hears('returned')) events.emit('returned', { heldMs });
    return now;
  }
}
