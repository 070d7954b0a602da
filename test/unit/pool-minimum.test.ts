import { describe, expect, test } from '@jest/globals';
import { runWithDeadline } from '../../lib/pool/invocation.ts';
import { PoolWorld } from '../support/pool-world.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const LAMBDA = { AWS_LAMBDA_FUNCTION_NAME: 'orders' };
const BACKOFF_S = [1, 2, 4, 8, 16, 32, 60, 60];

const seeded = (seed: number) => {
  const random = new SeededRandom(seed);
  return { fraction: () => random.fraction(), id: () => `id${random.whole(1e13, 9e13)}` };
};

const openedAfter = async (world: PoolWorld, work: Promise<void>): Promise<number> => {
  const since = world.clock.read();
  await world.until(work, 1_000_000, 50);
  return world.clock.elapsedMs(since);
};

describe('the minimum', () => {
  test('nothing is opened until somebody says so', async () => {
    const world = new PoolWorld(10);
    await world.start({ min: 3 });
    await world.clock.advanceAsync(600_000);
    expect(world.calls).toEqual([]);
    expect(world.clock.pending).toEqual({ foreground: 0, background: 0 });
  });

  test.each([
    [3, 3],
    [1, 1],
    [0, 1],
  ])('warm() with min %d opens %d, at once and with no more', async (min, count) => {
    const world = new PoolWorld(10);
    const pool = await world.start({ min, max: 5 });
    expect(await openedAfter(world, pool.warm())).toBe(0);
    expect(pool.status()).toMatchObject({ idle: count, opening: 0 });
    await world.until(pool.warm());
    expect(world.database.opens).toHaveLength(count);
  });

  test('warm() at the same time as callers opens what the larger of the two needs, not the sum', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ min: 3, max: 8 });
    const warm = pool.warm();
    const uses = [1, 2, 3].map(() => pool.use((client) => client.run('x')));
    await world.until(Promise.all([warm, ...uses]));
    expect(world.database.opens).toHaveLength(3);
  });

  test('callers that give up take nothing from what is opened for the minimum', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ min: 2, max: 8 });
    world.database.steps.open = 'slow';
    const warm = pool.warm();
    const uses = Array.from({ length: 4 }, () => pool.use(() => undefined, { timeoutMs: 50 }));
    await world.until(Promise.allSettled(uses));
    await world.until(warm);
    expect(pool.status().idle).toBeGreaterThanOrEqual(2);
  });

  test('what is opened for it goes on, at its pace, while idle connections are looked after', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ min: 3, max: 5, healthCheckIntervalMs: 900 });
    world.database.nextOpens.push({ how: 'refuse', failure: 'starting' });
    world.database.steps.check = 'slow';
    const warm = pool.warm();
    await world.clock.advanceAsync(950);
    expect(pool.status()).toMatchObject({ busy: 2, opening: 1 });
    world.calls.length = 0;
    // Whoever comes and gives up makes the pool count anew what it has sent for.
    const caller = pool.use(() => undefined, { timeoutMs: 10 }).catch(() => undefined);
    await Promise.race([caller, world.clock.advanceAsync(40)]);
    expect(world.calls).toEqual([]);
    await world.until(warm);
    expect(pool.status()).toMatchObject({ opening: 0 });
    expect(world.database.opens).toHaveLength(4);
  });

  test('on AWS Lambda it is topped up when an invocation begins, and never by a timer', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ min: 2, max: 4, env: LAMBDA });
    const invoke = async (): Promise<void> => {
      const invocation = pool.beginInvocation();
      await world.clock.advanceAsync(50);
      await invocation.end(200);
    };
    await invoke();
    expect(pool.status()).toMatchObject({ idle: 2 });
    for (const label of world.database.labels) world.database.kill(label);
    await world.clock.advanceAsync(600_000);
    expect(world.database.opens).toHaveLength(2);
    await invoke();
    expect(pool.status()).toMatchObject({ idle: 2 });
  });

  test('a top-up that has not come to its end is over with its invocation, and is none of the next one’s', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ min: 2, max: 4, env: LAMBDA });
    world.database.steps.open = 'error';
    const first = pool.beginInvocation();
    await world.clock.advanceAsync(50);
    await first.end(200);
    await world.clock.flush();
    expect(world.clock.pending.foreground).toBe(0);
    world.database.steps.open = 'ok';
    const second = pool.beginInvocation();
    await world.clock.advanceAsync(50);
    await second.end(200);
    expect(pool.status()).toMatchObject({ idle: 2 });
  });

  test('it is not topped up while others wait for a place', async () => {
    const world = new PoolWorld(3);
    const pool = await world.start({ min: 2, max: 2 });
    const first = await world.until(pool.acquire());
    const other = world.pool({ max: 3 });
    const second = await world.until(other.acquire());
    const third = other.acquire({ timeoutMs: 3_000 }).catch(() => undefined);
    await world.clock.advanceAsync(100);
    const loan = pool.acquire({ timeoutMs: 10 }).catch(() => undefined);
    await world.until(loan);
    expect(pool.status().pressure).toBe(true);
    const asked = world.calls.filter((call) => call === 'grant').length;
    pool.beginInvocation();
    await world.clock.flush();
    expect(world.calls.filter((call) => call === 'grant')).toHaveLength(asked);
    for (const lent of [first, second]) await lent.giveBack();
    await world.until(third);
  });
});

