/**
 * A program that uses a pool, closes nothing, and comes to its end: whether the process ends with it is what its parent looks
 * at. Its settings come in one variable.
 */
import pg from 'pg';
import { settingsOf } from '../../lib/core/config.ts';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { createPool } from '../../lib/index.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';

export interface ExitSettings {
  readonly databaseUrl: string;
  readonly options: { readonly [name: string]: number | boolean };
}

const { databaseUrl, options } = JSON.parse(process.env['LEASEHOLD_EXIT'] ?? '') as ExitSettings;

const registry = memoryRegistry();
const pool = createPool({
  resource: 'orders',
  capacity: 4,
  ...options,
  registry,
  driver: postgresDriver(pg, { connectionString: databaseUrl }),
});

await registry.configure('orders', settingsOf(pool.config), true);
const slept = await pool.use(
  async (client) => (await client.query('SELECT pg_sleep(0.3), 1 AS one')).rows[0].one,
);
process.stdout.write(`used ${slept}, ${pool.status().idle} idle\n`);
