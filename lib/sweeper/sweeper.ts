import { type Clock, systemClock } from '../core/clock.ts';
import { type ConfigOptions, parseConfig } from '../core/config.ts';
import { Events } from '../core/events.ts';
import { LIMITS } from '../core/limits.ts';
import { show } from '../core/problem.ts';
import { type Random, systemRandom } from '../core/random.ts';
import { wholeNumber } from '../core/right.ts';
import type { Driver } from '../driver/driver.ts';
import { Holder } from '../pool/holder.ts';
import type { PoolEvents } from '../pool/pool-events.ts';
import type { Registry } from '../registry/registry.ts';
import { type FollowCapacity, followProblems } from './capacity.ts';
import { fleetSeen, type SweepReport } from './sweep-report.ts';
import { SweepRun } from './sweep-run.ts';

export type { LookedThrough, SweepReport } from './sweep-report.ts';

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
  /**
   * A sweep goes to the database at least so often, in ms, and compares its session list with the registry. Default: 0, only where
   * the registry has a reason, so that a database that pauses when idle can pause.
   */
  readonly lookEveryMs?: number;
  /** Rounds of one sweep, at most. Default: 50. */
  readonly maxRounds?: number;
  /** How long one sweep may take, in ms. Default: 10,000. */
  readonly timeBudgetMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
};

export interface Sweeper {
  readonly events: Events<PoolEvents>;
  /** One sweep. Rejects only where the registry gives no answer at all; everything else is in the report. */
  sweep(limits?: { readonly timeBudgetMs?: number }): Promise<SweepReport>;
}

const DEFAULT_ROUNDS = 50;
const DEFAULT_BUDGET_MS = 10_000;
/** The longest that an invocation of AWS Lambda lasts. */
const BUDGET_MAX_MS = 900_000;
/** A day. */
const LOOK_EVERY_MAX_MS = 86_400_000;
const PARTS = [
  'registry',
  'driver',
  'control',
  'checkCapacity',
  'followCapacity',
  'lookEveryMs',
  'maxRounds',
  'timeBudgetMs',
  'env',
  'clock',
  'random',
] as const;

/**
 * The caretaker: moves leases whose time is up to revoking, ends and proves gone the sessions of revoking ones, puts right where
 * the registry and the database's session list differ, tries a database behind an open breaker, and tells what it saw. No
 * progress depends on it (L16): every holder does the same along the way; it keeps a quiet fleet clean. The registry elects one sweeper
 * at a time; what one leaves over, because its time or its rounds are up or because it died, the next one finds there.
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
  let sweeps = 0;
  return {
    events,
    sweep: async ({ timeBudgetMs = options.timeBudgetMs ?? DEFAULT_BUDGET_MS } = {}) => {
      const since = clock.read();
      sweeps += 1;
      const run = new SweepRun(holder, {
        name: `${holder.id}.${sweeps}`,
        driver: options.driver,
        control: options.control,
        checkCapacity: options.checkCapacity ?? options.followCapacity !== undefined,
        followCapacity: options.followCapacity,
        lookEveryMs: options.lookEveryMs ?? 0,
        maxRounds: options.maxRounds ?? DEFAULT_ROUNDS,
        remainingMs: () => Math.max(0, timeBudgetMs - clock.elapsedMs(since)),
      });
      const done = await run.run();
      const state = await registry.inspect(config.resource);
      return {
        resource: config.resource,
        ...done,
        ...fleetSeen(state),
        elapsedMs: Math.round(clock.elapsedMs(since)),
      };
    },
  };
};

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

const limitProblems = ({ maxRounds, timeBudgetMs, lookEveryMs = 0 }: SweeperOptions): string[] => [
  ...countProblem('maxRounds', maxRounds ?? DEFAULT_ROUNDS, LIMITS.pageMax),
  ...countProblem('timeBudgetMs', timeBudgetMs ?? DEFAULT_BUDGET_MS, BUDGET_MAX_MS),
  ...countProblem('lookEveryMs', lookEveryMs, LOOK_EVERY_MAX_MS, 0),
];

const countProblem = (name: string, value: unknown, max: number, min = 1): string[] => {
  const { isRight, says } = wholeNumber(min, max);
  return isRight(value) ? [] : [`${name}: ${show(value)} is not ${says}`];
};
