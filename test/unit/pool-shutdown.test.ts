import { describe, expect, test } from '@jest/globals';
import { sleep } from '../../lib/core/clock.ts';
import type { Driver } from '../../lib/driver/driver.ts';
import { LeaseholdError, type Pool, type PoolOptions } from '../../lib/index.ts';
import type { FakeClient } from '../support/fake-database.ts';
import { PoolWorld } from '../support/pool-world.ts';

const OPERATION_MS = 3_000;
const FAREWELL_MS = 1_000;

type Prepare = (world: PoolWorld, pool: Pool<FakeClient>) => Promise<unknown>;

/** What nobody waits for any more must not become an unhandled rejection. */
const ignored = (work: Promise<unknown>): void => void work.catch(() => undefined);

const idle: Prepare = (world, pool) => world.until(pool.use(() => undefined));

/** Each brings a pool into a state in which it is then closed. */
const STATES: Readonly<Record<string, Prepare>> = {
  'it is empty': async () => undefined,
  'a connection is idle': idle,
  'a connection is lent and never comes back': (world, pool) => world.until(pool.acquire()),
  'a connection is lent and comes back': async (world, pool) => {
    const lent = await world.until(pool.acquire());
    world.clock.setBackgroundTimer(200, () => ignored(lent.giveBack()));
  },
  'a lease is being asked for': async (world, pool) => {
    world.interfere = async (operation, call) => {
      if (operation === 'grant') await sleep(world.clock, 300);
      return call();
    };
    ignored(pool.acquire());
  },
  'a lease is waited for in the queue': async (world, pool) => {
    const other = world.pool({ max: 3 });
    for (let n = 0; n < 3; n += 1) await world.until(other.acquire());
    ignored(pool.acquire());
    await world.clock.advanceAsync(200);
    expect(await world.registry.inspect('orders')).toMatchObject({ waiters: 1 });
  },
  'a connection is being opened': async (world, pool) => {
    world.database.steps.open = 'slow';
    ignored(pool.acquire());
    await world.clock.flush();
  },
  'the next attempt to open is waited for': async (world, pool) => {
    world.database.nextOpens.push({ how: 'refuse', failure: 'starting' });
    ignored(pool.acquire());
    await world.clock.flush();
  },
  'a connection is being reset': async (world, pool) => {
    const lent = await world.until(pool.acquire());
    lent.connection.begin();
    world.database.steps.reset = 'slow';
    ignored(lent.giveBack());
    await world.clock.flush();
  },
  'a connection is checked for a caller': async (world, pool) => {
    await idle(world, pool);
    await world.clock.advanceAsync(6_000);
    world.database.steps.check = 'slow';
    ignored(pool.acquire());
    await world.clock.flush();
  },
  'a lapsed lease is being asked about': async (world, pool) => {
    await idle(world, pool);
    await world.clock.advanceAsync(12_000);
    world.interfere = async (operation, call) => {
      if (operation === 'renew') await sleep(world.clock, 500);
      return call();
    };
    ignored(pool.acquire());
    await world.clock.flush();
  },
  'a health round is being made': async (world, pool) => {
    await idle(world, pool);
    world.database.steps.check = 'slow';
    await world.clock.advanceAsync(30_100);
    expect(pool.status()).toMatchObject({ busy: 1 });
  },
  'it is being topped up': async (world, pool) => {
    world.database.steps.open = 'slow';
    pool.beginInvocation();
    await world.clock.flush();
    expect(pool.status()).toMatchObject({ opening: 1 });
  },
  'somebody warms it, in vain': async (world, pool) => {
    for (let n = 0; n < 9; n += 1) world.database.nextOpens.push({ how: 'refuse', failure: 'starting' });
    ignored(pool.warm());
    await world.clock.advanceAsync(1_500);
  },
  'a goodbye is not answered': async (world, pool) => {
    await idle(world, pool);
    world.database.steps.close = 'never';
  },
  'a goodbye throws': async (world, pool) => {
    await idle(world, pool);
    world.database.steps.close = 'throws';
  },
  'it is being closed already': async (world, pool) => {
    await world.until(pool.acquire());
    ignored(pool.close({ timeoutMs: 100 }));
    await world.clock.flush();
  },
};

const options = { max: 2, min: 1 } satisfies Partial<PoolOptions<FakeClient>>;

const CASES = Object.entries(STATES).flatMap(([name, prepare]) =>
  [0, 1_000, 5_000].map((timeoutMs) => ({ name, prepare, timeoutMs })),
);

