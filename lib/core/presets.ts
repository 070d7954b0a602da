import type { NumberOption } from './options.ts';

type Preset = { readonly [Name in NumberOption]?: number };

/** The defaults are made for them. */
const DEFAULTS: Preset = {};

/**
 * Options of `createPool` by what the database is: `createPool({ ...PRESETS.auroraServerless, resource, … })`. What the code says
 * behind it counts, and what the environment says does not. An empty one says that the defaults fit. All times in ms.
 */
export const PRESETS = {
  /** PostgreSQL, MySQL or MariaDB on a server of one's own. */
  plain: DEFAULTS,
  rds: DEFAULTS,
  /** Aurora PostgreSQL or MySQL with provisioned instances. */
  aurora: DEFAULTS,
  /**
   * Aurora Serverless v2 that pauses: nothing touches the database but work, and a session that nobody uses is over within
   * a minute, also one of a frozen environment. A connect has time for a resume, about 15 s (AWS, "Scaling to Zero ACUs
   * with automatic pause and resume"), and so a dead holder blocks a wanted slot for a minute.
   */
  auroraServerless: {
    min: 0,
    healthCheckIntervalMs: 0,
    idleTimeoutMs: 20_000,
    protectMs: 60_000,
    idleMs: 60_000,
    connectTimeoutMs: 25_000,
    acquireTimeoutMs: 30_000,
  },
  /**
   * Aurora DSQL takes 100 new connections a second with a burst of 1,000 and ends each after an hour (AWS, "Cluster quotas and
   * database limits in Amazon Aurora DSQL"); five minutes before that none is left. Where
   * connects may be put off a new registry keeps quiet for longer (10 s), and its first caller has to outlast that.
   */
  auroraDsql: {
    connectsPerSecond: 100,
    connectBurst: 1_000,
    maxLifetimeMs: 3_300_000,
    acquireTimeoutMs: 15_000,
  },
  /**
   * PgBouncer, or RDS Proxy; the driver has to know as well (`behindPooler`). Nobody can end another one's connection to a pooler, so
   * none is taken over: who is asked for a place closes it first, and that of a dead holder waits for its expiry.
   */
  pooler: { headroom: 0 },
} as const satisfies Readonly<Record<string, Preset>>;
