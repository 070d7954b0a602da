import { describe, expect, test } from '@jest/globals';
import middy from '@middy/core';
import { sleep } from '../../lib/core/clock.ts';
import type { Lent, Pool } from '../../lib/index.ts';
import { type LambdaContext, leasehold } from '../../lib/lambda/middleware.ts';
import { withLeases } from '../../lib/lambda/with-leases.ts';
import type { FakeClient } from '../support/fake-database.ts';
import { PoolWorld } from '../support/pool-world.ts';
import { SeededRandom } from '../support/seeded-random.ts';

/* Many invocations at once in one module instance share a pool; each has a deadline and loans of its own. */

const MANY = { AWS_LAMBDA_FUNCTION_NAME: 'orders', AWS_LAMBDA_MAX_CONCURRENCY: '1000' };
const ONE = { AWS_LAMBDA_FUNCTION_NAME: 'orders' };
const RESERVE_MS = 250;

interface Event {
  readonly number: number;
  readonly leftMs: number;
}

type Work = (event: Event, pool: Pool<FakeClient>, world: PoolWorld) => Promise<unknown>;
type Invoke = (event: Event) => Promise<unknown>;

const context = (world: PoolWorld, leftMs: number): LambdaContext => {
  const since = world.clock.read();
  const getRemainingTimeInMillis = (): number => Math.max(0, leftMs - world.clock.elapsedMs(since));
  return { getRemainingTimeInMillis } as LambdaContext;
};

/** The same work behind each of the two wrappers. */
const WRAPPERS: Readonly<Record<string, (world: PoolWorld, pool: Pool<FakeClient>, work: Work) => Invoke>> = {
  withLeases: (world, pool, work) => {
    const handler = withLeases(pool, (event: Event) => work(event, pool, world));
    return (event) => handler(event, context(world, event.leftMs));
  },
  middy: (world, pool, work) => {
    // Its own early end runs by the real clock, and the world by another one.
    const handler = middy({ timeoutEarlyInMillis: 0 })
      .use(leasehold(pool))
      .handler((event) => work(event as Event, pool, world));
    return (event) => handler(event, context(world, event.leftMs) as never) as Promise<unknown>;
  },
};

describe.each(Object.entries(WRAPPERS))('%s: many invocations at once', (_, wrap) => {
  test('each waits until its own deadline, and no longer or shorter', async () => {
    const random = new SeededRandom(7);
    const world = new PoolWorld(20);
    const pool = await world.start({ max: 3, env: MANY, acquireTimeoutMs: 60_000 });
    const waits: { event: Event; waitedMs: number; isServed: boolean }[] = [];
    const invoke = wrap(world, pool, async (event) => {
      const since = world.clock.read();
      const note = (isServed: boolean): void => {
        waits.push({ event, waitedMs: world.clock.elapsedMs(since), isServed });
      };
      // The second use has what the first has left of the time.
      await pool
        .use(() => sleep(world.clock, 10))
        .then(() => pool.use(() => sleep(world.clock, 10)))
        .then(
          () => note(true),
          () => note(false),
        );
    });
    const all = Array.from({ length: 600 }, (_, number) =>
      invoke({ number, leftMs: random.whole(300, 6_000) }),
    );
    await world.until(Promise.all(all), 60_000, 50);
    const late = waits.filter(({ event, waitedMs, isServed }) =>
      isServed ? waitedMs > event.leftMs - RESERVE_MS + 10 : waitedMs !== event.leftMs - RESERVE_MS,
    );
    expect(late).toEqual([]);
    expect(waits).toHaveLength(600);
    expect(waits.filter(({ isServed }) => !isServed).length).toBeGreaterThan(10);
    expect(pool.status()).toMatchObject({ lent: 0, waiting: 0 });
    expect(world.clock.pending.foreground).toBe(0);
  });

  test('the end of one takes back what it has left lent, and nothing of the others', async () => {
    const world = new PoolWorld(50);
    const pool = await world.start({ max: 20, env: MANY });
    const broken: number[] = [];
    const invoke = wrap(world, pool, async ({ number }) => {
      const lent = await pool.acquire();
      await sleep(world.clock, number % 7);
      await lent.connection.run(`of ${number}`).catch(() => broken.push(number));
      if (number % 3 !== 0) await lent.giveBack();
    });
    const all = Array.from({ length: 300 }, (_, number) => invoke({ number, leftMs: 30_000 }));
    await world.until(Promise.all(all), 60_000, 1);
    await world.clock.flush();
    expect(broken).toEqual([]);
    expect(pool.status()).toMatchObject({ lent: 0, closing: 0, waiting: 0 });
    expect(pool.statistics().closed).toMatchObject({ left: 100 });
    expect(world.eventsNamed('leftLent').reduce((sum, { count }) => sum + count, 0)).toBe(100);
    expect(new Set(world.database.statements).size).toBe(300);
  });

  test('what one throws is its own, and its loans come back', async () => {
    const world = new PoolWorld(20);
    const pool = await world.start({ max: 2, env: MANY });
    const invoke = wrap(world, pool, async ({ number }) => {
      await pool.use(async () => {
        if (number % 2 === 1) throw new Error(`thrown by ${number}`);
      });
      return number;
    });
    const all = Array.from({ length: 100 }, (_, number) => invoke({ number, leftMs: 30_000 }));
    const outcomes = await world.until(Promise.allSettled(all));
    for (const [number, outcome] of outcomes.entries()) {
      if (number % 2 === 0) expect(outcome).toEqual({ status: 'fulfilled', value: number });
      else expect(outcome).toMatchObject({ reason: { message: `thrown by ${number}` } });
    }
    expect(pool.status()).toMatchObject({ lent: 0, waiting: 0 });
  });

  test.each([
    ['one at a time', ONE],
    ['many at a time', MANY],
  ])('%s: a connection that comes when its invocation has ended does not stay lent', async (_, env) => {
    const world = new PoolWorld(20);
    const pool = await world.start({ max: 1, env });
    world.database.nextOpens.push({ how: 'slow', ms: 1_000 });
    let late: Promise<Lent<FakeClient>> | undefined;
    const invoke = wrap(world, pool, async () => {
      late = pool.acquire();
      // As with Promise.race: it has other things to do than to wait.
      await Promise.race([late, sleep(world.clock, 100)]);
    });
    await world.until(invoke({ number: 1, leftMs: 30_000 }));
    await world.clock.advanceAsync(2_000);
    expect(pool.status()).toMatchObject({ lent: 0, idle: 1 });
    const lent = await late;
    expect(() => lent?.connection).toThrow(expect.objectContaining({ code: 'USED_AFTER_RETURN' }));
    expect(await world.until(pool.use((client) => client.run('the next')))).toBe('the next');
    expect(pool.statistics()).toMatchObject({ returned: 2 });
  });

  test('what is asked for after the end is the borrower’s own, without a deadline', async () => {
    const world = new PoolWorld(20);
    const pool = await world.start({ max: 1, env: MANY });
    let after: Promise<string> | undefined;
    const invoke = wrap(world, pool, async () => {
      after = sleep(world.clock, 1_000).then(async () => {
        const lent = await pool.acquire();
        const said = await lent.connection.run('after the end');
        await lent.giveBack();
        return said;
      });
    });
    await world.until(invoke({ number: 1, leftMs: 500 }));
    expect(await world.until(after as Promise<string>)).toBe('after the end');
  });
});
