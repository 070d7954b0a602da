import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { type Pool, PRESETS } from '../../lib/index.ts';
import { eventually, pause } from '../support/eventually.ts';
import { LeasedWorld } from '../support/lambda.ts';
import { type PgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { openRequest, withConnection } from '../support/postgres-session.ts';
import { postgresAdmin } from '../support/servers.ts';

jest.setTimeout(30_000);

/** What the fleet may have at the pooler, and what the pooler may have at the database. */
const CAPACITY = 4;
const POOL_SIZE = 2;

let world: LeasedWorld;
let bouncer: PgBouncer;

beforeEach(async () => {
  world = await LeasedWorld.open(POOL_SIZE);
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
  await bouncer.stop();
});

const start = async (mode: 'session' | 'transaction', settings: readonly string[] = []): Promise<void> => {
  bouncer = await startPgBouncer(world.role, { mode, poolSize: POOL_SIZE, settings });
};

const pooledDriver = () => postgresDriver(pg, { connectionString: bouncer.url }, { behindPooler: true });

const poolOf = (options: object = {}): Promise<Pool<pg.Client>> =>
  world.pool({ driver: pooledDriver(), capacity: CAPACITY, ...PRESETS.pooler, ...options });

/** What the pooler itself counts of its clients. */
const clientsAtPooler = async (): Promise<number> => {
  const { host, port } = { host: '127.0.0.1', port: bouncer.port };
  const { user, password } = world.role;
  const admin = new pg.Client({ host, port, user, password, database: 'pgbouncer' });
  await admin.connect();
  const { rows } = await admin.query('SHOW CLIENTS');
  await admin.end();
  return rows.filter(({ database }) => database === world.role.database).length;
};

describe.each(['session', 'transaction'] as const)('PgBouncer in %s mode', (mode) => {
  it('refuses startup options; a driver that was not told goes on without them', async () => {
    await start(mode);
    await withConnection({ connectionString: bouncer.url }, {}, async ({ client }) => {
      expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    });
  });

  it('a driver that was told asks for none at once, and sets nothing on a session that is not its own', async () => {
    await start(mode);
    const config = { connectionString: bouncer.url };
    const ask = async ({ client }: { client: pg.Client }): Promise<void> => {
      const { rows } = await client.query(
        `SELECT current_setting('idle_session_timeout') AS idle, current_setting('application_name') AS label`,
      );
      expect(rows).toEqual([{ idle: '0', label: openRequest().label }]);
    };
    await withConnection(config, {}, ask, { behindPooler: true });
  });

  it('pools of several processes work through it: never more clients than the capacity', async () => {
    await start(mode, [`stats_users = ${world.role.user}`]);
    // In session mode a client keeps its session at the database: then the pooler can serve no more than that at once.
    const capacity = mode === 'session' ? POOL_SIZE : CAPACITY;
    const pools = await Promise.all([1, 2, 3].map(() => poolOf({ capacity, max: 2 })));
    const seen: number[] = [];
    const work = pools.flatMap((pool) =>
      Array.from({ length: 20 }, async (_, n) => {
        const { rows } = await pool.use((client) => client.query('SELECT $1::int AS n', [n]));
        expect(rows).toEqual([{ n }]);
      }),
    );
    const watch = (async () => {
      for (let look = 0; look < 10; look += 1) seen.push(await clientsAtPooler());
    })();
    await Promise.all([...work, watch]);
    expect(Math.max(...seen)).toBeLessThanOrEqual(capacity);
    expect(await world.sessions()).toBeLessThanOrEqual(POOL_SIZE);
  });
});

describe('in transaction mode', () => {
  it('a transaction has one session from BEGIN to COMMIT, and one that is left open is rolled back', async () => {
    await start('transaction');
    const pool = await poolOf({ max: 1 });
    const left: unknown[] = [];
    pool.events.on('transactionLeftOpen', (event) => left.push(event));
    await pool.use(async (client) => {
      await client.query('BEGIN');
      const pids = [await pidOf(client), await pidOf(client)];
      expect(new Set(pids).size).toBe(1);
    });
    expect(left).toEqual([{ rolledBack: true }]);
    expect(await pool.use((client) => client.query('SELECT 1'))).toMatchObject({ rowCount: 1 });
  });

  it('more clients than sessions share them', async () => {
    await start('transaction');
    const pool = await poolOf({ max: CAPACITY });
    const lent = await Promise.all(Array.from({ length: CAPACITY }, () => pool.acquire()));
    const pids = await Promise.all(lent.map(({ connection }) => pidOf(connection)));
    expect(new Set(pids).size).toBeLessThanOrEqual(POOL_SIZE);
    await Promise.all(lent.map((each) => each.giveBack()));
  });

  it('a revoked lease ends nobody’s session: the next holder goes on, and the work of the others too', async () => {
    await start('transaction');
    const options = {
      capacity: 2,
      headroom: 1,
      max: 1,
      protectMs: 1_000,
      idleMs: 1_000,
      connectTimeoutMs: 400,
    };
    const still = await poolOf(options);
    const busy = await poolOf(options);
    const idle = await still.acquire();
    await idle.giveBack();
    const working = busy.use((client) => client.query('SELECT pg_sleep(2.5), 7 AS seven'));
    const next = await poolOf(options);
    const before = await eventually(() => sessionsAtDatabase(), { timeoutMs: 2_000 });
    expect(await next.use(async (client) => (await client.query('SELECT 1 AS one')).rows)).toEqual([
      { one: 1 },
    ]);
    expect((await working).rows[0]).toMatchObject({ seven: 7 });
    expect(before.length).toBeGreaterThan(0);
    await eventually(async () => (await world.registry.inspect('orders'))?.revoking === 0);
  });

  it('the pooler ends what a dead holder has left there, where it is told to: client_idle_timeout', async () => {
    await start('transaction', ['client_idle_timeout = 1', `stats_users = ${world.role.user}`]);
    const pool = await poolOf({ max: 1, idleTimeoutMs: 60_000 });
    await pool.use((client) => client.query('SELECT 1'));
    expect(await clientsAtPooler()).toBe(1);
    await pause(1_500);
    expect(await clientsAtPooler()).toBe(0);
    // It was seen, and another one is opened.
    expect(await pool.use((client) => client.query('SELECT 1'))).toMatchObject({ rowCount: 1 });
  });
});

const pidOf = async (client: pg.Client): Promise<number> =>
  (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;

const sessionsAtDatabase = (): Promise<{ pid: number }[]> =>
  postgresAdmin().query<{ pid: number }>('SELECT pid FROM pg_stat_activity WHERE usename = $1', [
    world.role.user,
  ]);
