import pg from 'pg';
import { postgresDriver } from '../../../lib/driver/postgres.ts';
import type { EngineClient } from './engine.ts';

/** Too many connections of the role, the database or the server; 53400 is what some services answer instead. */
const REFUSALS: ReadonlySet<unknown> = new Set(['53300', '53400']);

const WORK_SECONDS = 0.006;

export const postgresClient: EngineClient<pg.Client> = {
  connect: async (address, timeoutMs, onGone) => {
    const client = new pg.Client({ connectionString: address, connectionTimeoutMillis: timeoutMs });
    client.on('error', onGone);
    await client.connect();
    return client;
  },
  disconnect: (client) => client.end(),
  isRefusal: (error) => REFUSALS.has(Reflect.get(Object(error), 'code')),
  driver: (address) => postgresDriver(pg, { connectionString: address }),
  placeOrder: async (client, process) => {
    await client.query('INSERT INTO orders (process) VALUES ($1)', [process]);
    await client.query('SELECT id FROM orders ORDER BY id DESC LIMIT 10');
    await client.query('SELECT pg_sleep($1)', [WORK_SECONDS]);
  },
};
