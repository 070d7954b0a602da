import type { Instant, Timer } from '../core/clock.ts';
import type { LossReason } from '../core/lease.ts';
import { LIMITS } from '../core/limits.ts';
import type { RenewItem, RenewOutcome, RenewReply } from '../registry/registry.ts';
import type { Duties } from './duties.ts';
import type { Holder } from './holder.ts';
import type { LeasedConnection, Roster } from './roster.ts';

/** A failed renewal is tried again after 50 to 200 ms, beside the work. */
const RETRY_MIN_MS = 50;
const RETRY_SPAN_MS = 150;

export type RenewalResult = 'held' | 'lost' | 'unanswered';

export interface RenewerHooks<Connection> {
  lost(connection: LeasedConnection<Connection>, reason: LossReason): void;
  /** An idle connection should be given up: somebody waits for its place. */
  yielded(connection: LeasedConnection<Connection>): void;
}

/**
 * Keeps the leases of connections in use protected, beside the work, in batches; ends protection when asked to. No timer
 * here is needed for safety: whoever takes a connection, or sends a statement, looks at the clock itself.
 */
export class Renewer<Connection> {
  readonly #holder: Holder;
  readonly #roster: Roster<Connection>;
  readonly #duties: Duties;
  readonly #hooks: RenewerHooks<Connection>;
  #timer: Timer | undefined;
  readonly #inFlight = new Map<LeasedConnection<Connection>, Promise<RenewalResult>>();

  constructor(holder: Holder, roster: Roster<Connection>, duties: Duties, hooks: RenewerHooks<Connection>) {
    this.#holder = holder;
    this.#roster = roster;
    this.#duties = duties;
    this.#hooks = hooks;
  }

  /** Called when a connection is lent: renews beside the work if it is time, and sees to it that it is renewed in time. */
  touch(connection: LeasedConnection<Connection>, now: Instant): void {
    if (connection.lease.renewInMs(now) <= 0) void this.renew(connection);
    this.#timer ??= this.#startTimer();
  }

  /** One renewal at a time for each connection; who asks meanwhile gets the same answer. */
  renew(connection: LeasedConnection<Connection>): Promise<RenewalResult> {
    return (
      this.#inFlight.get(connection) ??
      this.#renewPage([connection]).then(([result]) => result ?? 'unanswered')
    );
  }

  /** Ends the protection of idle connections; the registry may say that they should be given up. */
  async park(connections: readonly LeasedConnection<Connection>[]): Promise<void> {
    for (let from = 0; from < connections.length; from += LIMITS.pageMax) {
      await this.#parkPage(connections.slice(from, from + LIMITS.pageMax));
    }
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #startTimer(): Timer | undefined {
    const lent = this.#roster.at('lent');
    if (lent.length === 0) return undefined;
    const soonest = Math.min(...lent.map((connection) => connection.lease.renewInMs()));
    const retryMs = RETRY_MIN_MS + RETRY_SPAN_MS * this.#holder.random.fraction();
    return this.#holder.clock.setBackgroundTimer(Math.max(retryMs, soonest), () => this.#onTimer());
  }

  #onTimer(): void {
    const due = this.#roster
      .at('lent')
      .filter((connection) => connection.lease.renewInMs() <= 0 && !this.#inFlight.has(connection));
    for (let from = 0; from < due.length; from += LIMITS.pageMax)
      void this.#renewPage(due.slice(from, from + LIMITS.pageMax));
    this.#timer = this.#startTimer();
  }

  #renewPage(page: readonly LeasedConnection<Connection>[]): Promise<RenewalResult[]> {
    const answer = this.#send(page).finally(() => {
      for (const connection of page) this.#inFlight.delete(connection);
    });
    for (const [at, connection] of page.entries()) {
      this.#inFlight.set(
        connection,
        answer.then((results) => results[at] ?? 'unanswered'),
      );
    }
    return answer;
  }

  async #send(page: readonly LeasedConnection<Connection>[]): Promise<RenewalResult[]> {
    const { registry, config, clock, id } = this.#holder;
    const items = page.map(
      (connection): RenewItem => ({ ...itemOf(connection), idle: connection.place === 'idle' }),
    );
    const sentAt = clock.read();
    let reply: RenewReply;
    try {
      reply = await registry.renew(config.resource, id, items);
    } catch (error) {
      this.#holder.events.emit('registryFailed', { operation: 'renew', error });
      return page.map(() => 'unanswered');
    }
    this.#holder.pressure = reply.pressure;
    this.#duties.take(reply.duties, reply.dutyMs, sentAt);
    return page.map((connection, at) => {
      const outcome: RenewOutcome = reply.outcomes[at] ?? { kind: 'lost', reason: 'unknown' };
      if (outcome.kind === 'lost') return this.#lose(connection, outcome.reason);
      connection.lease.isBound = true;
      connection.lease.prolong(items[at]?.turn ?? 0, sentAt, outcome.protectMs, reply.renewAfterMs);
      if (outcome.yield && connection.place === 'idle') this.#hooks.yielded(connection);
      return 'held';
    });
  }

  async #parkPage(page: readonly LeasedConnection<Connection>[]): Promise<void> {
    const { registry, config, id, events } = this.#holder;
    const items = page.map(itemOf);
    for (const connection of page) connection.lease.endProtection();
    try {
      const reply = await registry.park(config.resource, id, items);
      this.#holder.pressure = reply.pressure;
      for (const [at, connection] of page.entries()) {
        const outcome = reply.outcomes[at] ?? { kind: 'lost', reason: 'unknown' };
        if (outcome.kind === 'lost') this.#lose(connection, outcome.reason);
        else connection.lease.isBound = true;
        // Taken again meanwhile: its renewal takes the word back.
        if (outcome.kind === 'yield' && connection.place === 'idle') this.#hooks.yielded(connection);
      }
    } catch (error) {
      events.emit('registryFailed', { operation: 'park', error });
    }
  }

  #lose(connection: LeasedConnection<Connection>, reason: LossReason): 'lost' {
    if (connection.lease.loss === undefined) {
      connection.lease.loss = reason;
      this.#hooks.lost(connection, reason);
    }
    return 'lost';
  }
}

/** The next turn of a lease, with the session's identity until the registry has it. */
const itemOf = <Connection>({ lease, driver }: LeasedConnection<Connection>): Omit<RenewItem, 'idle'> => {
  const item = { ...lease.ref, turn: lease.nextTurn() };
  return lease.isBound ? item : { ...item, session: driver.session };
};
