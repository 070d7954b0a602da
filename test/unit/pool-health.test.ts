import { describe, expect, test } from '@jest/globals';
import { sleep } from '../../lib/core/clock.ts';
import { LeaseholdError, type Lent, type Pool, type PoolOptions } from '../../lib/index.ts';
import type { FakeClient } from '../support/fake-database.ts';
import { PoolWorld } from '../support/pool-world.ts';

const ROUND_MS = 30_000;
const LAMBDA = { AWS_LAMBDA_FUNCTION_NAME: 'orders' };

/** A pool with so many idle connections, and when they became so. */
const withIdle = async (count: number, options: Partial<PoolOptions<FakeClient>> = {}, capacity = 20) => {
  const world = new PoolWorld(capacity);
  const pool = await world.start({ max: 4, ...options });
  const loans: Lent<FakeClient>[] = [];
  for (let n = 0; n < count; n += 1) loans.push(await world.until(pool.acquire({ timeoutMs: 5_000 })));
  for (const lent of loans) await lent.giveBack();
  await world.clock.flush();
  return { world, pool };
};

const rounds = (world: PoolWorld): readonly unknown[] => world.eventsNamed('healthChecked');

/** Nothing but the clock moves for so many rounds. */
const pass = (world: PoolWorld, times = 1): Promise<void> => world.clock.advanceAsync(times * ROUND_MS + 100);

describe('a health round on a server', () => {
  test.each([
    ['none is to be kept', 0],
    ['some are to be kept', 2],
  ])('is made again and again by a timer that keeps no process alive, where %s', async (_, min) => {
    const { world } = await withIdle(2, { min, idleTimeoutMs: 3_600_000 });
    for (let round = 1; round <= 5; round += 1) {
      expect(world.clock.pending).toMatchObject({ foreground: 0 });
      await world.clock.advanceAsync(ROUND_MS + 100);
      expect(rounds(world)).toHaveLength(round);
    }
    expect(world.database.checks).toHaveLength(10);
    expect(rounds(world)).toEqual(Array.from({ length: 5 }, () => ({ healthy: 2, closed: 0 })));
  });

  test('is one renewal and one park for all, and a check for each', async () => {
    const { world } = await withIdle(3);
    world.calls.length = 0;
    await pass(world);
    expect(world.calls).toEqual(['renew', 'park']);
    expect(world.database.checks).toHaveLength(3);
  });

  test('leaves its connections to whoever in the fleet needs a place', async () => {
    const { world } = await withIdle(3, {}, 4);
    await pass(world);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 3, protectedCount: 0 });
    const other = world.pool({ max: 4 });
    await world.until(Promise.all([1, 2].map(() => other.acquire({ timeoutMs: 5_000 }))));
    expect(world.database.refused).toBe(0);
  });

  test('is none with healthCheckIntervalMs 0', async () => {
    const { world } = await withIdle(2, { healthCheckIntervalMs: 0 });
    await pass(world, 5);
    expect(rounds(world)).toEqual([]);
    expect(world.database.checks).toEqual([]);
  });

  test('goes on while one connection is lent for hours, and its timer does not run hot', async () => {
    const { world, pool } = await withIdle(2, { maxLifetimeMs: 60_000, idleTimeoutMs: 1_000 });
    const lent = await world.until(pool.acquire());
    let timers = 0;
    const { setBackgroundTimer } = world.clock;
    world.clock.setBackgroundTimer = (ms, callback) => {
      timers += 1;
      return setBackgroundTimer.call(world.clock, ms, callback);
    };
    await world.clock.advanceAsync(600_000);
    // What comes back may be over a second later; and the lease is renewed every four seconds or so.
    expect(timers).toBeLessThan(2 * 600);
    await lent.giveBack();
    await world.clock.advanceAsync(10);
    expect(world.eventsNamed('connectionClosed').at(-1)).toMatchObject({ reason: 'lifetime' });
  });
});

describe('what a health round finds', () => {
  test('a connection that does not answer is closed; the others stay', async () => {
    const { world, pool } = await withIdle(3);
    const [dead] = world.database.labels;
    world.database.killSilently(dead ?? '');
    await pass(world);
    expect(rounds(world)).toEqual([{ healthy: 2, closed: 1 }]);
    expect(world.eventsNamed('connectionClosed')).toMatchObject([{ reason: 'broken' }]);
    expect(pool.status()).toMatchObject({ idle: 2, closing: 0 });
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 2 });
  });

  test('one that is to be kept is replaced, before the next round', async () => {
    const { world, pool } = await withIdle(2, { min: 2 });
    for (const label of world.database.labels) world.database.killSilently(label);
    await pass(world);
    await world.clock.advanceAsync(2_000);
    expect(rounds(world)).toMatchObject([{ healthy: 0, closed: 2 }]);
    expect(pool.status()).toMatchObject({ idle: 2 });
    expect(world.database.labels).toHaveLength(2);
  });

  test.each(['error', 'never', 'throws'] as const)(
    'a check that ends with %s counts as no answer, and no connection is lost from sight',
    async (mode) => {
      const { world, pool } = await withIdle(2);
      world.database.steps.check = mode;
      await pass(world);
      await world.clock.advanceAsync(10_000);
      expect(rounds(world)).toEqual([{ healthy: 0, closed: 2 }]);
      expect(pool.status()).toMatchObject({ idle: 0, busy: 0, closing: 0 });
      expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, revoking: 0 });
    },
  );

  test('a caller that comes during a round waits for its answer, and for a new connection if that is bad', async () => {
    const { world, pool } = await withIdle(1, { max: 2 });
    world.database.checkBy = () => 'never';
    world.database.steps.close = 'slow';
    await world.clock.advanceAsync(ROUND_MS + 100);
    expect(pool.status()).toMatchObject({ busy: 1 });
    const since = world.clock.read();
    await world.until(pool.use(() => undefined));
    // The check takes its whole bound; nobody waits for the goodbye where there is room for another connection.
    expect(world.clock.elapsedMs(since)).toBeLessThan(3_100);
  });
});

