import { LIMITS } from '../../lib/core/limits.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import type { Violation } from './court.ts';
import type { Environment, Tally, Work } from './environment.ts';
import { freezeAtAnyStep, scheduleFaults } from './faults.ts';
import { planOf, type SmallPlan } from './plan.ts';
import { World } from './world.ts';

export interface RunResult {
  readonly seed: number;
  readonly violation: Violation | undefined;
  readonly digest: number;
  readonly steps: number;
  readonly virtualMs: number;
  readonly served: number;
  readonly failed: number;
  readonly looks: ReadonlyMap<string, number>;
  readonly excused: ReadonlyMap<string, number>;
  readonly revocations: number;
  /** The longest that anybody waited, and that a slot stayed lost, after all faults had ended. */
  readonly calmWaitMs: number;
  readonly calmLostMs: number;
  trace(lines: number): string;
}

/** The longest pause of the failure backoff that the planned outages can lead to, and the longest between two probes. */
const BACKOFF_MS = 10_000;
const PROBE_MS = 8_000;
/** Connects that everybody's turn may take, with what has failed before. */
const CONNECTS = 40;
const SETTLE_MS = 100;
const ROUND_MS = 250;
const NEWCOMER = 0.2;
const LONG_FACTOR = 1.5;
const CLOSE_MS = 10_000;

/** Runs one seed: load with faults, then calm, in which everybody must be served and every slot come back. */
export const runSeed = async (seed: number, plan: SmallPlan = planOf(seed)): Promise<RunResult> => {
  const run = new FleetRun(plan);
  await run.run();
  return run.result;
};

class FleetRun {
  readonly #plan: SmallPlan;
  readonly #world: World;
  readonly #random: SeededRandom;
  #served = 0;
  #failed = 0;
  #calmWaitMs = 0;
  #calmLostMs = 0;
  #isLoaded = true;

  constructor(plan: SmallPlan) {
    this.#plan = plan;
    const tally: Tally = {
      waiting: () => undefined,
      served: () => {
        this.#served += 1;
      },
      failed: () => {
        this.#failed += 1;
      },
    };
    this.#world = new World(plan, { tally, isSmall: true });
    this.#random = this.#world.random;
  }

  get result(): RunResult {
    const { court, timeline, trace, databaseLaws, ledger } = this.#world;
    return {
      seed: this.#plan.seed,
      violation: court.violation,
      digest: trace.digest,
      steps: timeline.steps,
      virtualMs: timeline.nowMs,
      served: this.#served,
      failed: this.#failed,
      looks: court.looks,
      excused: databaseLaws.excused,
      revocations: ledger.revocations,
      calmWaitMs: this.#calmWaitMs,
      calmLostMs: this.#calmLostMs,
      trace: (lines) => trace.last(lines),
    };
  }

