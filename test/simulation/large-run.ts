import type { Violation } from './court.ts';
import { Day, dayPlan } from './day.ts';
import type { Tally } from './environment.ts';
import { scheduleFaults } from './faults.ts';
import { Histogram } from './histogram.ts';
import { World } from './world.ts';

/** The fleet at one moment, for the picture. */
export interface Sample {
  readonly atMs: number;
  readonly waiting: number;
  readonly leases: number;
  readonly sessions: number;
  readonly arrivalsPerSecond: number;
  /** Of those served since the sample before. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface LargeResult {
  readonly seed: number;
  readonly environments: number;
  readonly environmentsStarted: number;
  readonly capacity: number;
  readonly virtualSeconds: number;
  readonly invocations: number;
  readonly served: number;
  readonly throttled: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly waitP50Ms: number;
  readonly waitP99Ms: number;
  readonly waitMaxMs: number;
  readonly registryOperationsPerInvocation: number;
  readonly grants: number;
  readonly revocations: number;
  readonly peakSessions: number;
  readonly peakWaiting: number;
  readonly lawsChecked: Readonly<Record<string, number>>;
  readonly violation: Violation | undefined;
  readonly excused: Readonly<Record<string, number>>;
  readonly steps: number;
  readonly samples: readonly Sample[];
}

export interface Progress {
  readonly virtualMs: number;
  readonly steps: number;
  readonly waiting: number;
  readonly sessions: number;
}

const SAMPLES = 240;
/** What is under way when the load ends may end. */
const TAIL_MS = 2_000;

/** One large fleet, from the first invocation of its day to the last. */
export class LargeRun {
  readonly #world: World;
  readonly #day: Day;
  readonly #environments: number;
  readonly #all = new Histogram();
  readonly #lately = new Histogram();
  readonly #failures: Record<string, number> = {};
  readonly #samples: Sample[] = [];
  #waiting = 0;
  #peakWaiting = 0;

  constructor(given: {
    readonly seed: number;
    readonly environments: number;
    readonly capacity: number;
    readonly seconds: number;
  }) {
    const { seed, environments, capacity, seconds } = given;
    this.#environments = environments;
    this.#world = new World(dayPlan(seed, capacity, seconds), { tally: this.#tally, isSmall: false });
    this.#day = new Day(this.#world, environments);
  }

  async run(tell: (progress: Progress) => void): Promise<LargeResult> {
    const world = this.#world;
    const { timeline, plan } = world;
    await world.open();
    scheduleFaults(world);
    this.#day.begin();
    for (let at = 1; at <= SAMPLES && !timeline.isOver(); at += 1) {
      await timeline.runUntil((plan.loadMs * at) / SAMPLES);
      this.#sample();
      const { nowMs: virtualMs, steps } = timeline;
      tell({ virtualMs, steps, waiting: this.#waiting, sessions: world.database.backends.size });
    }
    if (!timeline.isOver()) await timeline.runUntil(plan.loadMs + TAIL_MS);
    return this.#result();
  }

  get #tally(): Tally {
    return {
      waiting: (change) => {
        this.#waiting += change;
        this.#peakWaiting = Math.max(this.#peakWaiting, this.#waiting);
      },
      served: (waitMs) => {
        this.#all.add(waitMs);
        this.#lately.add(waitMs);
      },
      failed: (code) => {
        this.#failures[code] = (this.#failures[code] ?? 0) + 1;
      },
    };
  }

  #sample(): void {
    const { timeline, ledger, database } = this.#world;
    this.#samples.push({
      atMs: timeline.nowMs,
      waiting: this.#waiting,
      leases: ledger.leases.size,
      sessions: database.backends.size,
      arrivalsPerSecond: Math.round(1_000 * this.#day.rate(timeline.nowMs)),
      p50Ms: this.#lately.quantile(0.5),
      p99Ms: this.#lately.quantile(0.99),
    });
    this.#lately.clear();
  }

  #result(): LargeResult {
    const { court, ledger, database, databaseLaws, registry, timeline, plan } = this.#world;
    const all = this.#all;
    return {
      seed: plan.seed,
      environments: this.#environments,
      environmentsStarted: this.#day.started,
      capacity: ledger.settings.capacity,
      virtualSeconds: plan.loadMs / 1_000,
      invocations: this.#day.invocations,
      served: all.count,
      throttled: this.#day.throttled,
      failures: this.#failures,
      waitP50Ms: all.quantile(0.5),
      waitP99Ms: all.quantile(0.99),
      waitMaxMs: all.maxMs,
      registryOperationsPerInvocation: registry.operations / Math.max(1, all.count),
      grants: ledger.grants,
      revocations: ledger.revocations,
      peakSessions: Math.max(databaseLaws.peak, database.backends.size),
      peakWaiting: this.#peakWaiting,
      lawsChecked: Object.fromEntries(court.looks),
      violation: court.violation,
      excused: Object.fromEntries(databaseLaws.excused),
      steps: timeline.steps,
      samples: this.#samples,
    };
  }
}
