import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { createSweeper, type SweeperOptions } from '../../lib/sweeper/sweeper.ts';
import { eventually } from '../support/eventually.ts';
import type { HolderSettings } from '../support/holder-child.ts';
import { LeasedWorld } from '../support/lambda.ts';
import { postgresAdmin, redisUrl } from '../support/servers.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

// Protection must lapse first, and a breaker must be half open, in real time.
jest.setTimeout(30_000);

const CAPACITY = 4;
const OPTIONS = {
  resource: 'orders',
  capacity: CAPACITY,
  protectMs: 1_000,
  idleMs: 60_000,
  connectTimeoutMs: 400,
} as const;

let world: LeasedWorld;
let proxy: TcpProxy;
let child: ChildProcess | undefined;

beforeEach(async () => {
  world = await LeasedWorld.open(CAPACITY);
  const { host, port } = postgresAdmin();
  proxy = await startTcpProxy({ host, port });
  await world.pool(OPTIONS);
});

afterEach(async () => {
  child?.kill('SIGKILL');
  await proxy.stop();
  await world[Symbol.asyncDispose]();
});

const sweeperOf = (options: Partial<SweeperOptions> = {}) => {
  const url = new URL(world.role.url);
  url.port = String(proxy.port);
  const driver = postgresDriver(pg, { connectionString: url.href });
  return createSweeper({ ...OPTIONS, registry: world.registry, driver, ...options });
};

/** Holds connections, and is frozen then: nobody renews their leases, and nobody notices what becomes of the sessions. */
const startFrozen = async (connections: number): Promise<void> => {
  const settings: HolderSettings = {
    redisUrl: redisUrl(),
    databaseUrl: world.role.url,
    namespace: world.namespace,
    connections,
    statement: 'SELECT 1',
    options: OPTIONS,
  };
  child = spawn(process.execPath, [fileURLToPath(new URL('../support/holder-child.ts', import.meta.url))], {
    env: { ...process.env, LEASEHOLD_HOLDER: JSON.stringify(settings) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
  child.kill('SIGSTOP');
  await eventually(async () => (await world.registry.inspect('orders'))?.protectedCount === 0, {
    what: 'the end of the protection',
    timeoutMs: 8_000,
  });
};

const endSessions = (count: number): Promise<unknown> =>
  postgresAdmin().query(
    `SELECT pg_terminate_backend(pid, 2000) FROM
     (SELECT pid FROM pg_stat_activity WHERE usename = $1 LIMIT ${count}) AS ours`,
    [world.role.user],
  );

describe('a sweep that looks', () => {
  it('goes to the database at its interval, and not more often', async () => {
    const sweeper = sweeperOf({ lookEveryMs: 60_000 });
    // The one session is the sweeper's own.
    expect(await sweeper.sweep()).toMatchObject({ lookedThrough: 'lease', census: { sessions: 1 } });
    expect(await sweeper.sweep()).toMatchObject({ lookedThrough: 'none', health: 'unknown' });
    expect(proxy.counters.accepted).toBe(1);
    expect(await world.registry.inspect('orders')).toMatchObject({
      sweep: { isRunning: false, lookedAgoMs: expect.any(Number) },
    });
    // Every sweep of this one finds its interval over.
    expect(await sweeperOf({ lookEveryMs: 1 }).sweep()).toMatchObject({ lookedThrough: 'lease' });
  });

  it('gives the places back of leases whose sessions are gone, and leaves those that have one', async () => {
    await startFrozen(2);
    await endSessions(1);
    const report = await sweeperOf({ lookEveryMs: 60_000 }).sweep();
    expect(report).toMatchObject({
      vacated: 1,
      adopted: 0,
      settled: 1,
      held: 1,
      revoking: 0,
      trouble: undefined,
    });
    expect(await world.sessions()).toBe(1);
  });

  it('takes a session for a lease again that the registry does not know', async () => {
    await startFrozen(2);
    const [known] = (await world.registry.inspect('orders', 1))?.entries ?? [];
    if (known === undefined) throw new Error('nothing held');
    await world.registry.release('orders', known.holder, [{ ...known.lease, outcome: 'closed' }]);
    expect(await sweeperOf({ lookEveryMs: 60_000 }).sweep()).toMatchObject({
      adopted: 1,
      vacated: 0,
      held: 2,
      foreign: 0,
    });
    expect(await world.sessions()).toBe(2);
  });
});

describe('a sweep behind an open breaker', () => {
  const openBreaker = async (): Promise<void> => {
    for (const holder of ['one', 'two', 'three'])
      await world.registry.operate('orders', { kind: 'observe', holder, outcome: 'unanswered' });
    expect(await world.registry.inspect('orders')).toMatchObject({ breaker: 'open' });
  };

  const untilHalfOpen = (): Promise<unknown> =>
    eventually(async () => (await world.registry.inspect('orders'))?.breaker === 'half-open', {
      what: 'a half-open breaker',
      timeoutMs: 10_000,
    });

  it('leaves the database alone while it is open', async () => {
    await openBreaker();
    expect(await sweeperOf().sweep()).toMatchObject({ breaker: 'open', lookedThrough: 'none' });
    expect(proxy.counters.accepted).toBe(0);
  });

  it('tries a database that may be back, and closes it', async () => {
    await openBreaker();
    await untilHalfOpen();
    expect(await sweeperOf().sweep()).toMatchObject({
      breaker: 'closed',
      health: 'healthy',
      trouble: undefined,
    });
    expect(proxy.counters.accepted).toBe(1);
  });

  it('tries with the leased role, whatever the administrator’s can do', async () => {
    await openBreaker();
    await untilHalfOpen();
    const admin = await postgresAdmin().createRole(`${world.role.user}_c`, 1, {
      database: world.role.database,
    });
    await postgresAdmin().query(`GRANT "${world.role.user}" TO "${admin.user}"`);
    const control = postgresDriver(pg, { connectionString: admin.url }, { role: world.role.user });
    await proxy.refuse();
    expect(await sweeperOf({ control }).sweep()).toMatchObject({ breaker: 'open', health: 'failing' });
    await proxy.accept();
    await untilHalfOpen();
    expect(await sweeperOf({ control }).sweep()).toMatchObject({ breaker: 'closed', health: 'healthy' });
  });
});
