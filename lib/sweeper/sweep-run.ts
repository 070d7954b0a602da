import { sleep } from '../core/clock.ts';
import { isLeaseholdError, LeaseholdError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { Election } from '../core/operation.ts';
import type { Driver } from '../driver/driver.ts';
import { Chores } from '../pool/chores.ts';
import type { Holder } from '../pool/holder.ts';
import type { SweepReply } from '../registry/registry.ts';
import { type CapacitySeen, type FollowCapacity, watchCapacity } from './capacity.ts';
import { type Lookout, openControl, openLeased } from './lookout.ts';
import { isReason, NO_REASONS, reasonsIn } from './reasons.ts';
import { type SessionsSeen, survey } from './survey.ts';
import type { SweepDone } from './sweep-report.ts';
import { isTimeout, withPatience } from './waiting.ts';

export interface SweepParts {
  /** Of this one sweep; the registry elects by it. */
  readonly name: string;
  readonly driver: Driver<unknown> | undefined;
  readonly control: Driver<unknown> | undefined;
  readonly checkCapacity: boolean;
  readonly followCapacity: FollowCapacity | undefined;
  readonly lookEveryMs: number;
  readonly maxRounds: number;
  remainingMs(): number;
}

/** Duties taken over in one round: few enough to be ended, looked for and settled within `dutyMs`. */
const DUTIES_PER_ROUND = 20;
/** Between two looks for sessions that were told to end and are still there. */
const AGAIN_MS = 50;
/** A sweeper that died is followed so long after the end of its time, in ms. */
const ELECTED_LONGER_MS = 5_000;
/** How long the sweeper waits, in ms, for the lease by which it tries a database behind an open breaker. */
const TRIAL_MS = 5_000;

/** One sweep: expire, then end and settle what is revoking, and compare registry and database, within its limits. */
export class SweepRun {
  readonly #holder: Holder;
  readonly #parts: SweepParts;
  readonly #chores: Chores;
  #isElected = false;
  #lookedThrough: SweepDone['lookedThrough'] = 'none';
  #health: SweepDone['health'] = 'unknown';
  #expired = 0;
  #settled = 0;
  #kept = 0;
  #denied = 0;
  #seen: SessionsSeen | undefined;
  #adopted = 0;
  #vacated = 0;
  #capacity: CapacitySeen | undefined;
  #trouble: LeaseholdError | undefined;
  #rounds = 0;
  #reasons = NO_REASONS;

  constructor(holder: Holder, parts: SweepParts) {
    this.#holder = holder;
    this.#parts = parts;
    // Whatever falls due, the next round sees it.
    this.#chores = new Chores(holder, () => undefined);
  }

  async run(): Promise<SweepDone> {
    const subscriptions = this.#count();
    try {
      await this.#sweepAll();
    } finally {
      this.#chores.stop();
      for (const subscription of subscriptions) subscription[Symbol.dispose]();
    }
    return {
      isElected: this.#isElected,
      lookedThrough: this.#lookedThrough,
      health: this.#health,
      expired: this.#expired,
      settled: this.#settled,
      kept: this.#kept,
      denied: this.#denied,
      census: this.#seen,
      adopted: this.#adopted,
      vacated: this.#vacated,
      capacity: this.#capacity,
      trouble: this.#trouble,
    };
  }

  /** If the word is lost, the next one waits until this one's time is over. */
  async #retire(): Promise<void> {
    const { registry, config, events } = this.#holder;
    const word = { kind: 'retire', sweeper: this.#parts.name, looked: this.#seen !== undefined } as const;
    await registry
      .operate(config.resource, word)
      .catch((error: unknown) => events.emit('registryFailed', { operation: 'retire', error }));
  }

  async #sweepAll(): Promise<void> {
    const revoking = await this.#expire();
    if (!this.#isElected) return;
    try {
      await this.#inspect();
      if (revoking > 0 || this.#hasWork) await this.#clear();
    } catch (error) {
      this.#onTrouble(error);
    } finally {
      await this.#retire();
    }
  }

  #count(): Disposable[] {
    const { events } = this.#holder;
    return [
      events.on('dutyDone', ({ settled, kept }) => {
        this.#settled += settled;
        this.#kept += kept;
      }),
      events.on('dutyDenied', () => {
        this.#denied += 1;
      }),
      events.on('censusDone', (seen) => {
        this.#seen = seen;
      }),
      events.on('censusFailed', ({ error }) => this.#onTrouble(error)),
      events.on('registryFailed', ({ error }) => this.#onTrouble(error)),
    ];
  }

  /** How many leases are revoking when all whose time is up have been moved there. The first step is the election. */
  async #expire(): Promise<number> {
    const forMs = Math.ceil(this.#parts.remainingMs()) + ELECTED_LONGER_MS;
    let reply = await this.#sweep(0, { sweeper: this.#parts.name, forMs });
    this.#isElected = reply.isElected;
    while (this.#isElected && reply.expired >= LIMITS.pageMax && this.#mayGoOn())
      reply = await this.#sweep(0);
    return reply.revoking;
  }

  async #clear(): Promise<void> {
    const lookout = await this.#openLookout().catch((error: unknown) => this.#onUnhealthy(error));
    if (lookout === undefined) return;
    this.#health = 'healthy';
    this.#lookedThrough = lookout.lease === undefined ? 'control' : 'lease';
    try {
      if (lookout.lease === undefined) await this.#tryLeasedRole();
      while (this.#mayGoOn() && (await this.#round(lookout)));
      if (this.#seen === undefined && (await lookout.keep())) await this.#survey(lookout);
      // What the survey has found is ended at once.
      while (this.#vacated > 0 && this.#mayGoOn() && (await this.#round(lookout)));
      if (this.#parts.checkCapacity && (await lookout.keep()))
        this.#capacity = await watchCapacity(this.#holder, lookout.connection, this.#parts.followCapacity);
    } finally {
      await lookout.leave();
    }
  }

  async #openLookout(): Promise<Lookout | undefined> {
    const { driver, control } = this.#parts;
    if (control !== undefined) {
      // What others are at, or cannot be proven yet, is no reason to go to the database.
      await this.#takeChores();
      return this.#hasWork ? openControl(this.#holder, control) : undefined;
    }
    if (driver === undefined) return undefined;
    // Its duties must be free for the grant itself: an overlap is granted for taking one over.
    return this.#openLeased(driver);
  }

  /** An administrator's login says nothing of the leased role's: that is tried by a lease, as everybody tries it. */
  async #tryLeasedRole(): Promise<void> {
    const { driver } = this.#parts;
    if (driver === undefined || !this.#reasons.isToTry) return;
    const lookout = await this.#openLeased(driver, TRIAL_MS).catch((error: unknown) =>
      // Others are at it.
      isTimeout(error) ? undefined : this.#onUnhealthy(error),
    );
    if (lookout === undefined) return;
    await lookout.keep();
    await lookout.leave();
  }

  #onUnhealthy(error: unknown): undefined {
    this.#onTrouble(error);
    if (this.#trouble?.code === 'CONNECT_FAILED') this.#health = 'failing';
    return undefined;
  }

  async #inspect(): Promise<void> {
    const { registry, config } = this.#holder;
    this.#reasons = reasonsIn(await registry.inspect(config.resource), this.#parts);
  }

  async #survey({ connection }: Lookout): Promise<void> {
    const seen = await survey(this.#holder, connection);
    if (seen === undefined) return;
    const { adopted, vacated, ...census } = seen;
    this.#seen = census;
    this.#adopted = adopted;
    this.#vacated = vacated;
  }

  /** False when nothing is left that could be done now. */
  async #round(lookout: Lookout): Promise<boolean> {
    if (!(await lookout.keep())) return false;
    const wasLeftOver = !this.#chores.isEmpty;
    await this.#takeChores();
    if (this.#chores.isEmpty) return false;
    await this.#chores.work(lookout.connection, lookout.lease);
    if (wasLeftOver && !this.#chores.isEmpty) await sleep(this.#holder.clock, AGAIN_MS);
    return true;
  }

  get #hasWork(): boolean {
    return !this.#chores.isEmpty || isReason(this.#reasons);
  }

  async #takeChores(): Promise<void> {
    await this.#sweep(DUTIES_PER_ROUND);
  }

  async #sweep(duties: number, election?: Election): Promise<SweepReply> {
    const { registry, config, clock } = this.#holder;
    const sentAt = clock.read();
    const reply = await registry.sweep(config.resource, duties, election);
    this.#expired += reply.expired;
    this.#chores.take(reply, sentAt);
    return reply;
  }

  #mayGoOn(): boolean {
    this.#rounds += 1;
    return this.#rounds <= this.#parts.maxRounds && this.#parts.remainingMs() > 0;
  }

  /** Asks for a lease like everyone, and opens what it stands for. */
  #openLeased(driver: Driver<unknown>, forMs = Number.POSITIVE_INFINITY): Promise<Lookout> {
    const { clock } = this.#holder;
    const since = clock.read();
    const remainingMs = (): number =>
      Math.max(0, Math.min(this.#parts.remainingMs(), forMs - clock.elapsedMs(since)));
    return withPatience({ clock, remainingMs }, (patience) =>
      openLeased(this.#holder, driver, this.#chores, patience),
    );
  }

  #onTrouble(error: unknown): void {
    this.#trouble = isLeaseholdError(error)
      ? error
      : new LeaseholdError('CONNECTION_LOST', 'The sweep was cut short.', { cause: error });
  }
}
