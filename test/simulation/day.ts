import type { SeededRandom } from '../support/seeded-random.ts';
import type { Environment, Work } from './environment.ts';
import { type FaultPlan, NO_FAULTS, ONE_GROUP, type Plan } from './plan.ts';
import type { World } from './world.ts';

/** Part of the capacity that is in use on average. */
const MEAN_LOAD = 0.6;
/** Up and down over the whole run: night and day. */
const DAY_SWING = 0.45;
/** On top, now and then. */
const BURST_LOAD = 0.7;
const BURST_PART = 0.03;
const BURSTS = 4;
const STATEMENT_MS = 50;
const STATEMENTS = 2;
/** A few environments get most of the work, and many get some now and then. */
const SKEW = 3;
const TRIES = 4;
const SLICE_MS = 10;

/** Some of everything that a day brings: lost messages, deaths, long pauses. */
const faultsOf = (seconds: number): FaultPlan => ({
  ...NO_FAULTS,
  network: { dropRequest: 0.0005, dropReply: 0.0005, duplicate: 0.0005, late: 0.001, lateMaxMs: 300 },
  database: { ...NO_FAULTS.database, unseenEnd: 0.02, unseenGone: 0.1, slowLogin: 0.001 },
  crashes: seconds,
  freezes: seconds,
  drift: 0.002,
});

export const dayPlan = (seed: number, capacity: number, seconds: number): Plan => ({
  seed,
  loadMs: seconds * 1_000,
  registryTimeoutMs: 1_000,
  isNew: true,
  numbers: { capacity, max: 1 },
  groups: ONE_GROUP,
  faults: faultsOf(seconds),
});

/** The load of a day on a large fleet. An environment is made when its first invocation comes. */
export class Day {
  invocations = 0;
  /** No environment was free: the platform would have refused. */
  throttled = 0;
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #environments: (Environment | undefined)[];
  readonly #burstsAtMs: readonly number[];

  constructor(world: World, environments: number) {
    this.#world = world;
    this.#random = world.random;
    this.#environments = new Array<Environment | undefined>(environments).fill(undefined);
    const { loadMs } = world.plan;
    this.#burstsAtMs = Array.from({ length: BURSTS }, () => loadMs * (0.05 + 0.85 * this.#random.fraction()));
  }

  get started(): number {
    return this.#environments.filter((environment) => environment !== undefined).length;
  }

  begin(): void {
    this.#slice();
  }

  /** Invocations a ms at this moment. */
  rate(atMs: number): number {
    const { loadMs, numbers } = this.#world.plan;
    const day = 1 + DAY_SWING * Math.sin(2 * Math.PI * (atMs / loadMs - 0.25));
    const isBurst = this.#burstsAtMs.some((from) => atMs >= from && atMs < from + BURST_PART * loadMs);
    const load = MEAN_LOAD * day + (isBurst ? BURST_LOAD : 0);
    return (load * numbers.capacity) / (STATEMENT_MS * STATEMENTS);
  }

  #slice(): void {
    const { timeline, plan } = this.#world;
    const { nowMs } = timeline;
    if (nowMs >= plan.loadMs) return;
    const expected = this.rate(nowMs) * SLICE_MS;
    const count = Math.floor(expected) + (this.#random.chance(expected % 1) ? 1 : 0);
    for (let at = 0; at < count; at += 1)
      timeline.after(SLICE_MS * this.#random.fraction(), () => this.#arrive());
    timeline.after(SLICE_MS, () => this.#slice());
  }

  #arrive(): void {
    this.invocations += 1;
    const environment = this.#free();
    if (environment === undefined) {
      this.throttled += 1;
      return;
    }
    const { machine } = environment;
    machine.thaw();
    machine.receive(() => void environment.invoke(this.#work()));
  }

  #free(): Environment | undefined {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const at = Math.floor(this.#environments.length * this.#random.fraction() ** SKEW);
      const known = this.#environments[at];
      const environment = known === undefined || known.machine.isGone ? this.#make(at) : known;
      if (environment.active === 0) return environment;
    }
    return undefined;
  }

  /** Frozen between its invocations, as Lambda does it. */
  #make(at: number): Environment {
    const environment = this.#world.addEnvironment();
    environment.whenDone = () => {
      if (environment.active === 0) environment.machine.freeze(false);
    };
    this.#environments[at] = environment;
    return environment;
  }

  #work(): Work {
    const statements = Array.from(
      { length: STATEMENTS },
      () => -STATEMENT_MS * Math.log(1 - this.#random.fraction()),
    );
    return { statements, thinkMs: 0, isTransaction: false };
  }
}