  async run(): Promise<void> {
    const world = this.#world;
    const { environments, loadMs } = this.#plan;
    await world.open();
    world.whenReplaced = (delayMs) => void world.timeline.after(delayMs, () => this.#begin());
    for (let at = 0; at < environments; at += 1) this.#begin();
    scheduleFaults(world);
    await world.timeline.runUntil(loadMs);
    this.#isLoaded = false;
    const phases = [
      () => this.#everybodyIsServed(),
      () => this.#everySlotComesBack(),
      () => this.#everyPoolCloses(),
    ];
    if (!world.timeline.isOver()) world.calm();
    // What had failed before is heard now.
    await world.timeline.runUntil(world.timeline.nowMs + SETTLE_MS);
    for (const phase of phases) {
      // After a broken law the trace shall end with it.
      if (world.timeline.isOver()) return;
      await phase();
    }
  }

  /** A new environment, with invocations until the load ends. */
  #begin(): void {
    if (!this.#isLoaded) return;
    const environment = this.#world.addEnvironment();
    freezeAtAnyStep(this.#world, environment.machine);
    environment.whenDone = () => this.#pause(environment);
    this.#next(environment);
  }

  #next(environment: Environment): void {
    const delayMs = -Math.log(1 - this.#random.fraction()) * this.#plan.pauseMs;
    this.#world.timeline.after(delayMs, () => {
      if (!this.#isLoaded || environment.machine.isGone) return;
      this.#arrive(environment);
      this.#next(environment);
    });
  }

  /** The platform brings an invocation: to a frozen environment it is the first thing it sees, or among the first. */
  #arrive(environment: Environment): void {
    const { machine } = environment;
    const isBusy =
      environment.active >= this.#plan.concurrency || (machine.isFrozen && environment.active > 0);
    if (isBusy) return;
    machine.thaw();
    const start = (): void => machine.receive(() => void environment.invoke(this.#work()));
    if (this.#random.chance(0.5)) start();
    else this.#world.timeline.after(0, start);
  }

  #pause({ machine, active }: Environment): void {
    if (!this.#isLoaded || !this.#plan.freezesBetween || active > 0) return;
    machine.freeze(this.#plan.faults.doesMonotonicStop && this.#random.chance(0.5));
  }

  #work(): Work {
    const { workMs, longWork } = this.#plan;
    const count = this.#random.whole(1, 3);
    const statements = Array.from({ length: count }, () => workMs * 2 * this.#random.fraction());
    if (this.#random.chance(longWork)) statements.push(this.#longestMs * this.#random.fraction());
    const thinkMs = this.#random.chance(0.2) ? workMs : 0;
    return { statements, thinkMs, isTransaction: this.#random.chance(0.3) };
  }

  get #longestMs(): number {
    const { protectMs, idleMs } = this.#world.settings;
    return LONG_FACTOR * (protectMs + idleMs);
  }

  /** What a dead holder, a forgetful registry and the failures of a bad time can cost together, at most. */
  get #boundMs(): number {
    const { protectMs, idleMs, connectBoundMs, dutyMs, connectsPerSecond } = this.#world.settings;
    const timesMs = 2 * (protectMs + idleMs + connectBoundMs + dutyMs) + this.#longestMs;
    const spacedMs = connectsPerSecond > 0 ? (CONNECTS * 1_000) / connectsPerSecond : 0;
    // A refused login may be what a breaker that has opened several times hears last.
    const lockedMs = this.#plan.faults.lockouts > 0 ? LIMITS.breakerAuthMaxMs : 0;
    return timesMs + spacedMs + BACKOFF_MS + PROBE_MS + lockedMs;
  }

  async #everybodyIsServed(): Promise<void> {
    const { timeline, court, living } = await this.#newcomer();
    const since = timeline.nowMs;
    const boundMs = this.#boundMs;
    let left = living.length;
    for (const environment of living) {
      void environment.invoke({ ...SHORT_WORK, timeoutMs: boundMs }).then((isServed) => {
        court.judge(
          'served',
          isServed,
          () => `nobody served ${environment.machine.name} within ${boundMs} ms`,
        );
        left -= 1;
      });
    }
    while (left > 0 && !timeline.isOver() && timeline.nowMs < since + 2 * boundMs) await this.#round();
    court.judge(
      'served',
      left === 0 || court.violation !== undefined,
      () => `${left} callers were never answered`,
    );
    this.#calmWaitMs = timeline.nowMs - since;
  }

  /** A pause can come back from a holder that has not heard of its end: the operator sees to it. */
  async #round(): Promise<void> {
    const { timeline, ledger } = this.#world;
    if (ledger.control !== 'open') void this.#world.operate({ kind: 'resume' });
    await timeline.runUntil(timeline.nowMs + ROUND_MS);
  }

  /** The witness that was never part of any trouble. */
  async #newcomer(): Promise<World> {
    this.#world.addEnvironment();
    return this.#world;
  }

  /** While somebody comes by now and then, what nobody has any more is found. */
  async #everySlotComesBack(): Promise<void> {
    const world = this.#world;
    const { timeline, court } = world;
    const since = timeline.nowMs;
    const boundMs = this.#boundMs;
    const isMatched = (): boolean =>
      world.unmatched.leases.length === 0 && world.ledger.leases.size <= world.ledger.settings.capacity;
    while (!isMatched() && !timeline.isOver() && timeline.nowMs < since + boundMs) {
      // What was bound to a server that is no more is settled only under a lease that was granted later.
      const isNew = this.#random.chance(NEWCOMER);
      const environment = isNew ? world.addEnvironment() : this.#random.pick(world.living);
      if (environment.active === 0) void environment.invoke(SHORT_WORK);
      await this.#round();
    }
    this.#calmLostMs = timeline.nowMs - since;
    if (timeline.isOver()) return;
    court.judge('slots', isMatched(), () => `counted without a session: ${world.unmatched.leases.join(' ')}`);
    const { leases, settings } = world.ledger;
    court.judge(
      'debt',
      leases.size <= settings.capacity,
      () => `${leases.size} still count where ${settings.capacity} may`,
    );
  }

  async #everyPoolCloses(): Promise<void> {
    const { timeline, court, living } = this.#world;
    let left = 0;
    for (const environment of living) {
      if (!environment.isUsed) continue;
      left += 1;
      void environment.pool.close().then(() => {
        left -= 1;
      });
    }
    if (!timeline.isOver()) await timeline.runUntil(timeline.nowMs + CLOSE_MS);
    if (!timeline.isOver()) court.judge('close', left === 0, () => `${left} pools did not close`);
  }
}

const SHORT_WORK: Work = { statements: [1], thinkMs: 0, isTransaction: false };
