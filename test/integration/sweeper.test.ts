import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { settingsOf } from '../../lib/core/config.ts';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { createSweeper, type SweeperOptions } from '../../lib/sweeper/sweeper.ts';
import { eventually, pause } from '../support/eventually.ts';
import type { HolderSettings } from '../support/holder-child.ts';
import { LeasedWorld } from '../support/lambda.ts';
import { postgresAdmin, redisUrl } from '../support/servers.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

// Leases must expire first, in real time.
jest.setTimeout(20_000);

const CAPACITY = 4;
/** Over after two seconds. */
const SHORT = {
  resource: 'orders',
  capacity: CAPACITY,
  protectMs: 1_000,
  idleMs: 1_000,
  connectTimeoutMs: 400,
  dutyMs: 1_000,
};

let world: LeasedWorld;
let proxy: TcpProxy;
const children: ChildProcess[] = [];

beforeEach(async () => {
  world = await LeasedWorld.open(CAPACITY);
  const { host, port } = postgresAdmin();
  proxy = await startTcpProxy({ host, port });
  await world.pool(SHORT);
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await proxy.stop();
  await world[Symbol.asyncDispose]();
});

/** Starts a process that holds connections, and resolves when it does. */
const startHolder = async (connections: number, statement: string): Promise<ChildProcess> => {
  const settings: HolderSettings = {
    redisUrl: redisUrl(),
    databaseUrl: world.role.url,
    namespace: world.namespace,
    connections,
    statement,
    options: SHORT,
  };
  const program = fileURLToPath(new URL('../support/holder-child.ts', import.meta.url));
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, LEASEHOLD_HOLDER: JSON.stringify(settings) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  return child;
};

/** An administrator's role outside the capacity; `isMember`: it may see and end the leased role's sessions. */
const controlUrl = async (isMember: boolean): Promise<string> => {
  const name = `control_${randomBytes(6).toString('hex')}`;
  const role = await postgresAdmin().createRole(name, 1, { database: world.role.database });
  if (isMember) await postgresAdmin().query(`GRANT "${world.role.user}" TO "${name}"`);
  return role.url;
};

/** Through the proxy, so that a test sees every connection. */
const counted = (url: string): string => {
  const through = new URL(url);
  through.port = String(proxy.port);
  return through.href;
};

const sweeperOf = (options: Partial<SweeperOptions> = {}) => {
  const driver = postgresDriver(pg, { connectionString: counted(world.role.url) });
  const sweeper = createSweeper({ ...SHORT, registry: world.registry, driver, ...options });
  const failures: unknown[] = [];
  sweeper.events.on('connectionFailed', ({ error }) => failures.push(error));
  return { sweeper, failures };
};

const untilExpired = (held: number): Promise<unknown> =>
  eventually(async () => (await world.registry.inspect('orders'))?.revoking === held, {
    what: 'the expiry',
    timeoutMs: 8_000,
    everyMs: 50,
  });

describe('the sweeper, through a lease', () => {
  it('settles the leases of a process that was killed, and never exceeds the connection limit', async () => {
    const holder = await startHolder(3, 'SELECT 1');
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 3 });
    holder.kill('SIGKILL');
    await untilExpired(3);
    const { sweeper, failures } = sweeperOf();
    const report = await sweeper.sweep();
    expect(report).toMatchObject({
      isKnown: true,
      lookedThrough: 'lease',
      settled: 3,
      denied: 0,
      trouble: undefined,
    });
    expect(report).toMatchObject({ held: 0, revoking: 0, waiters: 0 });
    expect(failures).toEqual([]);
    expect(await world.sessions()).toBe(0);
  });

  it('ends a session that lives on, because its process was stopped in the middle of a statement', async () => {
    const holder = await startHolder(1, 'SELECT pg_sleep(60)');
    holder.kill('SIGSTOP');
    await untilExpired(1);
    expect(await world.sessions()).toBe(1);
    const { sweeper } = sweeperOf();
    expect(await sweeper.sweep()).toMatchObject({ lookedThrough: 'lease', settled: 1, revoking: 0, held: 0 });
    expect(await world.sessions()).toBe(0);
  });

  it('expires what is due by itself, and says how much', async () => {
    const holder = await startHolder(2, 'SELECT 1');
    holder.kill('SIGKILL');
    await eventually(async () => (await world.sessions()) === 0);
    await pause(2_300);
    expect(await sweeperOf().sweeper.sweep()).toMatchObject({ expired: 2, settled: 2, revoking: 0 });
  });

  it('touches the database only when there is something to do', async () => {
    const { sweeper } = sweeperOf();
    // A lease of somebody who is seen no more; his session was on a server that is no more.
    const granted = await world.registry.grant({
      ...{ resource: 'orders', leaseId: 'AAAAAAAAAAAAAAAA', again: false, stamp: 0, wait: false },
      ...{ holder: 'h', group: 'g', settings: settingsOf((await world.pool(SHORT)).config) },
    });
    if (granted.kind !== 'granted') throw new Error(granted.kind);
    const item = { id: 'AAAAAAAAAAAAAAAA', fence: granted.fence, turn: 1, session: 'gone.1', idle: false };
    await world.registry.renew('orders', 'h', [item]);
    expect(await sweeper.sweep()).toMatchObject({ lookedThrough: 'none', held: 1, revoking: 0 });
    expect(proxy.counters.accepted).toBe(0);
    await untilExpired(1);
    await sweeper.sweep();
    expect(proxy.counters.accepted).toBe(1);
    expect(await sweeper.sweep()).toMatchObject({ lookedThrough: 'none', settled: 0, revoking: 0, held: 0 });
    expect(proxy.counters.accepted).toBe(1);
  });

  it('reports a database that is away, keeps no lease, and does it next time', async () => {
    const holder = await startHolder(1, 'SELECT 1');
    holder.kill('SIGKILL');
    await untilExpired(1);
    await proxy.refuse();
    const { sweeper } = sweeperOf();
    const report = await sweeper.sweep();
    expect(report).toMatchObject({
      settled: 0,
      held: 0,
      revoking: 1,
      lookedThrough: 'none',
      health: 'failing',
    });
    expect(report.trouble).toMatchObject({ code: 'CONNECT_FAILED', details: { failure: 'unreachable' } });
    await proxy.accept();
    // The duty rode on the grant of the failed attempt; it is free again after dutyMs.
    await eventually(async () => (await sweeper.sweep()).revoking === 0, { timeoutMs: 8_000, everyMs: 200 });
  });

  it('of two at once one is elected and does it all; the other one says so and does nothing', async () => {
    const holder = await startHolder(3, 'SELECT 1');
    holder.kill('SIGKILL');
    await untilExpired(3);
    const first = sweeperOf();
    const second = sweeperOf();
    const reports = await Promise.all([first.sweeper.sweep(), second.sweeper.sweep()]);
    const [done, skipped] = reports.toSorted((one, other) => Number(other.isElected) - Number(one.isElected));
    expect(done).toMatchObject({ isElected: true, settled: 3, health: 'healthy' });
    expect(skipped).toMatchObject({
      isElected: false,
      settled: 0,
      lookedThrough: 'none',
      trouble: undefined,
    });
    expect([...first.failures, ...second.failures]).toEqual([]);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, revoking: 0 });
  });
});

