import mysql from 'mysql2/promise';
import type { DriverConnection } from '../../lib/driver/driver.ts';
import { type MysqlDriverOptions, type MysqlModule, mysqlDriver } from '../../lib/driver/mysql.ts';
import type { MariadbRole } from './mariadb.ts';
import { openRequest } from './postgres-session.ts';
import { mariadbAdmin } from './servers.ts';

export const mysqlConfigOf = (role: MariadbRole): mysql.ConnectionOptions => {
  const { host, port } = mariadbAdmin();
  return { host, port, user: role.user, password: role.password, database: role.database };
};

/** Opens one connection for `work`, and closes it. */
export const withMysqlConnection = async <Client = mysql.Connection>(
  config: mysql.ConnectionOptions,
  changes: Parameters<typeof openRequest>[0],
  work: (connection: DriverConnection<Client>) => Promise<void>,
  options: MysqlDriverOptions = {},
  module: MysqlModule<unknown> = mysql,
): Promise<void> => {
  const result = await mysqlDriver(module as MysqlModule<Client>, config, options).open(openRequest(changes));
  if (result.kind !== 'open') throw result.error;
  try {
    await work(result.connection);
  } finally {
    await result.connection.close(1_000);
  }
};

/** The only value of one statement's only row. */
export const soleValueOf = async (client: mysql.Connection, sql: string): Promise<unknown> => {
  const [rows] = await client.query({ sql, rowsAsArray: true });
  return Array.isArray(rows) ? (rows as unknown[][])[0]?.[0] : undefined;
};
