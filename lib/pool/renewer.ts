import type { Instant, Timer } from '../core/clock.ts';
import { isLeaseholdError } from '../core/errors.ts';
import type { LossReason } from '../core/lease.ts';
import { LIMITS } from '../core/limits.ts';
import type {
  ParkItem,
  ParkOutcome,
  Registration,
  RenewItem,
  RenewOutcome,
  RenewReply,
} from '../registry/registry.ts';
import type { Chores } from './chores.ts';
import type { Holder } from './holder.ts';
import type { LeasedConnection } from './leased-connection.ts';
import type { Roster } from './roster.ts';
import { checkStep } from './steps.ts';

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
  readonly #chores: Chores;
  readonly #hooks: RenewerHooks<Connection>;
  #timer: Timer | undefined;
  readonly #inFlight = new Map<LeasedConnection<Connection>, Promise<RenewalResult>>();

  constructor(holder: Holder, roster: Roster<Connection>, chores: Chores, hooks: RenewerHooks<Connection>) {
    this.#holder = holder;
    this.#roster = roster;
    this.#chores = chores;
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

  /** The same for many, in as few calls as possible. */
  renewAll(connections: readonly LeasedConnection<Connection>[]): void {
    const due = connections.filter((connection) => !this.#inFlight.has(connection));
    for (let from = 0; from < due.length; from += LIMITS.pageMax)
      void this.#renewPage(due.slice(from, from + LIMITS.pageMax));
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
    this.renewAll(this.#roster.at('lent').filter(({ lease }) => lease.renewInMs() <= 0));
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

  /** `again`: the registry has lost its memory, and these connections are open. */
  async #send(page: readonly LeasedConnection<Connection>[], again?: Registration): Promise<RenewalResult[]> {
    const { registry, config, clock, id } = this.#holder;
    const items = page.map((connection) => renewItem(connection, again));
    const sentAt = clock.read();
    let reply: RenewReply;
    try {
      reply = await registry.renew(config.resource, id, items);
    } catch (error) {
      return this.#unanswered(page, error);
    }
    this.#holder.hear(reply);
    this.#chores.take(reply, sentAt);
    const results = page.map((connection, at): RenewalResult | 'forgotten' => {
      const outcome = reply.outcomes[at] ?? UNKNOWN;
      if (outcome.kind === 'forgotten') return 'forgotten';
      if (outcome.kind === 'lost') return this.#lose(connection, outcome.reason);
      connection.lease.isBound = true;
      connection.lease.isWanted = outcome.yield;
      connection.lease.prolong(items[at]?.turn ?? 0, sentAt, outcome.protectMs, reply.renewAfterMs);
      if (outcome.yield && connection.place === 'idle') this.#hooks.yielded(connection);
      return 'held';
    });
    const forgotten = page.filter((_, at) => results[at] === 'forgotten');
    const recovered = again === undefined ? await this.#registerAgain(forgotten) : new Map();
    return results.map((result, at) =>
      result === 'forgotten' ? (recovered.get(page[at]) ?? 'unanswered') : result,
    );
  }

  #unanswered(page: readonly LeasedConnection<Connection>[], error: unknown): RenewalResult[] {
    const { config, events } = this.#holder;
    events.emit('registryFailed', { operation: 'renew', error });
    const isAway = !isLeaseholdError(error) || error.code === 'REGISTRY_UNREACHABLE';
    if (isAway && config.onRegistryLoss === 'keep') {
      for (const { lease } of page) {
        if (lease.keep()) events.emit('leaseKept', { unprotectedMs: -lease.remainingMs() });
      }
    }
    return page.map(() => 'unanswered');
  }

  /** Only what is open: what nobody uses must answer first, for it may have slept through its end. */
  async #registerAgain(
    forgotten: readonly LeasedConnection<Connection>[],
  ): Promise<Map<LeasedConnection<Connection>, RenewalResult>> {
    if (forgotten.length === 0) return new Map();
    const { config, settings, inForce, events } = this.#holder;
    const answers = await Promise.all(
      forgotten.map(({ place, driver }) => place === 'lent' || checkStep(driver, config.operationTimeoutMs)),
    );
    const isFit = ({ driver }: LeasedConnection<Connection>, at: number): boolean =>
      driver.isOpen && answers[at] === true;
    const fit = forgotten.filter(isFit);
    const { group } = config;
    const again = { group, settings, ...(inForce === undefined ? {} : { inForce }) };
    const results = fit.length === 0 ? [] : await this.#send(fit, again);
    const known = new Map(fit.map((connection, at) => [connection, results[at] ?? 'unanswered']));
    for (const connection of forgotten) {
      if (!fit.includes(connection)) known.set(connection, this.#lose(connection, 'unknown'));
      events.emit('leaseForgotten', { isKnownAgain: known.get(connection) === 'held' });
    }
    return known;
  }

  async #parkPage(page: readonly LeasedConnection<Connection>[]): Promise<void> {
    const { registry, config, id, events } = this.#holder;
    const items = page.map(itemOf);
    for (const connection of page) connection.lease.endProtection();
    try {
      const reply = await registry.park(config.resource, id, items);
      this.#holder.hear(reply);
      await Promise.all(
        page.map((connection, at) =>
          this.#parked(connection, reply.outcomes[at] ?? UNKNOWN, items[at]?.turn),
        ),
      );
    } catch (error) {
      events.emit('registryFailed', { operation: 'park', error });
    }
  }

  async #parked(
    connection: LeasedConnection<Connection>,
    outcome: ParkOutcome,
    turn: number | undefined,
  ): Promise<void> {
    // A registry without memory says so only to a renewal.
    if (outcome.kind === 'lost' && outcome.reason === 'unknown') await this.renew(connection);
    else if (outcome.kind === 'lost') this.#lose(connection, outcome.reason);
    else connection.lease.isBound = true;
    // Taken again meanwhile: its renewal takes the word back.
    if (outcome.kind !== 'yield' || turn !== connection.lease.turn) return;
    connection.lease.isWanted = true;
    if (connection.place === 'idle') this.#hooks.yielded(connection);
  }

  #lose(connection: LeasedConnection<Connection>, reason: LossReason): 'lost' {
    if (connection.lease.loss === undefined) {
      connection.lease.loss = reason;
      this.#hooks.lost(connection, reason);
    }
    return 'lost';
  }
}

const UNKNOWN = { kind: 'lost', reason: 'unknown' } as const satisfies RenewOutcome;

/** The next turn of a lease, with the session's identity until the registry has it. */
const itemOf = <Connection>({ lease, driver }: LeasedConnection<Connection>): ParkItem => {
  const item = { ...lease.ref, turn: lease.nextTurn() };
  return lease.isBound ? item : { ...item, session: driver.session };
};

const renewItem = <Connection>(connection: LeasedConnection<Connection>, again?: Registration): RenewItem => {
  const item = { ...itemOf(connection), idle: connection.place === 'idle' };
  return again === undefined ? item : { ...item, session: connection.driver.session, again };
};