describe('closing', () => {
  test.each(CASES)(
    'in $timeoutMs ms while $name gives every lease back, in time',
    async ({ prepare, timeoutMs }) => {
      const world = new PoolWorld(4);
      const pool = await world.start(options);
      await prepare(world, pool);
      const others = world.database.labels.length;
      const since = world.clock.read();
      await world.until(pool.close({ timeoutMs }));
      expect(world.clock.elapsedMs(since)).toBeLessThanOrEqual(timeoutMs + 2 * OPERATION_MS + FAREWELL_MS);
      await world.clock.flush();
      expect(pool.status()).toMatchObject({ idle: 0, lent: 0, busy: 0, opening: 0, closing: 0, waiting: 0 });
      const report = await world.registry.inspect('orders', 10);
      const mine =
        report?.entries.filter(({ state, group }) => state !== 'revoking' && group !== 'other') ?? [];
      // Only the state in which another pool has everything leaves leases: that pool's.
      expect(mine).toHaveLength(others === 3 ? 3 : 0);
      expect(report?.waiters ?? 0).toBe(0);
      expect(world.clock.pending.foreground).toBe(0);
      const { opened, closed } = pool.statistics();
      expect(Object.values(closed).reduce((sum, count) => sum + count)).toBe(opened);
    },
  );

  test.each(CASES.filter(({ timeoutMs }) => timeoutMs === 0))(
    'is the end: closed while $name, nothing of it runs or opens for a day',
    async ({ prepare }) => {
      const world = new PoolWorld(4);
      const pool = await world.start(options);
      await prepare(world, pool);
      await world.until(pool.close({ timeoutMs: 0 }));
      await world.clock.advanceAsync(40_000);
      const opens = world.database.opens.length;
      const calls = world.calls.length;
      await world.clock.advanceAsync(600_000);
      expect(world.database.opens).toHaveLength(opens);
      const own = world.eventsNamed('leaseGranted').length;
      // The other pool's three leases are lent, and renewed.
      if (own < 3) expect(world.calls.length).toBe(calls);
      await expect(pool.use(() => undefined)).rejects.toMatchObject({ code: 'POOL_CLOSED' });
      await expect(pool.acquire()).rejects.toMatchObject({ code: 'POOL_CLOSED' });
      await expect(pool.warm()).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    },
  );

  test('a connect may take longer than every other step: it is waited for', async () => {
    const world = new PoolWorld(4);
    const pool = await world.start({ max: 1, operationTimeoutMs: 100, connectTimeoutMs: 3_000 });
    world.database.nextOpens.push({ how: 'slow', ms: 2_500 });
    ignored(pool.acquire());
    await world.clock.flush();
    await world.until(pool.close({ timeoutMs: 0 }));
    expect(world.database.labels).toEqual([]);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0 });
  });

  test('what a driver opens long after its bound is closed when it comes, and sets no timer again', async () => {
    const world = new PoolWorld(4);
    const { driver } = world.database;
    const late: Driver<FakeClient> = {
      engine: 'late',
      open: async (request) => {
        await sleep(world.clock, 20_000);
        return driver.open(request);
      },
    };
    const pool = await world.start({ ...options, driver: late });
    ignored(pool.acquire());
    await world.clock.flush();
    await world.until(pool.close({ timeoutMs: 0 }));
    await world.clock.advanceAsync(30_000);
    expect(world.database.opens).toHaveLength(1);
    expect(world.database.labels).toEqual([]);
    expect(world.clock.pending).toEqual({ foreground: 0, background: 0 });
  });

  test('with the registry away it ends in time, and repeats its farewells beside whatever is left', async () => {
    const world = new PoolWorld(4);
    const pool = await world.start(options);
    await idle(world, pool);
    const { interfere } = world;
    world.interfere = async () => {
      throw new LeaseholdError('REGISTRY_UNREACHABLE', 'cut');
    };
    const since = world.clock.read();
    await world.until(pool.close());
    expect(world.clock.elapsedMs(since)).toBeLessThanOrEqual(5_000 + OPERATION_MS + FAREWELL_MS);
    expect(world.database.labels).toEqual([]);
    expect(world.clock.pending.foreground).toBe(0);
    world.interfere = interfere;
    await world.clock.advanceAsync(1_000);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0 });
  });

  test('every call of close is the same end', async () => {
    const world = new PoolWorld(4);
    const pool = await world.start();
    const first = pool.close();
    expect(pool.close({ timeoutMs: 0 })).toBe(first);
    await world.until(pool[Symbol.asyncDispose]());
  });
});
