import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { settingsOf } from '../../lib/core/config.ts';
import { postgresDriver, readCapacity } from '../../lib/driver/postgres.ts';
import { createPool, type Pool } from '../../lib/index.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { createSweeper, type SweeperOptions } from '../../lib/sweeper/sweeper.ts';
import { type PostgresRole, type PostgresServer, startPostgres } from '../support/postgres.ts';

jest.setTimeout(30_000);

const MAX = 40;
/** Of 40, three are kept for superusers and two for those who may use them. */
const FOR_ALL = 35;

let server: PostgresServer;
let role: PostgresRole;
let other: PostgresRole;
let roles = 0;
const clients: pg.Client[] = [];

beforeAll(async () => {
  server = await startPostgres({
    maxConnections: MAX,
    settings: ['superuser_reserved_connections=3', 'reserved_connections=2'],
  });
});

afterAll(() => server.stop());

beforeEach(async () => {
  roles += 1;
  role = await server.createRole(`app_${roles}`, -1, { database: `db_${roles}` });
  other = await server.createRole(`other_${roles}`, -1);
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()));
});

const connect = async (url: string, count = 1): Promise<pg.Client> => {
  const made = Array.from({ length: count }, () => new pg.Client({ connectionString: url }));
  clients.push(...made);
  await Promise.all(made.map((client) => client.connect()));
  return made[0] as pg.Client;
};

describe('the capacity that a database has', () => {
  test('is max_connections less every reservation; the connection that asks is its own', async () => {
    const capacity = await readCapacity(await connect(role.url));
    expect(capacity).toEqual({
      maxConnections: MAX,
      reserved: { superuser: 3, reserved: 2, platform: 0 },
      roleLimit: undefined,
      databaseLimit: undefined,
      others: { server: 0, database: 0, role: 0 },
      limitedBy: 'server',
      usable: FOR_ALL,
    });
  });

  test('is the truth: so many connections can be had, and the next is refused', async () => {
    await connect(other.url, 4);
    const { usable } = await readCapacity(await connect(role.url));
    expect(usable).toBe(FOR_ALL - 4);
    await connect(role.url, usable - 1);
    const surplus = new pg.Client({ connectionString: role.url });
    await expect(surplus.connect()).rejects.toMatchObject({ code: '53300' });
  });

  test('is limited by the role, by the database, and by what others have open there', async () => {
    const client = await connect(role.url);
    await server.query(`ALTER ROLE "${role.user}" CONNECTION LIMIT 12`);
    await connect(role.url, 2);
    expect(await readCapacity(client)).toMatchObject({ roleLimit: 12, limitedBy: 'role', usable: 10 });
    await server.query(`ALTER DATABASE "${role.database}" CONNECTION LIMIT 8`);
    expect(await readCapacity(client)).toMatchObject({
      databaseLimit: 8,
      others: { server: 2, database: 2, role: 2 },
      limitedBy: 'database',
      usable: 6,
    });
  });

  test('does not take the sessions of our own leases for those of others', async () => {
    const registry = memoryRegistry();
    const pool = poolOn(registry, 10);
    await registry.configure('orders', settingsOf(pool.config), true);
    const lent = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    const ours = { resource: 'orders', namespace: registry.namespace };
    expect(await readCapacity(await connect(other.url), { ours, role: role.user })).toMatchObject({
      others: { server: 0, role: 0 },
    });
    expect(await readCapacity(await connect(other.url), { role: role.user })).toMatchObject({
      others: { role: 3 },
    });
    await Promise.all(lent.map((each) => each.giveBack()));
    await pool.close();
  });
});

const poolOn = (registry: Registry, capacity: number): Pool<pg.Client> =>
  createPool({
    resource: 'orders',
    capacity,
    registry,
    driver: postgresDriver(pg, { connectionString: role.url }),
  });