describe('the sweeper, through a role outside the capacity', () => {
  const viaControl = async (isMember: boolean) => {
    const url = counted(await controlUrl(isMember));
    const control = postgresDriver(pg, { connectionString: url }, { role: world.role.user });
    return sweeperOf({ control });
  };

  it('ends and settles the session of a stopped process, and takes no lease', async () => {
    const holder = await startHolder(1, 'SELECT pg_sleep(60)');
    holder.kill('SIGSTOP');
    await untilExpired(1);
    const { sweeper } = await viaControl(true);
    world.registryCalls.length = 0;
    expect(await sweeper.sweep()).toMatchObject({
      lookedThrough: 'control',
      settled: 1,
      revoking: 0,
      held: 0,
    });
    expect(world.registryCalls).not.toContain('grant');
    expect(await world.sessions()).toBe(0);
    expect(proxy.counters.accepted).toBe(1);
  });

  it('leaves a session alone that it may not end, and says so', async () => {
    const holder = await startHolder(1, 'SELECT pg_sleep(60)');
    holder.kill('SIGSTOP');
    await untilExpired(1);
    const { sweeper } = await viaControl(false);
    const report = await sweeper.sweep({ timeBudgetMs: 1_000 });
    expect(report).toMatchObject({ lookedThrough: 'control', settled: 0, revoking: 1 });
    expect(report.denied).toBeGreaterThan(0);
    expect(await world.sessions()).toBe(1);
  });

  it('does not go to the database for duties that somebody else is at', async () => {
    const holder = await startHolder(1, 'SELECT 1');
    holder.kill('SIGKILL');
    await untilExpired(1);
    expect((await world.registry.sweep('orders', 10)).duties).toHaveLength(1);
    const { sweeper } = await viaControl(true);
    expect(await sweeper.sweep()).toMatchObject({ lookedThrough: 'none', settled: 0, revoking: 1 });
    expect(proxy.counters.accepted).toBe(0);
  });
});

describe('a sweep', () => {
  it('is bounded: where no lease is to be had, it says so when its time is up', async () => {
    const fleet = { inUse: 3, capacity: 3, pressure: true };
    const queued = { kind: 'queued', position: 2, stamp: 1, retryAfterMs: 50, ...fleet } as const;
    const busy: Registry = {
      ...memoryRegistry(),
      sweep: async () => ({ isElected: true, expired: 0, held: 1, revoking: 1, dutyMs: 1_000, duties: [] }),
      grant: async () => queued,
    };
    const { sweeper } = sweeperOf({ registry: busy });
    const report = await sweeper.sweep({ timeBudgetMs: 300 });
    expect(report.elapsedMs).toBeGreaterThanOrEqual(290);
    expect(report.elapsedMs).toBeLessThan(800);
    expect(report).toMatchObject({ lookedThrough: 'none', trouble: { code: 'ACQUIRE_TIMEOUT' } });
    expect(proxy.counters.accepted).toBe(0);
  });

  it('of a resource that the registry does not know reports just that', async () => {
    const { sweeper } = sweeperOf({ resource: 'unheard-of' });
    expect(await sweeper.sweep()).toMatchObject({ isKnown: false, held: 0, lookedThrough: 'none' });
  });

  it('with wrong options is refused with every problem at once', () => {
    const wrong = { resource: 'Orders!', capacity: 0, maxRounds: 0, timeBudgetMs: -1, lookEveryMs: 0.5 };
    // @ts-expect-error wrong on purpose
    expect(() => createSweeper(wrong)).toThrow(
      /registry:.*driver or control:.*maxRounds:.*timeBudgetMs:.*lookEveryMs:.*resource:.*capacity:/s,
    );
  });
});
