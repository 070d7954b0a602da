import { randomBytes } from 'node:crypto';
import { mariadbAdmin as connectMariadb, type MariadbAdmin, type MariadbRole } from './mariadb.ts';
import {
  postgresAdmin as connectAdmin,
  type PostgresAdmin,
  type PostgresRole,
  type RoleOptions,
} from './postgres.ts';
import {
  MARIADB_REASON_VARIABLE,
  MARIADB_URL_VARIABLE,
  POSTGRES_URL_VARIABLE,
  REDIS_URL_VARIABLE,
} from './shared-servers.ts';

/** The servers that the global setup started for this run, as a test sees them. */

const fromSetup = (variable: string): string => {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set: does this jest project name the global setup?`);
  return value;
};

export const redisUrl = (): string => fromSetup(REDIS_URL_VARIABLE);

export const postgresAdmin = (): PostgresAdmin => connectAdmin(fromSetup(POSTGRES_URL_VARIABLE));

export const mariadbAdmin = (): MariadbAdmin => {
  const reason = process.env[MARIADB_REASON_VARIABLE];
  if (reason !== undefined) throw new Error(reason);
  return connectMariadb(fromSetup(MARIADB_URL_VARIABLE));
};

const unique = (prefix: string): string => `${prefix}${randomBytes(6).toString('hex')}`;

/** A name for the registry's keys that no other test uses. */
export const freshNamespace = (): string => unique('t');

/** A prefix of labels that no other file's sessions have: a census sees all roles of a server. */
export const freshPrefix = (): string => `lh:orders.${randomBytes(3).toString('hex')}:`;

/** A login role of its own for one test: the database refuses its (limit + 1)-th connection. */
export const freshRole = (connectionLimit: number, options?: RoleOptions): Promise<PostgresRole> =>
  postgresAdmin().createRole(unique('role_'), connectionLimit, options);

/** The same with a database of its own. */
export const freshRoleAndDatabase = (connectionLimit: number): Promise<PostgresRole> =>
  freshRole(connectionLimit, { database: unique('db_') });

/** A user of MariaDB for one test: the server refuses its (limit + 1)-th connection. */
export const freshMariadbRole = (connectionLimit: number): Promise<MariadbRole> =>
  mariadbAdmin().createRole(unique('u_'), connectionLimit);
