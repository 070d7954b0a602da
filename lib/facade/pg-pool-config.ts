import type pg from 'pg';
import { postgresDriver } from '../driver/postgres.ts';
import { type LeaseOptionsOf, type ParsedPool, parseLeased } from './leased-config.ts';
import { clientOptions, PG_COUNTERPARTS, PG_DEFAULTS } from './pg-options.ts';

/** The user's own `pg`, imported either way: `import pg from 'pg'` or `import * as pg from 'pg'`. */
export interface PgPoolModule {
  readonly Pool: typeof pg.Pool;
  readonly Client: typeof pg.Client;
  readonly DatabaseError?: typeof pg.DatabaseError;
}

/** What `createPool` takes, the driver aside: that is made from the rest of the configuration. */
export type LeaseOptions = LeaseOptionsOf<pg.Client>;

/**
 * What `new pg.Pool` takes, and the lease. An option that both have a name for (`max`, `min`, `maxUses`, `allowExitOnIdle`,
 * `idleTimeoutMillis`, `connectionTimeoutMillis`, `maxLifetimeSeconds`) is given once, here or in `lease`.
 */
export interface LeasedPgPoolConfig extends pg.PoolConfig {
  readonly lease: LeaseOptions;
}

export type ParsedPgPool = ParsedPool<pg.Client>;

/** @throws LeaseholdError CONFIG_INVALID with every problem at once. */
export const parsePgPool = (module: PgPoolModule, config: LeasedPgPoolConfig): ParsedPgPool =>
  parseLeased(config, {
    counterparts: PG_COUNTERPARTS,
    defaults: PG_DEFAULTS,
    problems: () => moduleProblems(module),
    makeDriver: (own) => {
      const Client = (own['Client'] ?? Reflect.get(Object(module), 'Client')) as typeof pg.Client;
      return postgresDriver({ Client }, clientOptions(own));
    },
  });

const moduleProblems = (module: PgPoolModule): string[] =>
  typeof Reflect.get(Object(module), 'Pool') === 'function'
    ? []
    : ['The first argument must be the module `pg` (it has no `Pool`).'];
