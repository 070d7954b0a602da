/** Opens one connection, calls `keepAlive`, and then only its socket can keep this process alive. */
import mysql from 'mysql2/promise';
import { mysqlDriver } from '../../lib/driver/mysql.ts';
import type { KeptMysqlConnection } from './kept-connection.ts';

const { config, label, isWanted } = JSON.parse(process.env['LEASEHOLD_KEPT'] ?? '') as KeptMysqlConnection;

const opened = await mysqlDriver(mysql, config).open({
  ...{ label, idleMs: 60_000, timeoutMs: 5_000, gate: () => undefined },
});
if (opened.kind !== 'open') throw opened.error;
opened.connection.keepAlive(isWanted);
process.stdout.write('holding\n');
