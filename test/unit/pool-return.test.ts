import { describe, expect, test } from '@jest/globals';
import { LeaseholdError } from '../../lib/index.ts';
import { PoolWorld } from '../support/pool-world.ts';

/** A session that dies in its borrower's hands, without a word to anybody, while nothing is sent on it. */
const diesWhileLent = async (how: 'time passes' | 'frozen' | 'frozen, its monotonic clock stopped') => {
  const world = new PoolWorld(10);
  const pool = await world.start({ max: 1 });
  const lent = await world.until(pool.acquire());
  await world.clock.flush();
  if (how === 'time passes') await world.clock.advanceAsync(6_000);
  else world.clock.freeze(6_000, { monotonicStops: how.endsWith('stopped') });
  world.database.killSilently(lent.connection.label);
  return { world, pool, lent };
};

const HOWS = ['time passes', 'frozen', 'frozen, its monotonic clock stopped'] as const;

describe('a connection that died in its borrower’s hands, unnoticed', () => {
  test.each(HOWS)('%s: it is not lent again', async (how) => {
    const { world, pool, lent } = await diesWhileLent(how);
    await lent.giveBack();
    expect(await world.until(pool.use((client) => client.isAlive))).toBe(true);
    expect(world.database.checks).toHaveLength(1);
  });

  test.each(HOWS)('%s: nor is it handed on to a caller that waits', async (how) => {
    const { world, pool, lent } = await diesWhileLent(how);
    const next = pool.use((client) => client.isAlive);
    await lent.giveBack();
    expect(await world.until(next)).toBe(true);
    expect(world.database.peak).toBe(1);
  });

  test.each([600, 2_000, 4_900])(
    'nor is one that lay idle through a freeze of %d ms, if only the wall clock has seen it',
    async (ms) => {
      const world = new PoolWorld(10);
      const pool = await world.start({ max: 1 });
      const label = await world.until(pool.use((client) => client.label));
      world.clock.freeze(ms, { monotonicStops: true });
      world.database.killSilently(label);
      expect(await world.until(pool.use((client) => client.isAlive))).toBe(true);
    },
  );

  test('another one that is warm is lent rather than waited for its check', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 2 });
    const [long, short] = await world.until(Promise.all([pool.acquire(), pool.acquire()]));
    await world.clock.advanceAsync(4_000);
    await short.giveBack();
    await world.clock.advanceAsync(2_000);
    await long.giveBack();
    world.database.steps.check = 'never';
    const since = world.clock.read();
    await world.until(pool.use((client) => client.run('x')));
    expect(world.clock.elapsedMs(since)).toBe(0);
  });

  test('a short loan is proof enough: nothing is checked after it', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    for (let use = 0; use < 10; use += 1) await world.until(pool.use(() => world.clock.advanceAsync(400)));
    expect(world.database.checks).toEqual([]);
  });

  test('one check after a long loan is enough, and it is lent on', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    const long = pool.use(() => world.clock.advanceAsync(8_000));
    const labels = [1, 2, 3].map(() => pool.use((client) => client.label));
    await world.until(long);
    expect(new Set(await world.until(Promise.all(labels))).size).toBe(1);
    expect(world.database.checks).toHaveLength(1);
    expect(world.database.opens).toHaveLength(1);
  });
});

describe('a transaction left open', () => {
  const leftOpen = async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    const lent = await world.until(pool.acquire());
    lent.connection.begin();
    await world.clock.flush();
    const order: string[] = [];
    world.interfere = (operation, call) => {
      order.push(operation);
      return call();
    };
    world.database.onReset = () => void order.push('reset');
    return { world, pool, lent, order };
  };

  test('is rolled back at once while the lease is protected', async () => {
    const { world, lent, order } = await leftOpen();
    await lent.giveBack();
    expect(order).toEqual(['reset']);
    expect(world.eventsNamed('transactionLeftOpen')).toEqual([{ rolledBack: true }]);
  });

  test('past the protection the registry is asked first: an answer keeps a session alive', async () => {
    const { world, pool, lent, order } = await leftOpen();
    world.clock.freeze(15_000);
    await lent.giveBack();
    expect(order).toEqual(['renew', 'reset']);
    expect(world.eventsNamed('transactionLeftOpen')).toEqual([{ rolledBack: true }]);
    expect(pool.status()).toMatchObject({ idle: 1 });
  });

  test('without the registry it is not rolled back: the connection goes, and the transaction with it', async () => {
    const { world, lent, order, pool } = await leftOpen();
    world.interfere = async () => {
      throw new LeaseholdError('REGISTRY_UNREACHABLE', 'cut');
    };
    world.clock.freeze(15_000);
    await lent.giveBack();
    await world.clock.flush();
    expect(order).toEqual([]);
    expect(world.eventsNamed('transactionLeftOpen')).toEqual([{ rolledBack: false }]);
    expect(world.database.labels).toEqual([]);
    expect(pool.status()).toMatchObject({ idle: 0, busy: 0, closing: 0 });
    expect(world.eventsNamed('connectionClosed')).toMatchObject([{ reason: 'broken' }]);
  });

  test('of a lease that was lost meanwhile is told as lost', async () => {
    const { world, lent, order } = await leftOpen();
    world.clock.freeze(15_000);
    const entry = (await world.registry.inspect('orders', 1))?.entries[0];
    const ended = [{ id: entry?.lease.id ?? '', fence: entry?.lease.fence ?? 0, outcome: 'closed' as const }];
    await world.registry.release('orders', entry?.holder ?? '', ended);
    await lent.giveBack();
    await world.clock.flush();
    expect(order).not.toContain('reset');
    expect(world.eventsNamed('connectionClosed')).toMatchObject([{ reason: 'lost' }]);
  });
});
