import { configError } from '../core/config.ts';
import { readEnvironment } from '../core/environment.ts';
import { isLeaseholdError } from '../core/errors.ts';
import { profileOf } from '../core/profiles.ts';
import type { Driver } from '../driver/driver.ts';
import { type PoolOptions, parseOptions } from '../pool/pool-options.ts';
import { type Counterparts, type Given, given } from './counterparts.ts';

type WithoutDriver<Options> = Options extends unknown ? Omit<Options, 'driver'> : never;

/** What `createPool` of leasehold takes, the driver aside: that is made from the rest of the configuration. */
export type LeaseOptionsOf<Connection> = WithoutDriver<PoolOptions<Connection>>;

/** Another library's pool, whose configuration is read. */
export interface NativePool<Connection> {
  readonly counterparts: Counterparts;
  /** Where that pool, if it is told nothing, differs from a pool here. */
  readonly defaults: Given;
  /** What is wrong before anything is made of it. */
  problems(own: Given): readonly string[];
  /** @throws LeaseholdError CONFIG_INVALID with every problem. */
  makeDriver(own: Given): Driver<Connection>;
}

export interface ParsedPool<Connection> {
  readonly options: PoolOptions<Connection>;
  /** How long one caller may wait, in ms; undefined: `acquireTimeoutMs`. */
  readonly timeoutMs: number | undefined;
}

/**
 * Checks everything, and reports every problem at once by the names that the user wrote. What counts, option by option: the
 * code, the environment, the profile, what the other library does by itself.
 */
export const parseLeased = <Connection>(
  config: unknown,
  native: NativePool<Connection>,
): ParsedPool<Connection> => {
  const { counterparts } = native;
  const own = given(config);
  const lease = given(own['lease']);
  const problems = [
    ...native.problems(own),
    ...counterparts.doubleProblems(own, lease),
    ...driverProblems(lease),
  ];
  const add = (problem: string): number => problems.push(problem);
  const driver = attempted(() => native.makeDriver(own), add) ?? NO_DRIVER;
  if (own['lease'] === undefined)
    throw configError([...problems, 'lease: is missing; it is { resource, capacity, registry, … }']);
  const code = { ...counterparts.translated(own), ...lease };
  const environment = readEnvironment(lease['env'], []).values;
  const defaults = Object.entries(native.defaults).filter(([name]) => environment[name] === undefined);
  const options = { ...Object.fromEntries(defaults), ...code, driver } as unknown as PoolOptions<Connection>;
  const profile = attempted(
    () => profileOf(parseOptions(options).profile),
    (problem) => add(counterparts.renamed(problem, own, lease)),
  );
  if (problems.length > 0) throw configError(problems);
  const isBound = [code, environment, given(profile)].some(
    (source) => source['acquireTimeoutMs'] !== undefined,
  );
  return { options, timeoutMs: isBound ? undefined : Number.POSITIVE_INFINITY };
};

export const driverProblems = (lease: Given): readonly string[] =>
  lease['driver'] === undefined ? [] : ['lease.driver: is made from the other options; leave it out'];

/** Opens nothing; it only keeps a driver that could not be made from being a second problem. */
export const NO_DRIVER: Driver<never> = {
  engine: 'none',
  open: () => Promise.reject(new Error('There is no driver.')),
};

/** What `make` makes; undefined, if it cannot and has told why. */
export const attempted = <Made>(make: () => Made, found: (problem: string) => void): Made | undefined => {
  try {
    return make();
  } catch (error) {
    if (!isLeaseholdError(error)) throw error;
    for (const problem of error.details['problems'] as readonly string[]) found(problem);
    return undefined;
  }
};
