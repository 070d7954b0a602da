import { sleep } from '../core/clock.ts';
import { isLeaseholdError, LeaseholdError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { Driver } from '../driver/driver.ts';
import { Chores } from '../pool/chores.ts';
import type { Holder } from '../pool/holder.ts';
import type { Patience } from '../pool/lease-request.ts';
import type { SweepReply } from '../registry/registry.ts';
import { type CapacitySeen, type FollowCapacity, watchCapacity } from './capacity.ts';
import { type Lookout, openControl, openLeased } from './lookout.ts';
import { type SessionsSeen, survey } from './survey.ts';

export interface SweepParts {
  readonly driver: Driver<unknown> | undefined;
  readonly control: Driver<unknown> | undefined;
  readonly checkCapacity: boolean;
  readonly followCapacity: FollowCapacity | undefined;
  readonly maxRounds: number;
  remainingMs(): number;
}

export interface SweepDone {
  readonly lookedThrough: 'none' | 'lease' | 'control';
  readonly expired: number;
  readonly settled: number;
  readonly kept: number;
  readonly denied: number;
  readonly census: SessionsSeen | undefined;
  readonly adopted: number;
  readonly capacity: CapacitySeen | undefined;
  readonly trouble: LeaseholdError | undefined;
}

/** Duties taken over in one round: few enough to be ended, looked for and settled within `dutyMs`. */
const DUTIES_PER_ROUND = 20;
/** Between two looks for sessions that were told to end and are still there. */
const AGAIN_MS = 50;

/** One sweep: expire, then end and settle what is revoking, within its limits. */
export class SweepRun {
  readonly #holder: Holder;
  readonly #parts: SweepParts;
  readonly #chores: Chores;
  #lookedThrough: SweepDone['lookedThrough'] = 'none';
  #expired = 0;
  #settled = 0;
  #kept = 0;
  #denied = 0;
  #seen: SessionsSeen | undefined;
  #adopted = 0;
  #capacity: CapacitySeen | undefined;
  #trouble: LeaseholdError | undefined;
  #rounds = 0;
  /** Sessions without a lease were there at the last look, and may have gone. */
  #hasForeign = false;
  /** The capacity is to be read, and the fleet has connections: so the database is awake. */
  #isToRead = false;

  constructor(holder: Holder, parts: SweepParts) {
    this.#holder = holder;
    this.#parts = parts;
    // Whatever falls due, the next round sees it.
    this.#chores = new Chores(holder, () => undefined);
  }

  async run(): Promise<SweepDone> {
    const subscriptions = this.#count();
    try {
      const revoking = await this.#expire();
      await this.#inspect();
      if (revoking > 0 || this.#hasWork)
        await this.#clear().catch((error: unknown) => this.#onTrouble(error));
    } finally {
      this.#chores.stop();
      for (const subscription of subscriptions) subscription[Symbol.dispose]();
    }
    return {
      lookedThrough: this.#lookedThrough,
      expired: this.#expired,
      settled: this.#settled,
      kept: this.#kept,
      denied: this.#denied,
      census: this.#seen,
      adopted: this.#adopted,
      capacity: this.#capacity,
      trouble: this.#trouble,
    };
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

  /** How many leases are revoking when all whose time is up have been moved there. */
  async #expire(): Promise<number> {
    for (;;) {
      const { expired, revoking } = await this.#sweep(0);
      if (expired < LIMITS.pageMax || !this.#mayGoOn()) return revoking;
    }
  }

  async #clear(): Promise<void> {
    const lookout = await this.#openLookout();
    if (lookout === undefined) return;
    this.#lookedThrough = lookout.lease === undefined ? 'control' : 'lease';
    try {
      while (this.#mayGoOn() && (await this.#round(lookout)));
      if (this.#seen === undefined && (await lookout.keep())) await this.#survey(lookout);
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
    return this.#withPatience((patience) => openLeased(this.#holder, driver, this.#chores, patience));
  }

  async #inspect(): Promise<void> {
    const { registry, config } = this.#holder;
    const state = await registry.inspect(config.resource);
    this.#hasForeign = state !== undefined && state.foreign > 0;
    this.#isToRead = this.#parts.checkCapacity && state !== undefined && state.held > 0;
  }

  async #survey({ connection }: Lookout): Promise<void> {
    const seen = await survey(this.#holder, connection);
    if (seen === undefined) return;
    const { adopted, ...census } = seen;
    this.#seen = census;
    this.#adopted = adopted;
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
    return !this.#chores.isEmpty || this.#hasForeign || this.#isToRead;
  }

  async #takeChores(): Promise<void> {
    await this.#sweep(DUTIES_PER_ROUND);
  }

  async #sweep(duties: number): Promise<SweepReply> {
    const { registry, config, clock } = this.#holder;
    const sentAt = clock.read();
    const reply = await registry.sweep(config.resource, duties);
    this.#expired += reply.expired;
    this.#chores.take(reply, sentAt);
    return reply;
  }

  #mayGoOn(): boolean {
    this.#rounds += 1;
    return this.#rounds <= this.#parts.maxRounds && this.#parts.remainingMs() > 0;
  }

  async #withPatience<Result>(work: (patience: Patience) => Promise<Result>): Promise<Result | undefined> {
    const bound = new AbortController();
    const timer = this.#holder.clock.setTimer(this.#parts.remainingMs(), () => bound.abort());
    let step = 'the lease registry';
    try {
      const result = await work({
        signal: bound.signal,
        remainingMs: this.#parts.remainingMs,
        note: (what) => {
          step = what;
        },
        giveUpBefore: (ms, error) => {
          if (ms <= this.#parts.remainingMs()) return;
          this.#onTrouble(error);
          bound.abort();
        },
      });
      if (result === undefined) this.#trouble ??= noLease(step);
      return result;
    } finally {
      timer.cancel();
    }
  }

  #onTrouble(error: unknown): void {
    this.#trouble = isLeaseholdError(error)
      ? error
      : new LeaseholdError('CONNECTION_LOST', 'The sweep was cut short.', { cause: error });
  }
}

const noLease = (step: string): LeaseholdError =>
  new LeaseholdError('ACQUIRE_TIMEOUT', `The sweeper got no lease in its time: waiting for ${step}.`, {
    details: { step },
  });