describe('a health round is not made', () => {
  test('under pressure: what is protected for nobody would be kept from those who wait', async () => {
    const { world, pool } = await withIdle(2, {}, 4);
    const others = world.pool({ max: 4 });
    const loans = await world.until(
      Promise.all([1, 2].map(() => others.acquire({ timeoutMs: 20_000 }).catch(() => undefined))),
    );
    await world.until(pool.use(() => undefined, { timeoutMs: 5_000 }));
    expect(pool.status().pressure).toBe(true);
    const checks = world.database.checks.length;
    await world.clock.advanceAsync(ROUND_MS - 1_000);
    expect(world.database.checks).toHaveLength(checks);
    // What the registry has said long ago is no reason not to look any more.
    await pass(world, 2);
    expect(world.database.checks.length).toBeGreaterThan(checks);
    for (const lent of loans) await lent?.giveBack();
  });

  test('without protection: nothing is asked of the database while the registry is away', async () => {
    const { world, pool } = await withIdle(2);
    await world.clock.advanceAsync(ROUND_MS - 1_000);
    world.interfere = async () => {
      throw new LeaseholdError('REGISTRY_UNREACHABLE', 'cut');
    };
    await world.clock.advanceAsync(5_000);
    expect(world.database.checks).toEqual([]);
    expect(pool.status()).toMatchObject({ idle: 2, busy: 0 });
    expect(rounds(world)).toEqual([{ healthy: 0, closed: 0 }]);
  });

  test('twice at a time: a slow one is not overtaken', async () => {
    const { world } = await withIdle(2, { healthCheckIntervalMs: 1_000 });
    world.interfere = async (operation, call) => {
      if (operation === 'park') await sleep(world.clock, 5_000);
      return call();
    };
    await world.clock.advanceAsync(5_000);
    expect(rounds(world)).toHaveLength(1);
    await world.clock.advanceAsync(5_000);
    expect(rounds(world).length).toBeGreaterThan(1);
  });

  test.each([
    ['one invocation at a time', LAMBDA, true],
    ['many invocations at a time', { ...LAMBDA, AWS_LAMBDA_MAX_CONCURRENCY: '10' }, false],
  ])('by a timer on AWS Lambda with %s: %j', async (_, env, isExclusive) => {
    const { world, pool } = await withIdle(2, { env });
    expect(pool.isExclusive).toBe(isExclusive);
    await pass(world, 3);
    expect(rounds(world)).toHaveLength(isExclusive ? 0 : 3);
  });
});

describe('a health round on AWS Lambda, one invocation at a time', () => {
  const invoke = async (world: PoolWorld, pool: Pool<FakeClient>): Promise<void> => {
    const invocation = pool.beginInvocation();
    await world.clock.advanceAsync(20);
    await invocation.end(200);
  };

  test('is made when an invocation begins, if it is due, and is done when it ends', async () => {
    const { world, pool } = await withIdle(2, { env: LAMBDA });
    await invoke(world, pool);
    expect(rounds(world)).toEqual([]);
    for (let round = 1; round <= 3; round += 1) {
      world.clock.freeze(ROUND_MS, { monotonicStops: true });
      await invoke(world, pool);
      await invoke(world, pool);
      expect(rounds(world)).toHaveLength(round);
    }
    expect(world.database.checks).toHaveLength(6);
  });

  test('the connection that the invocation uses has been checked once, not twice', async () => {
    const { world, pool } = await withIdle(1, { env: LAMBDA });
    world.clock.freeze(ROUND_MS);
    const invocation = pool.beginInvocation();
    await world.until(pool.use((client) => client.run('x')));
    await invocation.end(200);
    expect(world.database.checks).toHaveLength(1);
  });
});

describe('a database that is down', () => {
  test('opens the breaker for the whole fleet, and closes it again when it is back', async () => {
    const world = new PoolWorld(20);
    const first = await world.start({ min: 1, max: 2 });
    const pools = [first, ...[1, 2, 3].map(() => world.pool({ min: 1, max: 2 }))];
    await world.until(Promise.all(pools.map((pool) => pool.warm())));
    world.database.steps.check = 'error';
    world.database.steps.open = 'error';
    await pass(world);
    await world.clock.advanceAsync(200);
    expect(await world.registry.inspect('orders')).toMatchObject({ breaker: 'open' });
    world.database.steps.check = 'ok';
    world.database.steps.open = 'ok';
    await pass(world, 4);
    expect(await world.registry.inspect('orders')).toMatchObject({ breaker: 'closed', held: 4 });
    for (const pool of pools) expect(pool.status()).toMatchObject({ idle: 1 });
  });
});
