import type pg from 'pg';
import { configError, parseConfig } from '../core/config.ts';
import { isLeaseholdError } from '../core/errors.ts';
import type { Driver } from '../driver/driver.ts';
import { postgresDriver } from '../driver/postgres.ts';
import { checkOptions, PORTS, type PoolOptions } from '../pool/pool-options.ts';

/** The user's own `pg`, imported either way: `import pg from 'pg'` or `import * as pg from 'pg'`. */
export interface PgPoolModule {
  readonly Pool: typeof pg.Pool;
  readonly Client: typeof pg.Client;
  readonly DatabaseError?: typeof pg.DatabaseError;
}

/** What `createPool` takes, the driver aside: that is made from the rest of the configuration. */
export type LeaseOptions = Omit<PoolOptions<pg.Client>, 'driver'>;

/**
 * What `new pg.Pool` takes, and the lease. An option that both have a name for (`max`, `min`, `maxUses`, `allowExitOnIdle`,
 * `idleTimeoutMillis`, `connectionTimeoutMillis`, `maxLifetimeSeconds`) is given once, here or in `lease`.
 */
export interface LeasedPgPoolConfig extends pg.PoolConfig {
  readonly lease: LeaseOptions;
}

export interface ParsedPgPool {
  readonly options: PoolOptions<pg.Client>;
  /** How long one `connect` may wait, in ms; undefined: what the lease's own options say. */
  readonly timeoutMs: number | undefined;
}

type Given = Readonly<Record<string, unknown>>;

/** An option of `pg.Pool` and what it is called here. */
interface Counterpart {
  readonly name: string;
  /** What `pg` does without it, and what it means by it, in our unit; undefined: as without it in `lease`. */
  readonly read: (value: unknown) => unknown;
}

const HOUR_MS = 3_600_000;
const DEFAULT_IDLE_MS = 10_000;

/** To `pg` an option that is 0 or empty is one that was not given. */
const orUnset = (value: unknown): unknown => value || undefined;
const orZero = (value: unknown): unknown => value || 0;

const COUNTERPARTS: Readonly<Record<string, Counterpart>> = {
  // The older name; `max` goes before it.
  poolSize: { name: 'max', read: orUnset },
  max: { name: 'max', read: orUnset },
  min: { name: 'min', read: orZero },
  maxUses: { name: 'maxUses', read: (value) => (value === Number.POSITIVE_INFINITY ? 0 : orZero(value)) },
  maxLifetimeSeconds: {
    name: 'maxLifetimeMs',
    read: (value) => (typeof value === 'number' ? Math.round(1_000 * value) : orZero(value)),
  },
  idleTimeoutMillis: {
    name: 'idleTimeoutMs',
    // A lease's session never idles for an hour: a longer time is the same as none.
    read: (value = DEFAULT_IDLE_MS) => (Number(value) > HOUR_MS ? undefined : orUnset(value)),
  },
  connectionTimeoutMillis: { name: 'acquireTimeoutMs', read: orUnset },
  allowExitOnIdle: { name: 'allowExitOnIdle', read: (value) => value ?? false },
};

/** What is the pool's own; the rest is the client's. */
const OF_POOL: ReadonlySet<string> = new Set([
  ...Object.keys(COUNTERPARTS),
  ...['lease', 'log', 'verify', 'onConnect', 'Client'],
]);

/** Checks everything, and reports every problem at once by the names that the user wrote. No secret is in it. */
export const parsePgPool = (module: PgPoolModule, config: LeasedPgPoolConfig): ParsedPgPool => {
  const given: Given = { ...config };
  const lease: Given = Object(given['lease']);
  const problems = [...moduleProblems(module), ...doubleProblems(given, lease)];
  const translated = translate(given, lease);
  const driver = readDriver(module, given, problems);
  const options = {
    retryConnects: false,
    ...translated,
    ...defined(lease),
    driver,
  } as PoolOptions<pg.Client>;
  if (typeof given['lease'] === 'object') problems.push(...leaseProblems(options, given, lease));
  else problems.push('lease: is missing; it is { resource, capacity, registry }, as for createPool');
  if (problems.length > 0) throw configError(problems);
  const isBound = 'acquireTimeoutMs' in translated || lease['acquireTimeoutMs'] !== undefined;
  return { options, timeoutMs: isBound ? undefined : Number.POSITIVE_INFINITY };
};

const moduleProblems = (module: PgPoolModule): string[] =>
  typeof Reflect.get(Object(module), 'Pool') === 'function'
    ? []
    : ['The first argument must be the module `pg` (it has no `Pool`).'];

const doubleProblems = (given: Given, lease: Given): string[] => [
  ...Object.entries(COUNTERPARTS)
    .filter(([own, { name }]) => given[own] !== undefined && lease[name] !== undefined)
    .map(([own, { name }]) => `lease.${name}: ${own} says the same; give one of them`),
  ...(lease['driver'] === undefined ? [] : ['lease.driver: is made from the other options; leave it out']),
];

/** The options of `pg.Pool` by our names; what the lease says itself is left to it. */
const translate = (given: Given, lease: Given): Record<string, unknown> => {
  const options: Record<string, unknown> = {};
  for (const [own, { name, read }] of Object.entries(COUNTERPARTS)) {
    if (lease[name] !== undefined) continue;
    const value = read(given[own]);
    if (value !== undefined) options[name] = value;
  }
  return options;
};

/** Opens nothing; it only keeps a missing driver from being a second problem. */
const NO_DRIVER: Driver<pg.Client> = {
  engine: 'postgres',
  open: () => Promise.reject(new Error('There is no driver.')),
};

const readDriver = (module: PgPoolModule, given: Given, problems: string[]): Driver<pg.Client> => {
  const client = Object.fromEntries(Object.entries(given).filter(([name]) => !OF_POOL.has(name)));
  const Client = (given['Client'] ?? Reflect.get(Object(module), 'Client')) as typeof pg.Client;
  try {
    return postgresDriver({ Client }, client);
  } catch (error) {
    problems.push(...problemsIn(error));
    return NO_DRIVER;
  }
};

const leaseProblems = (options: PoolOptions<pg.Client>, given: Given, lease: Given): string[] => {
  try {
    checkOptions(options);
    parseConfig(options, PORTS, options.env);
    return [];
  } catch (error) {
    return problemsIn(error).map((problem) => renamed(problem, given, lease));
  }
};

/** A problem begins with the name of its option. */
const renamed = (problem: string, given: Given, lease: Given): string => {
  const [name = ''] = problem.split(':', 1);
  const own = Object.keys(COUNTERPARTS).find(
    (each) => COUNTERPARTS[each]?.name === name && given[each] !== undefined,
  );
  if (own === undefined || lease[name] !== undefined) return `lease.${problem}`;
  return `${own}${problem.slice(name.length)}`;
};

const problemsIn = (error: unknown): readonly string[] => {
  if (!isLeaseholdError(error)) throw error;
  return error.details['problems'] as readonly string[];
};

const defined = (options: Given): Record<string, unknown> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
