import { describe, expect, test } from '@jest/globals';
import type { LeaseholdError, Lent, Pool } from '../../lib/index.ts';
import type { FakeClient } from '../support/fake-database.ts';
import { PoolWorld } from '../support/pool-world.ts';

const takeAll = async (
  world: PoolWorld,
  pool: Pool<FakeClient>,
  count: number,
): Promise<Lent<FakeClient>[]> =>
  world.until(Promise.all(Array.from({ length: count }, () => pool.acquire())));

const failure = async (work: Promise<unknown>): Promise<LeaseholdError> => {
  const [outcome] = await Promise.allSettled([work]);
  if (outcome?.status !== 'rejected') throw new Error('It did not fail.');
  return outcome.reason as LeaseholdError;
};

describe('every connection of this process is lent', () => {
  test('a caller waits, and its error tells the numbers', async () => {
    const world = new PoolWorld(20);
    const pool = await world.start({ max: 3 });
    const loans = await takeAll(world, pool, 3);
    const error = await world.until(failure(pool.acquire({ timeoutMs: 1_000 })));
    expect(error).toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
      retryable: true,
      details: { waitedMs: 1_000, max: 3, active: 3, idle: 0, opening: 0, waiting: 1 },
    });
    for (const lent of loans) await lent.giveBack();
  });

  test('nothing is asked of the registry for those who wait', async () => {
    const world = new PoolWorld(20);
    const pool = await world.start({ max: 2 });
    const loans = await takeAll(world, pool, 2);
    await world.clock.flush();
    world.calls.length = 0;
    const uses = Array.from({ length: 50 }, () => pool.use(() => undefined));
    await world.clock.advanceAsync(1_000);
    expect(world.calls).toEqual([]);
    for (const lent of loans) await lent.giveBack();
    await world.until(Promise.all(uses));
    expect(world.database.opens).toHaveLength(2);
  });

  test.each([
    ['given back', 'well'],
    ['discarded', 'discard'],
    ['given back with a transaction open', 'begin'],
    ['given back dead', 'kill'],
  ])('one that is %s serves the first who waits, and only him', async (_, how) => {
    const world = new PoolWorld(20);
    const pool = await world.start({ max: 1 });
    const [lent] = await takeAll(world, pool, 1);
    const served: number[] = [];
    const uses = [1, 2].map(async (number) => {
      const next = await pool.acquire();
      served.push(number);
      return next;
    });
    if (how === 'begin') lent?.connection.begin();
    if (how === 'kill') world.database.kill(lent?.connection.label ?? '');
    await (how === 'discard' ? lent?.discard() : lent?.giveBack());
    const first = await world.until(uses[0] as Promise<Lent<FakeClient>>);
    await world.clock.flush();
    expect(served).toEqual([1]);
    await first.giveBack();
    const second = await world.until(uses[1] as Promise<Lent<FakeClient>>);
    await second.giveBack();
    expect(world.database.peak).toBe(1);
  });

  test('who gives up in the middle of the queue takes nobody’s place and leaves none', async () => {
    const world = new PoolWorld(20);
    const pool = await world.start({ max: 1 });
    const [lent] = await takeAll(world, pool, 1);
    const order: string[] = [];
    const wait = (name: string, timeoutMs: number): Promise<void> =>
      pool.use(() => void order.push(name), { timeoutMs }).catch(() => void order.push(`${name} gone`));
    const uses = [wait('a', 5_000), wait('b', 100), wait('c', 5_000), wait('d', 200), wait('e', 5_000)];
    await world.clock.advanceAsync(300);
    await lent?.giveBack();
    await world.until(Promise.all(uses));
    expect(order).toEqual(['b gone', 'd gone', 'a', 'c', 'e']);
  });

  test('a slow goodbye keeps its place: never more than max, whatever is wanted', async () => {
    const world = new PoolWorld(20);
    const pool = await world.start({ max: 2 });
    world.database.steps.close = 'slow';
    const loans = await takeAll(world, pool, 2);
    const uses = [1, 2, 3].map(() => pool.use(() => undefined));
    await Promise.all(loans.map((lent) => lent.discard()));
    await world.clock.advanceAsync(500);
    expect(pool.status()).toMatchObject({ closing: 2, opening: 0, waiting: 3 });
    await world.until(Promise.all(uses));
    expect(world.database.peak).toBe(2);
  });

  test('localWaitersMax callers may wait; one more hears so at once, and the others are served', async () => {
    const world = new PoolWorld(20);
    const pool = await world.start({ max: 1, localWaitersMax: 3 });
    const [lent] = await takeAll(world, pool, 1);
    const uses = [1, 2, 3].map(() => pool.use(() => 'served'));
    const refused = await failure(pool.acquire());
    expect(refused).toMatchObject({ code: 'WAITERS_FULL', details: { max: 3 } });
    await lent?.giveBack();
    expect(await world.until(Promise.all(uses))).toEqual(['served', 'served', 'served']);
    expect(pool.statistics().gets).toMatchObject({ failed: 1, waited: 4 });
  });
});

