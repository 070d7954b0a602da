import { type Counterpart, Counterparts, type Given, NEVER_IDLE_MS } from './counterparts.ts';

const TABLE: Readonly<Record<string, Counterpart>> = {
  // To `mysql2` 0 is no limit at all.
  connectionLimit: { name: 'max', read: (value) => (value === 0 ? undefined : value) },
  idleTimeout: {
    name: 'idleTimeoutMs',
    read: (value) => (Number(value) > NEVER_IDLE_MS ? NEVER_IDLE_MS : value),
  },
};

export const MYSQL_COUNTERPARTS = new Counterparts(TABLE);

/** Where a pool of `mysql2` that is told nothing differs from a pool here. */
export const MYSQL_DEFAULTS: Given = {
  retryConnects: false,
  allowExitOnIdle: false,
  idleTimeoutMs: 60_000,
  maxLifetimeMs: 0,
};

/** What is the pool's own; the rest is the connection's. */
const OF_POOL: ReadonlySet<string> = new Set([
  ...MYSQL_COUNTERPARTS.names,
  ...['lease', 'maxIdle', 'queueLimit', 'waitForConnections', 'resetOnRelease', 'gracefulEnd', 'Promise'],
]);

export const connectionOptions = (config: Given): Given =>
  Object.fromEntries(Object.entries(config).filter(([name]) => !OF_POOL.has(name)));

/** Those that a pool of leases has no use for, unless they say what it does anyway. */
export const unsupportedProblems = (config: Given): string[] => [
  ...(config['waitForConnections'] === false
    ? ['waitForConnections: a lease is waited for; bound the wait by lease.acquireTimeoutMs']
    : []),
  ...(Number(config['queueLimit'] ?? 0) > 0
    ? ['queueLimit: callers wait in the fleet’s queue, not in this one']
    : []),
  ...(config['maxIdle'] === undefined ? [] : ['maxIdle: is the fleet’s matter; use idleTimeout']),
];
