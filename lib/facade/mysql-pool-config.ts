import type mysql from 'mysql2';
import { mysqlDriver } from '../driver/mysql.ts';
import { given } from './counterparts.ts';
import { type LeaseOptionsOf, type ParsedPool, parseLeased } from './leased-config.ts';
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

/** What `createPool` of leasehold takes, the driver aside: that is made from the rest of the configuration. */
export type MysqlLeaseOptions = LeaseOptionsOf<unknown>;

/**
 * What `createPool` of `mysql2` takes, and the lease. An option that both have a name for (`connectionLimit` is `max`,
 * `idleTimeout` is `idleTimeoutMs`) is given once, here or in `lease`.
 */
export interface LeasedMysqlPoolConfig extends mysql.PoolOptions {
  readonly lease: MysqlLeaseOptions;
}

export interface ParsedMysqlPool extends ParsedPool<unknown> {
  /** What a connection is made with. */
  readonly connection: mysql.ConnectionOptions;
}

/** @throws LeaseholdError CONFIG_INVALID with every problem at once. */
export const parseMysqlPool = (
  module: MysqlPoolModule<unknown>,
  config: LeasedMysqlPoolConfig,
): ParsedMysqlPool => {
  const connection = connectionOptions(given(config)) as mysql.ConnectionOptions;
  const parsed = parseLeased<unknown>(config, {
    counterparts: MYSQL_COUNTERPARTS,
    defaults: MYSQL_DEFAULTS,
    problems: unsupportedProblems,
    makeDriver: (own) => mysqlDriver(module, connection, { resetSession: own['resetOnRelease'] === true }),
  });
  return { ...parsed, connection };
};
