import type pg from 'pg';
import { configError } from '../core/config.ts';
import { readEnvironment } from '../core/environment.ts';
import { isLeaseholdError } from '../core/errors.ts';
import { profileOf } from '../core/profiles.ts';
import type { Driver } from '../driver/driver.ts';
import { postgresDriver } from '../driver/postgres.ts';
import { type PoolOptions, parseOptions } from '../pool/pool-options.ts';
import { type Given, given } from './counterparts.ts';
import { clientOptions, PG_COUNTERPARTS, PG_DEFAULTS } from './pg-options.ts';

/** The user's own `pg`, imported either way: `import pg from 'pg'` or `import * as pg from 'pg'`. */
export interface PgPoolModule {
  readonly Pool: typeof pg.Pool;
  readonly Client: typeof pg.Client;
  readonly DatabaseError?: typeof pg.DatabaseError;
}

type WithoutDriver<Options> = Options extends unknown ? Omit<Options, 'driver'> : never;

/** What `createPool` takes, the driver aside: that is made from the rest of the configuration. */
export type LeaseOptions = WithoutDriver<PoolOptions<pg.Client>>;

/**
 * What `new pg.Pool` takes, and the lease. An option that both have a name for (`max`, `min`, `maxUses`, `allowExitOnIdle`,
 * `idleTimeoutMillis`, `connectionTimeoutMillis`, `maxLifetimeSeconds`) is given once, here or in `lease`.
 */
export interface LeasedPgPoolConfig extends pg.PoolConfig {
  readonly lease: LeaseOptions;
}

export interface ParsedPgPool {
  readonly options: PoolOptions<pg.Client>;
  /** How long one `connect` may wait, in ms; undefined: `acquireTimeoutMs`. */
  readonly timeoutMs: number | undefined;
}

/**
 * Checks everything, and reports every problem at once by the names that the user wrote. What counts, option by option: the
 * code, the environment, the profile, what `pg` does by itself.
 */
export const parsePgPool = (module: PgPoolModule, config: LeasedPgPoolConfig): ParsedPgPool => {
  const own = given(config);
  const lease = given(own['lease']);
  const problems = [
    ...moduleProblems(module),
    ...PG_COUNTERPARTS.doubleProblems(own, lease),
    ...driverProblems(lease),
  ];
  const driver = readDriver(module, own, problems);
  const code = { ...PG_COUNTERPARTS.translated(own), ...lease };
  const environment = readEnvironment(lease['env'], []).values;
  const defaults = Object.entries(PG_DEFAULTS).filter(([name]) => environment[name] === undefined);
  const options = { ...Object.fromEntries(defaults), ...code, driver } as unknown as PoolOptions<pg.Client>;
  const isBound = (profile: Given): boolean =>
    [code, environment, profile].some((source) => source['acquireTimeoutMs'] !== undefined);
  if (own['lease'] === undefined)
    throw configError([...problems, 'lease: is missing; it is { resource, capacity, registry, … }']);
  const profile = profileIn(options, (problem) =>
    problems.push(PG_COUNTERPARTS.renamed(problem, own, lease)),
  );
  if (problems.length > 0) throw configError(problems);
  return { options, timeoutMs: isBound(profile) ? undefined : Number.POSITIVE_INFINITY };
};

const moduleProblems = (module: PgPoolModule): string[] =>
  typeof Reflect.get(Object(module), 'Pool') === 'function'
    ? []
    : ['The first argument must be the module `pg` (it has no `Pool`).'];

const driverProblems = (lease: Given): string[] =>
  lease['driver'] === undefined ? [] : ['lease.driver: is made from the other options; leave it out'];

/** Opens nothing; it only keeps a driver that could not be made from being a second problem. */
const NO_DRIVER: Driver<pg.Client> = {
  engine: 'postgres',
  open: () => Promise.reject(new Error('There is no driver.')),
};

const readDriver = (module: PgPoolModule, config: Given, problems: string[]): Driver<pg.Client> => {
  const Client = (config['Client'] ?? Reflect.get(Object(module), 'Client')) as typeof pg.Client;
  try {
    return postgresDriver({ Client }, clientOptions(config));
  } catch (error) {
    problems.push(...problemsIn(error));
    return NO_DRIVER;
  }
};

/** Of the options' profile, what it says. */
const profileIn = (options: PoolOptions<pg.Client>, found: (problem: string) => void): Given => {
  try {
    return profileOf(parseOptions(options).profile);
  } catch (error) {
    for (const problem of problemsIn(error)) found(problem);
    return {};
  }
};

const problemsIn = (error: unknown): readonly string[] => {
  if (!isLeaseholdError(error)) throw error;
  return error.details['problems'] as readonly string[];
};