describe('every connection of the fleet is taken', () => {
  test.each([1, 2, 5])(
    'capacity %d: those who wait in other processes are served in turn, and none is too many',
    async (capacity) => {
      const world = new PoolWorld(capacity);
      const first = await world.start({ max: capacity, headroom: 0 });
      const pools = [first, ...Array.from({ length: 7 }, () => world.pool({ max: capacity, headroom: 0 }))];
      const uses = pools.flatMap((pool) =>
        [1, 2, 3].map(() => pool.use((client) => client.run('x'), { timeoutMs: 120_000 })),
      );
      await world.until(Promise.all(uses), 200_000, 50);
      expect(world.database.refused).toBe(0);
      expect(world.database.peak).toBeLessThanOrEqual(capacity);
      expect(world.database.statements).toHaveLength(24);
    },
  );

  test('the error says that the fleet is full, and the place in its queue', async () => {
    const world = new PoolWorld(2);
    const other = await world.start({ max: 2, headroom: 0 });
    const loans = await takeAll(world, other, 2);
    const pool = world.pool({ max: 2, headroom: 0 });
    const error = await world.until(failure(pool.acquire({ timeoutMs: 1_000 })));
    expect(error.code).toBe('ACQUIRE_TIMEOUT');
    expect(error.message).toContain("the fleet's queue (position 1)");
    await world.clock.flush();
    expect(await world.registry.inspect('orders')).toMatchObject({ waiters: 0 });
    for (const lent of loans) await lent.giveBack();
  });

  test('more callers than waitersMax: they hear so at once, and nothing of theirs is left', async () => {
    const world = new PoolWorld(1);
    const options = { max: 1, headroom: 0, waitersMax: 1 };
    const other = await world.start(options);
    const [lent] = await takeAll(world, other, 1);
    const waits = world.pool(options).use(() => 'served');
    await world.clock.advanceAsync(50);
    const error = await world.until(failure(world.pool(options).acquire()), 1_000);
    expect(error).toMatchObject({ code: 'DENIED', details: { reason: 'QUEUE_FULL' } });
    await lent?.giveBack();
    await other.close();
    expect(await world.until(waits)).toBe('served');
  });

  test('an idle process gives way, and comes back in its turn', async () => {
    const world = new PoolWorld(1);
    const first = await world.start({ max: 1, headroom: 0 });
    const second = world.pool({ max: 1, headroom: 0 });
    for (let turn = 0; turn < 4; turn += 1) {
      const pool = turn % 2 === 0 ? first : second;
      await world.until(pool.use((client) => client.run('x'), { timeoutMs: 60_000 }));
    }
    expect(world.database.refused).toBe(0);
    expect(world.database.peak).toBe(1);
  });
});

describe('the database has no connection left, although the registry has', () => {
  test('callers hear why, the leases are given back, and everybody is served when there is room', async () => {
    const world = new PoolWorld(10, 2);
    const pool = await world.start({ max: 5 });
    world.database.leave('somebody else');
    world.database.leave('and another');
    const outcomes = await world.until(
      Promise.allSettled([1, 2, 3].map(() => pool.use(() => undefined, { timeoutMs: 3_000 }))),
    );
    for (const outcome of outcomes) expect(outcome.status).toBe('rejected');
    await world.clock.advanceAsync(1_000);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, revoking: 0, waiters: 0 });
    world.database.kill('somebody else');
    await world.until(pool.use((client) => client.run('x'), { timeoutMs: 60_000 }));
  });

  test('a connection that this process has serves those for whom none can be opened', async () => {
    const world = new PoolWorld(10, 1);
    const pool = await world.start({ max: 5 });
    const uses = Array.from({ length: 20 }, () =>
      pool.use((client) => client.run('x'), { timeoutMs: 60_000 }),
    );
    await world.until(Promise.all(uses));
    expect(world.database.statements).toHaveLength(20);
  });
});
