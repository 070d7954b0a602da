import { failureDelayMs, registryDelayMs } from '../core/backoff.ts';
import { sleep } from '../core/clock.ts';
import { isLeaseholdError, LeaseholdError } from '../core/errors.ts';
import type { Driver, StatementGate } from '../driver/driver.ts';
import type { Chores } from './chores.ts';
import type { Farewells } from './farewells.ts';
import type { Fitness } from './fitness.ts';
import type { Gate } from './gate.ts';
import { Hindrance } from './hindrance.ts';
import type { Holder } from './holder.ts';
import { LeaseRequest, type Patience } from './lease-request.ts';
import { LeasedConnection, lifetimeOf } from './leased-connection.ts';
import type { Minimum } from './minimum.ts';
import { openUnder } from './opener.ts';
import type { CloseReason } from './pool-events.ts';
import type { Renewer } from './renewer.ts';
import type { Roster } from './roster.ts';
import { checkStep } from './steps.ts';
import type { Waiters } from './waiters.ts';
import type { Wakes } from './wakes.ts';

export interface SupplyParts<Connection> {
  readonly holder: Holder;
  readonly driver: Driver<Connection>;
  readonly roster: Roster<Connection>;
  readonly waiters: Waiters<LeasedConnection<Connection>>;
  readonly minimum: Minimum;
  readonly fitness: Fitness;
  readonly chores: Chores;
  readonly wakes: Wakes;
  readonly farewells: Farewells;
  readonly renewer: Renewer<Connection>;
  readonly gate: Gate<Connection>;
  /** A connection is fit to be lent, or to be found unfit. */
  ready(connection: LeasedConnection<Connection>): void;
  opened(connection: LeasedConnection<Connection>): void;
  drop(connection: LeasedConnection<Connection>, reason: CloseReason): void;
}

/** Why a connection cannot be kept; `unasked`: it can, but nobody could ask it. */
type Verdict = CloseReason | 'unasked' | undefined;

/** Brings connections to those who wait: opens new ones under new leases, and asks about those whose protection has lapsed. */
export class Supply<Connection> {
  /** Connections on their way. */
  count = 0;
  readonly hindrance: Hindrance;
  readonly #parts: SupplyParts<Connection>;
  /** Those on their way that may still be called off: nothing is being opened for them. */
  readonly #callable = new Set<AbortController>();

  constructor(parts: SupplyParts<Connection>) {
    this.#parts = parts;
    this.hindrance = new Hindrance(parts.holder.clock);
  }

  /** Calls off up to `surplus` of the latest asks. */
  callOff(surplus: number): void {
    for (const ask of [...this.#callable].reverse().slice(0, Math.max(0, surplus))) ask.abort();
  }

  /** Opens one connection; the caller has counted it in `roster.opening`. Never rejects. */
  async open(): Promise<void> {
    const { roster, waiters, minimum } = this.#parts;
    const ask = new AbortController();
    this.count += 1;
    try {
      const connection = await this.#openOne(ask);
      roster.opening -= 1;
      if (connection !== undefined) await this.#begin(connection);
    } catch (error) {
      roster.opening -= 1;
      const failure = asLeasehold(error);
      waiters.rejectAll(failure);
      minimum.fail(failure);
    } finally {
      this.#callable.delete(ask);
      this.count -= 1;
    }
  }

  /** Makes an idle connection fit again: it is `busy` meanwhile. Never rejects. */
  async revive(connection: LeasedConnection<Connection>): Promise<void> {
    await this.#mend(connection, false);
  }

  /** The same for one that nobody has asked for; checked in any case. Undefined: it has answered. */
  examine(connection: LeasedConnection<Connection>): Promise<Verdict> {
    return this.#mend(connection, true);
  }

  async #mend(connection: LeasedConnection<Connection>, isCheck: boolean): Promise<Verdict> {
    const { roster, chores } = this.#parts;
    roster.move(connection, 'busy');
    this.count += 1;
    let unfit: Verdict;
    try {
      unfit = await this.#whyUnfit(connection, isCheck);
      // Nobody in the fleet gets anything before that is done; a borrower might keep the connection for long.
      if (unfit === undefined && chores.isUrgent) await chores.work(connection.driver, connection.lease);
    } finally {
      this.count -= 1;
    }
    this.#judge(connection, unfit);
    return unfit;
  }

  #judge(connection: LeasedConnection<Connection>, unfit: Verdict): void {
    if (unfit === undefined || unfit === 'unasked') this.#parts.ready(connection);
    else this.#parts.drop(connection, unfit);
  }

