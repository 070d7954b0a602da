import { isLeaseholdError } from '../../lib/core/errors.ts';
import type { Random } from '../../lib/core/random.ts';
import { createPool, type Pool } from '../../lib/index.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import type { Court } from './court.ts';
import type { Database } from './database.ts';
import { simDriver } from './driver.ts';
import type { Machine } from './machine.ts';
import type { PlannedGroup, PoolNumbers } from './plan.ts';
import type { SimClient } from './session.ts';
import type { Trace } from './trace.ts';

/** What one invocation does with its connection. */
export interface Work {
  /** Each statement, in ms. */
  readonly statements: readonly number[];
  /** Between two statements, in ms. */
  readonly thinkMs: number;
  readonly isTransaction: boolean;
  /** Undefined: the pool's own default. */
  readonly timeoutMs?: number;
}

/** What became of the invocations of a fleet. */
export interface Tally {
  waiting(change: 1 | -1): void;
  served(waitMs: number): void;
  failed(code: string): void;
}

export interface EnvironmentParts {
  readonly machine: Machine;
  readonly registry: Registry;
  readonly database: Database;
  readonly numbers: PoolNumbers;
  readonly group: PlannedGroup;
  readonly court: Court;
  readonly trace: Trace;
  readonly tally: Tally;
  readonly seed: number;
}

export const RESOURCE = 'orders';
const END_BUDGET_MS = 1_000;
/** A caller hears within this after its deadline. */
const PROMPT_MS = 20;
const FROZEN_LOOK_MS = 100;

/** One execution environment: a machine with the real pool on it, made at the first invocation. */
export class Environment {
  readonly machine: Machine;
  /** Invocations that run here now. */
  active = 0;
  /** Called when an invocation has ended here. */
  whenDone: (() => void) | undefined;
  readonly #parts: EnvironmentParts;
  #pool: Pool<SimClient> | undefined;

  constructor(parts: EnvironmentParts) {
    this.#parts = parts;
    this.machine = parts.machine;
  }

  get pool(): Pool<SimClient> {
    this.#pool ??= this.#makePool();
    return this.#pool;
  }

  get isUsed(): boolean {
    return this.#pool !== undefined;
  }

  /** Runs one invocation; true if it was served. Never rejects. */
  async invoke(work: Work): Promise<boolean> {
    const { tally, trace } = this.#parts;
    this.active += 1;
    const invocation = this.pool.beginInvocation();
    const wait = this.#watch(work.timeoutMs ?? this.pool.config.acquireTimeoutMs);
    let isServed = false;
    try {
      await this.pool.use(
        (client) => {
          isServed = true;
          tally.served(wait.end());
          return this.#work(client, work);
        },
        work.timeoutMs === undefined ? undefined : { timeoutMs: work.timeoutMs },
      );
    } catch (error) {
      const code = isLeaseholdError(error) ? error.code : String(error);
      trace.add(this.machine.timeline.nowMs, this.machine.name, `invocation fails: ${code}`);
      tally.failed(isServed ? `${code} in use` : code);
    }
    wait.end();
    await invocation.end(END_BUDGET_MS);
    this.active -= 1;
    this.whenDone?.();
    return isServed;
  }

  async #work(client: SimClient, { statements, thinkMs, isTransaction }: Work): Promise<void> {
    if (isTransaction) await client.begin();
    for (const ms of statements) {
      await client.run(ms);
      if (thinkMs > 0) await new Promise<void>((resolve) => this.machine.setTimer(thinkMs, resolve));
    }
    if (isTransaction) await client.commit();
  }

  /** Every caller hears by its deadline, on the clock of a machine that runs. */
  #watch(timeoutMs: number): { end(): number } {
    const { machine, court, tally } = this.#parts;
    const { timeline } = machine;
    const [sinceMs, sinceMonotonicMs] = [timeline.nowMs, machine.monotonicMs];
    let waitMs: number | undefined;
    tally.waiting(1);
    const look = (): void => {
      if (machine.isGone) {
        tally.waiting(-1);
        return;
      }
      if (machine.isFrozen || timeline.nowMs - machine.thawedAtMs < PROMPT_MS) {
        check = timeline.after(FROZEN_LOOK_MS, look);
        return;
      }
      const overMs = machine.monotonicMs - sinceMonotonicMs - timeoutMs;
      court.judge(
        'deadline',
        overMs < PROMPT_MS,
        () => `a caller on ${machine.name} waits ${overMs} ms after its deadline`,
      );
      if (overMs < 0) check = timeline.after(-overMs / machine.rate + PROMPT_MS / 2, look);
    };
    let check = timeline.after(timeoutMs / machine.rate + PROMPT_MS / 2, look);
    return {
      end: () => {
        check.cancel();
        if (waitMs === undefined) tally.waiting(-1);
        waitMs ??= timeline.nowMs - sinceMs;
        return waitMs;
      },
    };
  }

  #makePool(): Pool<SimClient> {
    const { machine, registry, database, numbers, group, trace, seed } = this.#parts;
    const pool = createPool({
      resource: RESOURCE,
      ...numbers,
      group: group.name,
      share: group.share,
      registry,
      driver: simDriver(database, machine),
      clock: machine,
      random: randomOf(machine.name, new SeededRandom(seed)),
    });
    if (trace.isKept)
      pool.events.onAny((name, event) => {
        if (TOLD.has(name)) trace.add(machine.timeline.nowMs, machine.name, name, event);
      });
    return pool;
  }
}

const TOLD: ReadonlySet<string> = new Set([
  'leaseLost',
  'connectionOpened',
  'connectionFailed',
  'connectionClosed',
  'dutyDone',
  'dutyDenied',
]);

const ID_LENGTH = 16;

/** Ids that say where they come from: a trace is read by people. */
export const randomOf = (name: string, random: SeededRandom): Random => {
  let ids = 0;
  return {
    fraction: () => random.fraction(),
    id: () => {
      ids += 1;
      return `${name}-`.padEnd(ID_LENGTH - String(ids).length, '0') + ids;
    },
  };
};
