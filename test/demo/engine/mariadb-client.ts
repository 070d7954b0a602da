import mysql from 'mysql2/promise';
import { mysqlDriver } from '../../../lib/driver/mysql.ts';
import type { EngineClient } from './engine.ts';

/** Too many connections of the user (two ways to say it) or of the server. */
const REFUSALS: ReadonlySet<unknown> = new Set([1040, 1203, 1226]);

const WORK_SECONDS = 0.006;

export const mariadbClient: EngineClient<mysql.Connection> = {
  connect: async (address, timeoutMs, onGone) => {
    const client = await mysql.createConnection({ uri: address, connectTimeout: timeoutMs });
    client.on('error', onGone);
    return client;
  },
  disconnect: (client) => client.end(),
  isRefusal: (error) => REFUSALS.has(Reflect.get(Object(error), 'errno')),
  driver: (address) => mysqlDriver(mysql, { uri: address }),
  placeOrder: async (client, process) => {
    await client.query('INSERT INTO orders (process) VALUES (?)', [process]);
    await client.query('SELECT id FROM orders ORDER BY id DESC LIMIT 10');
    await client.query('SELECT SLEEP(?)', [WORK_SECONDS]);
  },
};