/** A fleet of one pool with one connection open, and a sweeper with an administrator's role outside the capacity. */
const start = async (capacity: number, options: Partial<SweeperOptions> = {}) => {
  const registry = memoryRegistry();
  const pool = poolOn(registry, capacity);
  await registry.configure('orders', settingsOf(pool.config), true);
  const control = await server.createRole(`control_${roles}_${capacity}`, 1, { database: role.database });
  await server.query(`GRANT "${role.user}" TO "${control.user}"`);
  const sweeper = createSweeper({
    resource: 'orders',
    capacity,
    registry,
    control: postgresDriver(pg, { connectionString: control.url }, { role: role.user }),
    ...options,
  } as SweeperOptions);
  const told: object[] = [];
  sweeper.events.on('capacityTooHigh', (event) => told.push(event));
  return { registry, pool, sweeper, told };
};

const capacityOf = async (registry: Registry) => (await registry.inspect('orders'))?.settings;

describe('a sweeper that is to look', () => {
  test('warns where the capacity promises more than the database has, and changes nothing', async () => {
    const { pool, sweeper, told, registry } = await start(20, { checkCapacity: true });
    await server.query(`ALTER ROLE "${role.user}" CONNECTION LIMIT 15`);
    const lent = await pool.acquire();
    expect(await sweeper.sweep()).toMatchObject({
      lookedThrough: 'control',
      capacity: { configured: 20, usable: 15, limitedBy: 'role', resizedTo: undefined },
    });
    expect(told).toEqual([{ capacity: 20, usable: 15, limitedBy: 'role' }]);
    expect(await capacityOf(registry)).toMatchObject({ capacity: 20 });
    await lent.giveBack();
    await pool.close();
  });

  test('leaves a database alone in which the fleet has nothing open', async () => {
    const { pool, sweeper } = await start(20, { checkCapacity: true });
    expect(await sweeper.sweep()).toMatchObject({ lookedThrough: 'none', capacity: undefined });
    await pool.close();
  });

  test('and is not asked to looks for nothing', async () => {
    const { pool, sweeper } = await start(20);
    const lent = await pool.acquire();
    expect(await sweeper.sweep()).toMatchObject({ lookedThrough: 'none', capacity: undefined });
    await lent.giveBack();
    await pool.close();
  });
});

describe('a sweeper that follows the database', () => {
  test('shrinks at once, grows only where it is worth it, and stays within its bounds', async () => {
    const followCapacity = { min: 5, max: 30 };
    const { pool, sweeper, registry } = await start(30, { followCapacity });
    const lent = await pool.acquire();
    const limited = async (limit: number): Promise<number | undefined> => {
      await server.query(`ALTER ROLE "${role.user}" CONNECTION LIMIT ${limit}`);
      await sweeper.sweep();
      return (await capacityOf(registry))?.capacity;
    };
    expect(await limited(20)).toBe(20);
    expect(await capacityOf(registry)).toMatchObject({ headroom: 2 });
    expect(await limited(19)).toBe(19);
    expect(await limited(20)).toBe(19);
    expect(await limited(21)).toBe(21);
    expect(await limited(3)).toBe(5);
    expect(await limited(-1)).toBe(30);
    await lent.giveBack();
    await pool.close();
  });

  test('leaves others their part, and does not count a foreign session of the role twice', async () => {
    const { pool, sweeper, registry } = await start(30, { followCapacity: { min: 2, max: 100, share: 0.5 } });
    const lent = await pool.acquire();
    await server.query(`ALTER ROLE "${role.user}" CONNECTION LIMIT 20`);
    await connect(role.url, 4);
    await sweeper.sweep();
    // The registry itself takes the four off: six are left for leases, of the sixteen that the role has beside them.
    expect(await capacityOf(registry)).toMatchObject({ capacity: 10 });
    expect(await registry.inspect('orders')).toMatchObject({ foreign: 4 });
    await lent.giveBack();
    await pool.close();
  });

  test('tells wrong bounds by name', () => {
    const wrong = { min: 9, max: 3, share: 2 };
    const options = { resource: 'orders', capacity: 3, registry: memoryRegistry(), followCapacity: wrong };
    expect(() => createSweeper(options)).toThrow(/followCapacity\.min.*followCapacity\.share/s);
  });
});
