import mysql from 'mysql2/promise';
import { MYSQL_EXCEPTIONS } from '../../lib/driver/mysql/exceptions.ts';
import { mysqlDriver } from '../../lib/driver/mysql.ts';
import { holdMysqlInChild } from '../support/kept-connection.ts';
import { mysqlConfigOf, soleValueOf } from '../support/mysql-session.ts';
import { freshMariadbRole, mariadbAdmin } from '../support/servers.ts';
import { describeDriver } from './driver.contract.ts';

describeDriver('mysqlDriver', {
  exceptions: MYSQL_EXCEPTIONS,
  setUp: async (limit) => {
    const admin = mariadbAdmin();
    const [role, foreign] = [await freshMariadbRole(limit), await freshMariadbRole(5)];
    return {
      address: { host: admin.host, port: admin.port },
      password: role.password,
      driver: ({ address, password } = {}) =>
        mysqlDriver(mysql, {
          ...mysqlConfigOf(role),
          ...(address ? { host: address.host, port: address.port } : {}),
          ...(password ? { password } : {}),
        }),
      foreignDriver: () => mysqlDriver(mysql, mysqlConfigOf(foreign)),
      run: soleValueOf,
      // The server's own list of locks, which the driver has no right to.
      labels: async () => {
        const rows = await admin.query<{ label: string }>(
          `SELECT COALESCE(l.TABLE_SCHEMA, '') AS label FROM information_schema.PROCESSLIST AS p
           LEFT JOIN information_schema.METADATA_LOCK_INFO AS l
             ON l.THREAD_ID = p.ID AND l.LOCK_TYPE = 'User lock' AND l.TABLE_SCHEMA NOT LIKE 'lh %'
           WHERE p.USER IN (?) ORDER BY 1`,
          [[role.user, foreign.user]],
        );
        return rows.map(({ label }) => label);
      },
      hold: (label, isWanted) => holdMysqlInChild({ config: mysqlConfigOf(role), label, isWanted }),
      kill: async (label) => {
        const [row] = await admin.query<{ id: number | null }>('SELECT IS_USED_LOCK(?) AS id', [label]);
        if (row?.id) await admin.query(`KILL ${row.id}`);
      },
      statements: {
        value: (n) => `SELECT ${n}`,
        begin: 'BEGIN',
        fail: 'SELECT * FROM no_such_table',
        sleep: (ms) => `SELECT SLEEP(${ms / 1_000})`,
      },
    };
  },
});