  async #openOne(ask: AbortController): Promise<LeasedConnection<Connection> | undefined> {
    const { holder, driver, waiters, minimum, chores, farewells, wakes } = this.#parts;
    const { clock, events } = holder;
    const since = clock.read();
    const patience = this.#patience(ask.signal);
    for (let failures = 1; ; failures += 1) {
      this.#callable.add(ask);
      const askedAt = clock.read();
      const answer = await new LeaseRequest(holder, farewells, wakes, patience).run();
      if (answer === undefined) return undefined;
      const { lease, reply, sentAt } = answer;
      events.emit('leaseGranted', { waitMs: clock.elapsedMs(askedAt), isProbe: lease.isProbe });
      chores.take(reply, sentAt);
      patience.note(reply.connectAfterMs > 0 ? "the database's connect rate" : 'the database');
      let connection: LeasedConnection<Connection> | undefined;
      const gate: StatementGate = () => this.#parts.gate.pass(connection);
      const starting = (): void => void this.#callable.delete(ask);
      const opened = await openUnder(holder, driver, answer, { gate, signal: ask.signal, starting });
      if (opened.kind === 'open') {
        const lifetimeMs = lifetimeOf(holder.config.maxLifetimeMs, holder.random.fraction());
        connection = new LeasedConnection(lease, opened.driver, clock.read(), lifetimeMs);
        return connection;
      }
      if (opened.isReleasable) farewells.release(lease, opened.outcome);
      else farewells.abandon(lease, opened.outcome);
      if (ask.signal.aborted) return undefined;
      const error = opened.error ?? tooSlow(holder.config.connectTimeoutMs);
      if (!holder.config.retryConnects) {
        waiters.rejectFirst(error);
        minimum.fail(error);
        return undefined;
      }
      if (!error.retryable) throw error;
      patience.note('the database', error);
      const delayMs = failureDelayMs(failures, holder.random.fraction());
      const elapsedMs = clock.elapsedMs(since);
      events.emit('retry', {
        operation: 'connect',
        attempt: failures,
        delayMs,
        elapsedMs,
        reason: error.message,
      });
      this.#giveUpEarly(delayMs, error);
      this.#callable.add(ask);
      await sleep(clock, delayMs, ask.signal);
    }
  }

  /** Who would give up before the next attempt hears so now, unless somebody may still give a connection back. */
  #giveUpEarly(delayMs: number, error: LeaseholdError): void {
    const { roster, waiters } = this.#parts;
    if (this.count === 1 && roster.count('lent') === 0) waiters.rejectBefore(delayMs, error);
  }

  /** The same where the registry grants nothing to anybody: then nothing comes but what is already being opened, or is lent. */
  #refuseEarly(ms: number, error: LeaseholdError): void {
    const { roster, waiters } = this.#parts;
    if (this.count === this.#callable.size && roster.count('lent') === 0) waiters.rejectBefore(ms, error);
  }

  /** First steps of a new connection: tell the registry whose session it is, and do the duties it was granted for. */
  async #begin(connection: LeasedConnection<Connection>): Promise<void> {
    const { roster, renewer, chores } = this.#parts;
    this.hindrance.note('a connection of this process');
    roster.add(connection);
    this.#parts.opened(connection);
    void renewer.renew(connection);
    if (!chores.isEmpty) await chores.work(connection.driver, connection.lease);
    this.#judge(connection, await this.#whyUnfit(connection, false));
  }

  async #whyUnfit(connection: LeasedConnection<Connection>, isCheck: boolean): Promise<Verdict> {
    const { holder, fitness } = this.#parts;
    const { clock, config } = holder;
    const { driver } = connection;
    const over = fitness.whyOver(connection, clock.read());
    if (over !== undefined) return over;
    // Only under protection: an answer would keep the session alive beyond what the registry counts on.
    if (!(await this.#protect(connection))) return fitness.whyOver(connection, clock.read()) ?? 'unasked';
    if (!isCheck && !fitness.needsCheck(connection, clock.read())) return undefined;
    if (!(await checkStep(driver, config.operationTimeoutMs))) return 'broken';
    connection.answeredAt = clock.read();
    connection.isUnsure = false;
    return undefined;
  }

  /** Asks for protection until it is given or refused; false also when nobody waits any more. */
  async #protect(connection: LeasedConnection<Connection>): Promise<boolean> {
    const { holder, renewer, waiters } = this.#parts;
    const { lease } = connection;
    const isProtected = (): boolean => lease.isUsable(holder.config.dangerMarginMs);
    for (let failures = 1; !isProtected(); failures += 1) {
      // An answer that was already on its way may be older than the lapse: then it is asked once more at once.
      if ((await renewer.renew(connection)) === 'held' && !isProtected()) await renewer.renew(connection);
      if (isProtected()) return true;
      if (lease.loss !== undefined || waiters.length === 0) return false;
      const trouble = new LeaseholdError(
        'REGISTRY_UNREACHABLE',
        'The lease registry did not prolong a lease.',
      );
      this.hindrance.note('the lease registry', trouble);
      await sleep(holder.clock, registryDelayMs(failures, holder.random.fraction()));
    }
    return true;
  }

  #patience(signal: AbortSignal): Patience {
    return {
      signal,
      remainingMs: () => {
        const { waiters, minimum } = this.#parts;
        return Math.max(waiters.longestRemainingMs, minimum.longestRemainingMs);
      },
      giveUpBefore: (ms, error) => this.#refuseEarly(ms, error),
      note: (step, trouble, fleet) => this.hindrance.note(step, trouble, fleet),
    };
  }
}

const asLeasehold = (error: unknown): LeaseholdError =>
  isLeaseholdError(error)
    ? error
    : new LeaseholdError('CONNECT_FAILED', 'The driver failed.', { cause: error });

/** The registry's protection left no time for a connect. */
const tooSlow = (connectTimeoutMs: number): LeaseholdError =>
  new LeaseholdError(
    'REGISTRY_UNREACHABLE',
    `The lease arrived with less protection left than a connect may take (connectTimeoutMs ${connectTimeoutMs}).`,
  );
