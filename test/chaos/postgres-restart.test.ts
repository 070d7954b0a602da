import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { settingsOf } from '../../lib/core/config.ts';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { createPool, type Pool } from '../../lib/index.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import { eventually, pause } from '../support/eventually.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { restartUnderLoad } from '../support/restart-scenario.ts';

const CAPACITY = 4;

let server: PostgresServer;
let roles = 0;

beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server.stop());

interface World {
  readonly pools: readonly Pool<pg.Client>[];
  /** The rows of the table that the borrowers write to. */
  rows(): Promise<number[]>;
  /** What the server refused, as the pools were told. */
  readonly refused: { count: number };
}

/** Two pools, as two environments would have, on a role that is refused the fifth connection. */
const withWorld = async (work: (world: World) => Promise<void>): Promise<void> => {
  roles += 1;
  const role = await server.createRole(`role${roles}`, CAPACITY, { database: `db${roles}` });
  const registry = memoryRegistry();
  const refused = { count: 0 };
  const pools = [1, 2].map(() => {
    const driver = postgresDriver(pg, { connectionString: role.url });
    const pool = createPool({ resource: 'orders', capacity: CAPACITY, registry, driver });
    pool.events.on('connectionFailed', ({ failure }) => {
      if (failure === 'refused') refused.count += 1;
    });
    return pool;
  });
  const [first] = pools as [Pool<pg.Client>];
  await registry.configure('orders', settingsOf(first.config), true);
  await server.query(`GRANT CREATE ON DATABASE "${role.database}" TO "${role.user}"`);
  await first.use((client) =>
    client.query('CREATE SCHEMA AUTHORIZATION CURRENT_USER CREATE TABLE things (id integer NOT NULL)'),
  );
  const rows = async (): Promise<number[]> => {
    const found = await first.use((client) => client.query<{ id: number }>('SELECT id FROM things'));
    return found.rows.map(({ id }) => id);
  };
  try {
    await work({ pools, rows, refused });
  } finally {
    await Promise.all(pools.map((pool) => pool.close({ timeoutMs: 500 })));
  }
};

const insert = (pool: Pool<pg.Client>, id: number): Promise<unknown> =>
  pool.use((client) => client.query('INSERT INTO things VALUES ($1)', [id]));

const pidOf = (pool: Pool<pg.Client>): Promise<number> =>
  pool.use(async (client) => {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return rows[0]?.pid ?? 0;
  });

/** The server's word that it stops, a connection that was cut, or ours that another try may help. */
const isClear = (error: unknown): boolean =>
  Reflect.get(Object(error), 'retryable') === true ||
  /^(57P0[123]|ECONNRESET|EPIPE)$/.test(String(Reflect.get(Object(error), 'code'))) ||
  /^Connection terminated/.test(String(Reflect.get(Object(error), 'message')));

describe('a PostgreSQL that restarts', () => {
  test('each caller sees one error at most, nothing is replayed, and the capacity holds', async () => {
    await withWorld(async ({ pools, rows, refused }) => {
      await restartUnderLoad({
        inserts: pools.map((pool) => (id: number) => insert(pool, id)),
        restart: () => server.restart(),
        rows,
        isClear,
      });
      expect(refused.count).toBe(0);
    });
  }, 60_000);
});

describe('a PostgreSQL that takes no writes any more', () => {
  /** As after a failover: the sessions that are open find themselves on a server for reading. */
  const readOnly = async (isOn: boolean): Promise<void> => {
    await server.query(`ALTER SYSTEM SET default_transaction_read_only = ${isOn ? 'on' : 'off'}`);
    await server.query('SELECT pg_reload_conf()');
    await pause(200);
  };

  test('the caller hears it once; its connection is closed, the lease given back, and the next use connects anew', async () => {
    await withWorld(async ({ pools: [pool], rows }) => {
      if (pool === undefined) throw new Error('no pool');
      const before = await pidOf(pool);
      await readOnly(true);
      try {
        await expect(insert(pool, 1)).rejects.toMatchObject({ code: '25006' });
        await eventually(() => pool.status().idle + pool.status().closing === 0);
      } finally {
        await readOnly(false);
      }
      await insert(pool, 2);
      expect(await pidOf(pool)).not.toBe(before);
      expect(await rows()).toEqual([2]);
      expect(pool.statistics().closed.broken).toBe(1);
    });
  });

  test('a transaction that its borrower made for reading costs nobody the connection', async () => {
    await withWorld(async ({ pools: [pool] }) => {
      if (pool === undefined) throw new Error('no pool');
      const before = await pidOf(pool);
      const wrong = pool.use(async (client) => {
        await client.query('BEGIN READ ONLY');
        await client.query('INSERT INTO things VALUES (1)');
      });
      await expect(wrong).rejects.toMatchObject({ code: '25006' });
      expect(await pidOf(pool)).toBe(before);
      await insert(pool, 2);
    });
  });
});
