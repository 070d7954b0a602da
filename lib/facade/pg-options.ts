import { type Counterpart, Counterparts, type Given, NEVER_IDLE_MS } from './counterparts.ts';

/** To `pg` an option that is 0 or empty is one without a bound, or one that was not given. */
const orUnset = (value: unknown): unknown => value || undefined;
const orZero = (value: unknown): unknown => value || 0;

const TABLE: Readonly<Record<string, Counterpart>> = {
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
    read: (value) => (Number(value) > NEVER_IDLE_MS ? NEVER_IDLE_MS : value || NEVER_IDLE_MS),
  },
  connectionTimeoutMillis: { name: 'acquireTimeoutMs', read: orUnset },
  allowExitOnIdle: { name: 'allowExitOnIdle', read: Boolean },
};

export const PG_COUNTERPARTS = new Counterparts(TABLE);

/** Where a `pg.Pool` that is told nothing differs from a pool here. */
export const PG_DEFAULTS: Given = {
  retryConnects: false,
  allowExitOnIdle: false,
  idleTimeoutMs: 10_000,
  maxLifetimeMs: 0,
};

/** What is the pool's own; the rest is the client's. */
const OF_POOL: ReadonlySet<string> = new Set([
  ...PG_COUNTERPARTS.names,
  ...['lease', 'log', 'verify', 'onConnect', 'Client'],
]);

export const clientOptions = (config: Given): Given =>
  Object.fromEntries(Object.entries(config).filter(([name]) => !OF_POOL.has(name)));
