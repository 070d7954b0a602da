import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import mysql from 'mysql2/promise';
import { settingsOf } from '../../lib/core/config.ts';
import { mysqlDriver } from '../../lib/driver/mysql.ts';
import { createPool, type Pool } from '../../lib/index.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import { type MariadbServer, startMariadb } from '../support/mariadb.ts';
import { restartUnderLoad } from '../support/restart-scenario.ts';

const CAPACITY = 4;

let server: MariadbServer;
let users = 0;

beforeAll(async () => {
  server = await startMariadb({ own: true });
}, 60_000);
afterAll(() => server.stop());

interface World {
  readonly pools: readonly Pool<mysql.Connection>[];
  readonly user: string;
  /** What the server refused, as the pools were told. */
  readonly refused: { count: number };
}

/** Two pools, as two environments would have, on a user who is refused the fifth connection. */
const withWorld = async (work: (world: World) => Promise<void>): Promise<void> => {
  users += 1;
  const role = await server.createRole(`user${users}`, CAPACITY);
  await server.query(`CREATE TABLE ${role.database}.things (id integer NOT NULL)`);
  const registry = memoryRegistry();
  const refused = { count: 0 };
  const pools = [1, 2].map(() => {
    const driver = mysqlDriver(mysql, { uri: role.url });
    const pool = createPool({ resource: 'orders', capacity: CAPACITY, registry, driver });
    pool.events.on('connectionFailed', ({ failure }) => {
      if (failure === 'refused') refused.count += 1;
    });
    return pool;
  });
  await registry.configure('orders', settingsOf((pools[0] as Pool<mysql.Connection>).config), true);
  try {
    await work({ pools, user: role.user, refused });
  } finally {
    await Promise.all(pools.map((pool) => pool.close({ timeoutMs: 500 })));
  }
};

const insert = (pool: Pool<mysql.Connection>, id: number): Promise<unknown> =>
  pool.use((connection) => connection.query('INSERT INTO things VALUES (?)', [id]));

/** The connection was lost, by the word of mysql2 or of the server; or it is ours and says that another try may help. */
const isClear = (error: unknown): boolean =>
  Reflect.get(Object(error), 'retryable') === true ||
  /^(PROTOCOL_CONNECTION_LOST|ECONNRESET|EPIPE|ER_SERVER_SHUTDOWN|ER_CONNECTION_KILLED)$/.test(
    String(Reflect.get(Object(error), 'code')),
  );

const threadOf = (pool: Pool<mysql.Connection>): Promise<number> =>
  pool.use(async (connection) => connection.threadId);

describe('a MariaDB that restarts', () => {
  test('each caller sees one error at most, nothing is replayed, and the capacity holds', async () => {
    await withWorld(async ({ pools, user, refused }) => {
      await restartUnderLoad({
        inserts: pools.map((pool) => (id: number) => insert(pool, id)),
        restart: () => server.restart(),
        rows: async () => {
          const found = await server.query<{ id: number }>(`SELECT id FROM ${user}.things`);
          return found.map(({ id }) => id);
        },
        isClear,
      });
      expect(refused.count).toBe(0);
    });
  });
});

describe('a MariaDB that takes no writes any more', () => {
  test('the caller hears it once; its connection is closed, the lease released, and the next use connects anew', async () => {
    await withWorld(async ({ pools: [pool], user, refused }) => {
      if (pool === undefined) throw new Error('no pool');
      const before = await threadOf(pool);
      await server.query('SET GLOBAL read_only = 1');
      try {
        await expect(insert(pool, 1)).rejects.toMatchObject({ errno: 1290 });
      } finally {
        await server.query('SET GLOBAL read_only = 0');
      }
      await insert(pool, 2);
      expect(await threadOf(pool)).not.toBe(before);
      const sessions = await server.query('SELECT ID FROM information_schema.PROCESSLIST WHERE USER = ?', [
        user,
      ]);
      expect(sessions).toHaveLength(1);
      const rows = await server.query(`SELECT id FROM ${user}.things`);
      expect(rows).toEqual([{ id: 2 }]);
      expect(refused.count).toBe(0);
    });
  });

  test('reads go on, on the connection that there is', async () => {
    await withWorld(async ({ pools: [pool] }) => {
      if (pool === undefined) throw new Error('no pool');
      const before = await threadOf(pool);
      await server.query('SET GLOBAL read_only = 1');
      try {
        await pool.use((connection) => connection.query('SELECT COUNT(*) FROM things'));
        expect(await threadOf(pool)).toBe(before);
      } finally {
        await server.query('SET GLOBAL read_only = 0');
      }
    });
  });
});
