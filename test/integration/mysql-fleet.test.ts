import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import mysql from 'mysql2/promise';
import { settingsOf } from '../../lib/core/config.ts';
import { sessionLabel } from '../../lib/core/label.ts';
import { EPOCH_MS, FENCES_PER_MS } from '../../lib/core/limits.ts';
import { systemRandom } from '../../lib/core/random.ts';
import type { DriverConnection } from '../../lib/driver/driver.ts';
import { mysqlDriver } from '../../lib/driver/mysql.ts';
import { createPool, type Pool, type PoolOptions } from '../../lib/index.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { createSweeper } from '../../lib/sweeper/sweeper.ts';
import { eventually, pause } from '../support/eventually.ts';
import type { MariadbRole } from '../support/mariadb.ts';
import { soleValueOf } from '../support/mysql-session.ts';
import { openRequest } from '../support/postgres-session.ts';
import { freshMariadbRole, mariadbAdmin } from '../support/servers.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

// A quiet time must pass before each census, in real time.
jest.setTimeout(20_000);

const CAPACITY = 4;
const SHORT = {
  resource: 'orders',
  capacity: CAPACITY,
  protectMs: 2_000,
  idleMs: 20_000,
  connectTimeoutMs: 400,
  dutyMs: 1_000,
  max: 1,
};

type MysqlPool = Pool<mysql.Connection>;

let role: MariadbRole;
let registry: Registry;
let refused = 0;
const censuses: unknown[] = [];
const pools: MysqlPool[] = [];
const others: DriverConnection<mysql.Connection>[] = [];

beforeEach(async () => {
  role = await freshMariadbRole(CAPACITY);
  registry = memoryRegistry();
  refused = 0;
  censuses.length = 0;
});

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close({ timeoutMs: 100 })));
  await Promise.all(others.splice(0).map((connection) => connection.close(500)));
});

const openPool = (options: Partial<PoolOptions<mysql.Connection>> = {}, uri = role.url): MysqlPool => {
  const pool = createPool({ ...SHORT, registry, driver: mysqlDriver(mysql, { uri }), ...options });
  pool.events.on('connectionFailed', ({ failure }) => {
    if (failure === 'refused') refused += 1;
  });
  pool.events.on('censusDone', (census) => censuses.push(census));
  pools.push(pool);
  return pool;
};

/** The first pool; the operator says that the resource is new. */
const openFirst = async (options: Partial<PoolOptions<mysql.Connection>> = {}): Promise<MysqlPool> => {
  const pool = openPool(options);
  await registry.configure('orders', settingsOf(pool.config), true);
  return pool;
};

/** A session that a process has left behind, under a lease that nobody knows. */
const leaveBehind = async (): Promise<void> => {
  const lease = { id: systemRandom.id(), fence: (Date.now() - EPOCH_MS) * FENCES_PER_MS };
  const label = sessionLabel('orders', registry.namespace, lease);
  const opened = await mysqlDriver(mysql, { uri: role.url }).open(openRequest({ label }));
  if (opened.kind !== 'open') throw opened.error;
  others.push(opened.connection);
};

const serve = (pool: MysqlPool): Promise<unknown> =>
  pool.use((connection) => soleValueOf(connection, 'SELECT CONNECTION_ID()'), { timeoutMs: 12_000 });

const report = async () => {
  const known = await registry.inspect('orders', 10);
  if (known === undefined) throw new Error('The registry does not know the resource.');
  return known;
};

const backends = async (): Promise<number> => {
  const rows = await mariadbAdmin().query('SELECT ID FROM information_schema.PROCESSLIST WHERE USER = ?', [
    role.user,
  ]);
  return rows.length;
};

describe('a fleet on MariaDB', () => {
  it('an unprotected connection gives its place up to whoever wants it: its session is killed, and nobody is refused', async () => {
    const first = await openFirst({ protectMs: 1_000, quantumMs: 0 });
    const rest = Array.from({ length: CAPACITY + 3 }, () => openPool({ protectMs: 1_000, quantumMs: 0 }));
    for (const pool of [first, ...rest, first]) {
      await serve(pool);
      expect(await backends()).toBeLessThanOrEqual(CAPACITY);
    }
    expect(refused).toBe(0);
  });

  it('after a lost memory holders bring back what they use, and a census finds the rest', async () => {
    const holder = await openFirst({ max: 2 });
    const lent = await holder.acquire();
    await serve(holder);
    await leaveBehind();
    await registry.forget('orders');
    await serve(openPool());
    expect(await report()).toMatchObject({ learningMs: 0, foreign: 0 });
    // The lent one, the idle one, and the one that nobody brought.
    expect(censuses).toEqual([{ sessions: 3, foreign: 0 }]);
    expect(refused).toBe(0);
    await lent.giveBack();
  });

  it('a stranger on the user takes its place off the capacity, until a sweep no longer sees it', async () => {
    const stranger = await mysql.createConnection(role.url);
    await serve(openPool());
    expect(censuses).toEqual([{ sessions: 1, foreign: 1 }]);
    const sweeper = createSweeper({
      ...SHORT,
      registry,
      control: mysqlDriver(mysql, { uri: mariadbAdmin().adminUrl }, { role: role.user }),
    });
    expect(await sweeper.sweep()).toMatchObject({
      ...{ lookedThrough: 'control', census: { sessions: 1, foreign: 1 }, adopted: 0 },
      ...{ held: 1, foreign: 1 },
    });
    await stranger.end();
    await eventually(async () => (await sweeper.sweep()).foreign === 0);
  });

  it('a lease whose login was lost on the way is settled by a look, but not while a session has no label', async () => {
    await openFirst().then(serve);
    const { host, port } = mariadbAdmin();
    const proxy = await startTcpProxy({ host, port });
    const through = Object.assign(new URL(role.url), { host: `${proxy.host}:${proxy.port}` }).href;
    const stranger = await mysql.createConnection(role.url);
    proxy.dropReplies();
    await openPool({ retryConnects: false }, through)
      .use(async () => undefined)
      .catch(() => undefined);
    await eventually(async () => (await report()).revoking === 1);
    // The connect bound is 1.4 s.
    await pause(1_800);
    const worker = openPool({ capacity: CAPACITY });
    const look = (): Promise<unknown> => serve(worker).catch(() => undefined);
    await look();
    expect((await report()).revoking).toBe(1);
    await stranger.end();
    await eventually(
      async () => {
        await look();
        return (await report()).revoking === 0;
      },
      { timeoutMs: 12_000, everyMs: 200 },
    );
    await proxy.stop();
    expect(refused).toBe(0);
  });
});
