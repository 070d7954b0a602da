import { describe, expect, test } from '@jest/globals';
import type { Lent, Pool, PoolOptions } from '../../lib/index.ts';
import type { FakeClient } from '../support/fake-database.ts';
import { PoolWorld } from '../support/pool-world.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const LAMBDA = { AWS_LAMBDA_FUNCTION_NAME: 'orders' };
const HOUR_MS = 3_600_000;

/** So many connections at once, given back. */
const openAll = async (world: PoolWorld, pool: Pool<FakeClient>, count: number): Promise<void> => {
  const loans: Promise<Lent<FakeClient>>[] = [];
  for (let n = 0; n < count; n += 1) loans.push(pool.acquire());
  for (const lent of await world.until(Promise.all(loans))) await lent.giveBack();
  await world.clock.flush();
};

const started = async (count: number, options: Partial<PoolOptions<FakeClient>>) => {
  const world = new PoolWorld(100);
  const pool = await world.start({ max: 20, ...options });
  await openAll(world, pool, count);
  return { world, pool };
};

const reasons = (world: PoolWorld): string[] =>
  world.eventsNamed('connectionClosed').map(({ reason }) => reason);

describe('maxLifetimeMs', () => {
  test('ends connections that were opened together one by one, each within its last quarter', async () => {
    const random = new SeededRandom(1);
    const { world, pool } = await started(20, {
      maxLifetimeMs: 100_000,
      random: { fraction: () => random.fraction(), id: () => `id${random.whole(1e13, 9e13)}` },
    });
    await world.clock.advanceAsync(75_000 - 100);
    expect(pool.status()).toMatchObject({ idle: 20 });
    let most = 0;
    for (let before = 20, second = 0; second < 26; second += 1) {
      await world.clock.advanceAsync(1_000);
      const { idle } = pool.status();
      most = Math.max(most, before - idle);
      before = idle;
    }
    expect(most).toBeLessThanOrEqual(4);
    expect(reasons(world)).toEqual(Array(20).fill('lifetime'));
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0 });
  });

  test('0 ends none', async () => {
    const { world } = await started(1, { maxLifetimeMs: 0, idleTimeoutMs: HOUR_MS });
    await world.clock.advanceAsync(HOUR_MS - 1_000);
    expect(reasons(world)).toEqual([]);
  });

  test('ends nothing under its borrower, and everything when it comes back', async () => {
    const { world, pool } = await started(1, { maxLifetimeMs: 60_000 });
    const lent = await world.until(pool.acquire());
    await world.clock.advanceAsync(120_000);
    await lent.connection.run('still there');
    await lent.giveBack();
    await world.clock.flush();
    expect(reasons(world)).toEqual(['lifetime']);
  });

  test('ends no connection a moment after it is lent: who takes one looks at its age', async () => {
    const { world, pool } = await started(1, { maxLifetimeMs: 60_000, healthCheckIntervalMs: 0 });
    world.clock.freeze(60_000);
    const before = world.database.labels;
    const label = await world.until(pool.use((client) => client.run('x').then(() => client.label)));
    expect(before).not.toContain(label);
    expect(reasons(world)).toEqual(['lifetime']);
  });

  test('on a server, what is to be kept is replaced', async () => {
    const { world, pool } = await started(2, { maxLifetimeMs: 60_000, min: 2, idleTimeoutMs: HOUR_MS });
    const before = world.database.labels;
    await world.clock.advanceAsync(70_000);
    expect(pool.status()).toMatchObject({ idle: 2 });
    expect(world.database.labels).not.toEqual(expect.arrayContaining(before));
    await world.clock.advanceAsync(HOUR_MS);
    expect(pool.status()).toMatchObject({ idle: 2 });
    expect(world.database.peak).toBeLessThanOrEqual(4);
  });

  test('where max leaves no room for both, the old one goes first', async () => {
    const { world, pool } = await started(2, { maxLifetimeMs: 60_000, min: 2, max: 2 });
    await world.clock.advanceAsync(70_000);
    expect(pool.status()).toMatchObject({ idle: 2 });
    expect(world.database.peak).toBe(2);
  });
});

describe('maxUses', () => {
  test.each([
    [1, 10],
    [3, 4],
    [0, 1],
  ])('%d: ten uses take %d connections', async (maxUses, opened) => {
    const world = new PoolWorld(10);
    const pool = await world.start({ maxUses, max: 2 });
    for (let use = 0; use < 10; use += 1) await world.until(pool.use((client) => client.run('x')));
    expect(pool.statistics().opened).toBe(opened);
    expect(reasons(world)).toEqual(Array(opened - (maxUses === 3 ? 1 : maxUses === 0 ? 1 : 0)).fill('uses'));
  });

  test('counts also what is handed on to a caller that waits', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ maxUses: 2, max: 1 });
    const uses = Array.from({ length: 6 }, () => pool.use((client) => client.label));
    const labels = await world.until(Promise.all(uses));
    expect(new Set(labels).size).toBe(3);
    expect(world.database.peak).toBe(1);
  });
});

describe('idleTimeoutMs', () => {
  test.each([
    [0, 0],
    [2, 2],
    [5, 4],
  ])('with min %d and four connections leaves %d', async (min, left) => {
    const { world, pool } = await started(4, { min, idleTimeoutMs: 20_000 });
    await world.clock.advanceAsync(19_000);
    expect(pool.status()).toMatchObject({ idle: 4 });
    await world.clock.advanceAsync(2_000);
    expect(reasons(world)).toEqual(Array(4 - left).fill('idle'));
    await world.clock.advanceAsync(200_000);
    expect(pool.status().idle).toBe(min);
    expect(reasons(world)).toEqual(Array(4 - left).fill('idle'));
  });

  test('the longest unused go, the warmest stay', async () => {
    const { world, pool } = await started(3, { min: 1, idleTimeoutMs: 20_000 });
    const warmest = await world.until(pool.use((client) => client.label));
    await world.clock.advanceAsync(60_000);
    expect(world.database.labels).toEqual([warmest]);
  });

  test('a connection that is lent counts for the minimum, and none beside it is kept', async () => {
    const { world, pool } = await started(3, { min: 1, idleTimeoutMs: 20_000 });
    const lent = await world.until(pool.acquire());
    await world.clock.advanceAsync(21_000);
    expect(pool.status()).toMatchObject({ idle: 0, lent: 1 });
    await lent.giveBack();
  });

  test.each([
    ['a server', {}],
    ['a frozen process', LAMBDA],
  ])('the lease’s own idle time ends also what is to be kept, on %s', async (_, env) => {
    const { world, pool } = await started(1, {
      env,
      min: 1,
      max: 2,
      idleMs: 20_000,
      idleTimeoutMs: HOUR_MS,
      healthCheckIntervalMs: 0,
    });
    world.database.endsIdle = true;
    const [first = ''] = world.database.labels;
    if (env === LAMBDA) world.clock.freeze(30_000);
    else await world.clock.advanceAsync(16_100);
    const invocation = pool.beginInvocation();
    const label = await world.until(pool.use((client) => client.run('x').then(() => client.label)));
    await invocation.end(200);
    expect(label).not.toBe(first);
    expect(reasons(world)).toEqual(['idle']);
  });
});
