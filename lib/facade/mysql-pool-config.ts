import type mysql from 'mysql2';
import { configError } from '../core/config.ts';
import { readEnvironment } from '../core/environment.ts';
import { isLeaseholdError } from '../core/errors.ts';
import { profileOf } from '../core/profiles.ts';
import type { Driver } from '../driver/driver.ts';
import { mysqlDriver } from '../driver/mysql.ts';
import { type PoolOptions, parseOptions } from '../pool/pool-options.ts';
import { type Given, given } from './counterparts.ts';
import {
  connectionOptions,
  MYSQL_COUNTERPARTS,
  MYSQL_DEFAULTS,
  unsupportedProblems,
} from './mysql-options.ts';

/** The user's own `mysql2` or `mysql2/promise`: the pool is of the kind that it makes. */
export interface MysqlPoolModule<NativePool> {
  createConnection(config: mysql.ConnectionOptions): unknown;
  createPool(config: mysql.PoolOptions): NativePool;
}

type WithoutDriver<Options> = Options extends unknown ? Omit<Options, 'driver'> : never;

/** What `createPool` of leasehold takes, the driver aside: that is made from the rest of the configuration. */
export type MysqlLeaseOptions = WithoutDriver<PoolOptions<unknown>>;

/**
 * What `createPool` of `mysql2` takes, and the lease. An option that both have a name for (`connectionLimit` is `max`,
 * `idleTimeout` is `idleTimeoutMs`) is given once, here or in `lease`.
 */
export interface LeasedMysqlPoolConfig extends mysql.PoolOptions {
  readonly lease: MysqlLeaseOptions;
}

export interface ParsedMysqlPool {
  readonly options: PoolOptions<unknown>;
  /** What a connection is made with. */
  readonly connection: mysql.ConnectionOptions;
  /** How long one `getConnection` may wait, in ms; undefined: `acquireTimeoutMs`. */
  readonly timeoutMs: number | undefined;
}

/**
 * Checks everything, and reports every problem at once by the names that the user wrote. What counts, option by option: the
 * code, the environment, the profile, what `mysql2` does by itself.
 */
export const parseMysqlPool = (
  module: MysqlPoolModule<unknown>,
  config: LeasedMysqlPoolConfig,
): ParsedMysqlPool => {
  const own = given(config);
  const lease = given(own['lease']);
  const problems = [
    ...unsupportedProblems(own),
    ...MYSQL_COUNTERPARTS.doubleProblems(own, lease),
    ...(lease['driver'] === undefined ? [] : ['lease.driver: is made from the other options; leave it out']),
  ];
  const connection = connectionOptions(own) as mysql.ConnectionOptions;
  const driver = readDriver(module, connection, own['resetOnRelease'] === true, problems);
  const code = { ...MYSQL_COUNTERPARTS.translated(own), ...lease };
  const environment = readEnvironment(lease['env'], []).values;
  const defaults = Object.entries(MYSQL_DEFAULTS).filter(([name]) => environment[name] === undefined);
  const options = { ...Object.fromEntries(defaults), ...code, driver } as unknown as PoolOptions<unknown>;
  const isBound = (profile: Given): boolean =>
    [code, environment, profile].some((source) => source['acquireTimeoutMs'] !== undefined);
  if (own['lease'] === undefined)
    throw configError([...problems, 'lease: is missing; it is { resource, capacity, registry, … }']);
  const profile = profileIn(options, (problem) =>
    problems.push(MYSQL_COUNTERPARTS.renamed(problem, own, lease)),
  );
  if (problems.length > 0) throw configError(problems);
  return { options, connection, timeoutMs: isBound(profile) ? undefined : Number.POSITIVE_INFINITY };
};

/** Opens nothing; it only keeps a driver that could not be made from being a second problem. */
const NO_DRIVER: Driver<unknown> = {
  engine: 'mysql',
  open: () => Promise.reject(new Error('There is no driver.')),
};

const readDriver = (
  module: MysqlPoolModule<unknown>,
  connection: mysql.ConnectionOptions,
  resetSession: boolean,
  problems: string[],
): Driver<unknown> => {
  try {
    return mysqlDriver<unknown>(module, connection, { resetSession });
  } catch (error) {
    problems.push(...problemsIn(error));
    return NO_DRIVER;
  }
};

/** Of the options' profile, what it says. */
const profileIn = (options: PoolOptions<unknown>, found: (problem: string) => void): Given => {
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
