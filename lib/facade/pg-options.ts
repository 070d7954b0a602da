/** Options by name, as the user gave them. */
export type Given = Readonly<Record<string, unknown>>;

/** An option of `pg.Pool`: what it is called here, and its value in our terms; undefined: as if it were not given. */
interface Counterpart {
  readonly name: string;
  readonly read: (value: unknown) => unknown;
}

/** As good as never, in ms: the session of a lease does not idle for so long. */
const NEVER_IDLE_MS = 3_600_000;

/** To `pg` an option that is 0 or empty is one without a bound, or one that was not given. */
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
    read: (value) => (Number(value) > NEVER_IDLE_MS ? NEVER_IDLE_MS : value || NEVER_IDLE_MS),
  },
  connectionTimeoutMillis: { name: 'acquireTimeoutMs', read: orUnset },
  allowExitOnIdle: { name: 'allowExitOnIdle', read: Boolean },
};

/** Where a `pg.Pool` that is told nothing differs from a pool here. */
export const PG_DEFAULTS: Given = {
  retryConnects: false,
  allowExitOnIdle: false,
  idleTimeoutMs: 10_000,
  maxLifetimeMs: 0,
};

/** What is the pool's own; the rest is the client's. */
const OF_POOL: ReadonlySet<string> = new Set([
  ...Object.keys(COUNTERPARTS),
  ...['lease', 'log', 'verify', 'onConnect', 'Client'],
]);

const isGiven = ([, value]: readonly [string, unknown]): boolean => value !== undefined;

/** Without what is undefined. */
export const given = (options: unknown): Given =>
  Object.fromEntries(Object.entries(Object(options)).filter(isGiven));

export const clientOptions = (config: Given): Given =>
  Object.fromEntries(Object.entries(config).filter(([name]) => !OF_POOL.has(name)));

/** The options of `pg.Pool` by our names. */
export const translated = (config: Given): Given =>
  given(
    Object.fromEntries(
      Object.entries(COUNTERPARTS)
        .filter(([own]) => config[own] !== undefined)
        .map(([own, { name, read }]) => [name, read(config[own])]),
    ),
  );

export const doubleProblems = (config: Given, lease: Given): string[] =>
  Object.entries(COUNTERPARTS)
    .filter(([own, { name }]) => config[own] !== undefined && lease[name] !== undefined)
    .map(([own, { name }]) => `lease.${name}: ${own} says the same; give one of them`);

/** A problem begins with the name of its option, or with what else it is about: a variable, a profile. */
const OPTION = /^[a-z][\w.]*(?=:)/;

/** A problem of our options by the names that the user wrote. */
export const renamed = (problem: string, config: Given, lease: Given): string =>
  problem.replace(OPTION, (name) => {
    const own = Object.keys(COUNTERPARTS).find(
      (each) => COUNTERPARTS[each]?.name === name && config[each] !== undefined,
    );
    return own === undefined || lease[name] !== undefined ? `lease.${name}` : own;
  });