describe('warm() on a database that is away', () => {
  test.each([0, 0.5, 0.999])('tries again after 1, 2, 4, 8, 16, 32, 60 s, +-20 %% (%d)', async (fraction) => {
    const world = new PoolWorld(10);
    const { fraction: _, ...ids } = seeded(3);
    const pool = await world.start({ min: 1, random: { ...ids, fraction: () => fraction } });
    for (const _ of BACKOFF_S) world.database.nextOpens.push({ how: 'refuse', failure: 'starting' });
    await world.until(pool.warm(), 1_000_000, 50);
    const delays = world.eventsNamed('retry').filter(({ operation }) => operation === 'connect');
    const expected = BACKOFF_S.map((seconds) => Math.round(1_000 * seconds * (0.8 + 0.4 * fraction)));
    expect(delays.map(({ delayMs }) => Math.round(delayMs))).toEqual(expected);
    expect(pool.status()).toMatchObject({ idle: 1 });
  });

  test('gives up after startupMaxWaitMs, and leaves no ask, lease or timer behind', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ min: 2, startupMaxWaitMs: 20_000 });
    world.database.steps.open = 'error';
    const warm = pool.warm();
    const outcome = expect(warm).rejects.toMatchObject({ details: { waitedMs: 20_000 } });
    expect(
      await openedAfter(
        world,
        warm.catch(() => undefined),
      ),
    ).toBe(20_000);
    await outcome;
    await world.clock.flush();
    expect(world.clock.pending.foreground).toBe(0);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, revoking: 0, waiters: 0 });
  });

  test('gives up with the invocation’s time', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ min: 1, env: LAMBDA });
    world.database.steps.open = 'error';
    const warm = runWithDeadline({ remainingMs: () => 2_000 }, () => pool.warm()).catch(({ code }) => code);
    const since = world.clock.read();
    expect(await world.until(warm)).toBe('CONNECT_FAILED');
    expect(world.clock.elapsedMs(since)).toBe(2_000);
  });

  test('ends at once, for all who warm, where no retry mends it', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ min: 1 });
    world.database.nextOpens.push({ how: 'refuse', failure: 'auth' });
    const both = await world.until(Promise.allSettled([pool.warm(), pool.warm()]));
    for (const outcome of both)
      expect(outcome).toMatchObject({ reason: { code: 'CONNECT_FAILED', retryable: false } });
    expect(world.database.opens).toHaveLength(1);
    expect(world.eventsNamed('retry')).toEqual([]);
  });

  test('with retryConnects false hears the first failure, and does not try in a loop', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ min: 1, retryConnects: false });
    world.database.nextOpens.push(...Array(50).fill({ how: 'refuse', failure: 'unreachable' }));
    await expect(world.until(pool.warm())).rejects.toMatchObject({ code: 'CONNECT_FAILED' });
    expect(world.database.opens).toHaveLength(1);
  });

  test.each(['before it begins', 'between two attempts', 'while it connects'])(
    'aborted %s it is over at once',
    async (when) => {
      const world = new PoolWorld(10);
      const pool = await world.start({ min: 1 });
      const abort = new AbortController();
      if (when === 'before it begins') abort.abort();
      world.database.steps.open = when === 'while it connects' ? 'slow' : 'error';
      const warm = pool.warm({ signal: abort.signal }).catch(({ code }) => code);
      await world.clock.advanceAsync(100);
      abort.abort();
      await world.clock.flush();
      expect(await warm).toBe('ABORTED');
      await world.clock.advanceAsync(5_000);
      expect(world.clock.pending.foreground).toBe(0);
      expect(world.database.labels).toHaveLength(when === 'while it connects' ? 1 : 0);
    },
  );

  test('the jitter of the attempts of many processes is drawn by each', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ min: 1, random: seeded(2) });
    for (let n = 0; n < 6; n += 1) world.database.nextOpens.push({ how: 'refuse', failure: 'starting' });
    await world.until(pool.warm(), 1_000_000, 50);
    const parts = world.eventsNamed('retry').map(({ delayMs }, at) => delayMs / (1_000 * 2 ** at));
    expect(new Set(parts).size).toBe(6);
    for (const part of parts) expect(Math.abs(part - 1)).toBeLessThanOrEqual(0.2);
  });
});
