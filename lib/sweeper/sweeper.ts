import { type Clock, systemClock } from '../core/clock.ts';
import { type ConfigOptions, parseConfig } from '../core/config.ts';
import type { LeaseholdError } from '../core/errors.ts';
import { Events } from '../core/events.ts';
import { LIMITS } from '../core/limits.ts';
import { show } from '../core/problem.ts';
import { type Random, systemRandom } from '../core/random.ts';
import type { ResourceReport } from '../core/report.ts';
import { wholeNumber } from '../core/right.ts';
import type { Driver } from '../driver/driver.ts';
import { Holder } from '../pool/holder.ts';
import type { PoolEvents } from '../pool/pool-events.ts';
import type { Registry } from '../registry/registry.ts';
import { type CapacitySeen, type FollowCapacity, followProblems } from './capacity.ts';
import type { SessionsSeen } from './survey.ts';
import { SweepRun } from './sweep-run.ts';

export type SweeperOptions = ConfigOptions & {
  readonly registry: Registry;
  /** The driver of the leased role: the sweeper then asks for a lease like everyone. */
  readonly driver?: Driver<unknown>;
  /**
   * A driver of an administrator's role OUTSIDE the capacity, which may see and end the leased role's sessions (for
   * PostgreSQL: a member of that role, and the driver's option `role`). It is preferred: it finds a place in a full fleet.
   */
  readonly control?: Driver<unknown>;
  /**
   * Each sweep reads what the database has room for, while the fleet holds connections, and tells where the capacity promises
   * more (`capacityTooHigh`, and in the report). Default: false, or true with `followCapacity`.
   */
  readonly checkCapacity?: boolean;
  /** The resource is resized to what the database has room for, within these bounds. Default: it is not. */
  readonly followCapacity?: FollowCapacity;
  /** Rounds of one sweep, at most. Default: 50. */
  readonly maxRounds?: number;
  /** How long one sweep may take, in ms. Default: 10,000. */
  readonly timeBudgetMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
};

/** Whose connection was used. `none`: the registry knew of nothing to do, and the database was left alone. */
export type LookedThrough = 'none' | 'lease' | 'control';

export interface SweepReport {
  readonly resource: string;
  /** False: the registry has no memory of the resource; nothing can be said. */
  readonly isKnown: boolean;
  readonly lookedThrough: LookedThrough;
  /** Leases whose time was up: they moved to revoking. */
  readonly expired: number;
  /** Revoking leases whose session was proven gone. */
  readonly settled: number;
  /** Looks that proved nothing; the duties are free again. */
  readonly kept: number;
  /** Sessions that this role may not end. */
  readonly denied: number;
  /** What the database's own list has shown, where the sweep had a reason to look. */
  readonly census: SessionsSeen | undefined;
  /** Sessions that a lease's label names and the registry did not know, two looks in a row: they are leases again. */
  readonly adopted: number;
  /** What the database has room for, where it was read. */
  readonly capacity: CapacitySeen | undefined;
  /** What the registry counts after the sweep. */
  readonly held: number;
  readonly protected: number;
  readonly revoking: number;
  readonly waiters: number;
  /** Connections above the capacity. */
  readonly debt: number;
  /** Sessions that the last census saw and no lease accounts for: they reduce the capacity. */
  readonly foreign: number;
  readonly learningMs: number;
  readonly elapsedMs: number;
  /** Why not everything could be done. */
  readonly trouble: LeaseholdError | undefined;
}

export interface Sweeper {
  readonly events: Events<PoolEvents>;
  /** One sweep. Rejects only where the registry gives no answer at all; everything else is in the report. */
  sweep(limits?: { readonly timeBudgetMs?: number }): Promise<SweepReport>;
}

const DEFAULT_ROUNDS = 50;
const DEFAULT_BUDGET_MS = 10_000;
/** The longest that an invocation of AWS Lambda lasts. */
const BUDGET_MAX_MS = 900_000;
const PARTS = [
  'registry',
  'driver',
  'control',
  'checkCapacity',
  'followCapacity',
  'maxRounds',
  'timeBudgetMs',
  'env',
  'clock',
  'random',
] as const;

/**
 * The caretaker: moves leases whose time is up to revoking, ends and proves gone the sessions of revoking ones, and tells
 * what it saw. No progress depends on it (L16): every holder does the same along the way; it keeps a quiet fleet clean.
 *
 * The database is touched only when the registry says that there is something to do (a database that pauses when idle can
 * pause), and only through a lease or through an administrator's role: never through the leased role without a lease.
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem of the options.
 */
export const createSweeper = (options: SweeperOptions): Sweeper => {
  const config = parseConfig(options, PARTS, options.env, [
    ...partProblems(options),
    ...limitProblems(options),
    ...followProblems(options.followCapacity),
  ]);
  const { registry, clock = systemClock, random = systemRandom } = options;
  const events = new Events<PoolEvents>();
  const holder = new Holder(config, registry, clock, random, events);
  return {
    events,
    sweep: async ({ timeBudgetMs = options.timeBudgetMs ?? DEFAULT_BUDGET_MS } = {}) => {
      const since = clock.read();
      const run = new SweepRun(holder, {
        driver: options.driver,
        control: options.control,
        checkCapacity: options.checkCapacity ?? options.followCapacity !== undefined,
        followCapacity: options.followCapacity,
        maxRounds: options.maxRounds ?? DEFAULT_ROUNDS,
        remainingMs: () => Math.max(0, timeBudgetMs - clock.elapsedMs(since)),
      });
      const done = await run.run();
      const state = await registry.inspect(config.resource);
      return {
        resource: config.resource,
        ...done,
        ...counts(state),
        elapsedMs: Math.round(clock.elapsedMs(since)),
      };
    },
  };
};

const counts = (state: ResourceReport | undefined) => ({
  isKnown: state !== undefined,
  held: state?.held ?? 0,
  protected: state?.protectedCount ?? 0,
  revoking: state?.revoking ?? 0,
  waiters: state?.waiters ?? 0,
  debt: state?.debt ?? 0,
  foreign: state?.foreign ?? 0,
  learningMs: state?.learningMs ?? 0,
});

const partProblems = ({ registry, driver, control }: SweeperOptions): string[] => {
  const isDriver = (value: unknown): boolean => typeof Reflect.get(Object(value), 'open') === 'function';
  const hasRegistry = typeof Reflect.get(Object(registry), 'sweep') === 'function';
  const given = [driver, control].filter((each) => each !== undefined);
  return [
    ...(hasRegistry ? [] : ['registry: is missing or is none; it is redisRegistry(client)']),
    ...(given.length > 0 && given.every(isDriver)
      ? []
      : ['driver or control: is missing or is none; it is postgresDriver(pg, config)']),
  ];
};

const limitProblems = ({ maxRounds, timeBudgetMs }: SweeperOptions): string[] => [
  ...countProblem('maxRounds', maxRounds ?? DEFAULT_ROUNDS, LIMITS.pageMax),
  ...countProblem('timeBudgetMs', timeBudgetMs ?? DEFAULT_BUDGET_MS, BUDGET_MAX_MS),
];

const countProblem = (name: string, value: unknown, max: number): string[] => {
  const { isRight, says } = wholeNumber(1, max);
  return isRight(value) ? [] : [`${name}: ${show(value)} is not ${says}`];
};
