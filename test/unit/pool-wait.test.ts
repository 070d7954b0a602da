import { describe, expect, test } from '@jest/globals';
import { sleep } from '../../lib/core/clock.ts';
import type { LeaseholdError, Pool, PoolOptions } from '../../lib/index.ts';
import type { GrantReply, GrantRequest } from '../../lib/registry/registry.ts';
import type { FakeClient } from '../support/fake-database.ts';
import { PoolWorld } from '../support/pool-world.ts';

type Options = Partial<PoolOptions<FakeClient>>;

/** One connection, lent; and a second pool that wants it. */
const fullWorld = async (options: Options = {}) => {
  const world = new PoolWorld(1);
  const holder = await world.start({ max: 1, ...options });
  const lent = await world.until(holder.acquire());
  const waiter = world.pool({ max: 1, ...options });
  world.calls.length = 0;
  return { world, holder, lent, waiter };
};

const grants = (world: PoolWorld): number => world.calls.filter((call) => call === 'grant').length;

/** Ms that pass on the test's clock until `work` is done. */
const timed = async (world: PoolWorld, work: Promise<unknown>): Promise<number> => {
  const since = world.clock.read();
  await world.until(work, 60_000, 1);
  return world.clock.elapsedMs(since);
};

describe('wake-ups', () => {
  test('a waiter is woken when a slot is freed, and served at once', async () => {
    const { world, lent, waiter } = await fullWorld();
    const use = waiter.use((client) => client.run('served'), { timeoutMs: 60_000 });
    await world.clock.advanceAsync(5_000);
    const before = grants(world);
    await lent.giveBack();
    expect(await timed(world, use)).toBeLessThanOrEqual(1);
    expect(grants(world) - before).toBe(1);
  });

  test('so is one who has only just begun to wait', async () => {
    const { world, lent, waiter } = await fullWorld();
    const use = waiter.use((client) => client.run('served'), { timeoutMs: 60_000 });
    await world.clock.advanceAsync(5);
    await lent.giveBack();
    expect(await timed(world, use)).toBeLessThanOrEqual(1);
  });

  test('a lost wake-up costs one slow poll at most', async () => {
    const { world, lent, waiter } = await fullWorld();
    let lost = 0;
    world.onWake = () => {
      lost += 1;
    };
    const use = waiter.use((client) => client.run('served'), { timeoutMs: 60_000 });
    await world.clock.advanceAsync(5_000);
    await lent.giveBack();
    expect(await timed(world, use)).toBeLessThanOrEqual(500);
    expect(lost).toBe(1);
  });

  test('who hears wake-ups polls three times in the life of a ticket, and keeps it alive', async () => {
    const { world, waiter } = await fullWorld();
    const use = waiter.use(() => undefined, { timeoutMs: 20_000 }).catch(() => undefined);
    await world.clock.advanceAsync(1_000);
    const before = grants(world);
    await world.clock.advanceAsync(9_000);
    expect(grants(world) - before).toBeGreaterThanOrEqual(18);
    expect(grants(world) - before).toBeLessThanOrEqual(23);
    expect(await world.registry.inspect('orders')).toMatchObject({ waiters: 1 });
    await world.until(use);
  });

  test('a short life of tickets is kept up with', async () => {
    const { world, waiter } = await fullWorld({ ticketLivenessMs: 500 });
    const use = waiter.use(() => undefined, { timeoutMs: 20_000 }).catch(() => undefined);
    for (let passed = 0; passed < 10_000; passed += 100) {
      await world.clock.advanceAsync(100);
      expect(await world.registry.inspect('orders')).toMatchObject({ waiters: 1 });
    }
    await world.until(use);
  });

  test('a wake-up that overtakes the answer that says "queued" is not forgotten', async () => {
    const { world, lent, waiter } = await fullWorld();
    const use = waiter.use((client) => client.run('served'), { timeoutMs: 60_000 });
    await world.clock.advanceAsync(2_000);
    let answer = (): void => undefined;
    world.interfere = async (operation, call) => {
      const reply = (await call()) as GrantReply;
      if (operation === 'grant' && reply.kind === 'queued') {
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
      }
      return reply;
    };
    await world.clock.advanceAsync(600);
    // A poll has been answered, its answer is still on its way: now the slot is freed, and the wake-up is quicker.
    await lent.giveBack();
    await world.clock.flush();
    answer();
    expect(await timed(world, use)).toBeLessThanOrEqual(1);
  });

  test('a wake-up licenses nothing: without a slot the caller asks, and stays where it is', async () => {
    const { world, waiter } = await fullWorld();
    const ids: string[] = [];
    world.interfere = (operation, call, [request]) => {
      if (operation === 'grant') ids.push((request as GrantRequest).leaseId);
      return call();
    };
    const hears: (() => void)[] = [];
    world.listensBy = (onWake) => hears.push(() => onWake(ids.at(-1) ?? ''));
    const use = waiter.use(() => undefined, { timeoutMs: 3_000 }).catch((error: unknown) => error);
    await world.clock.advanceAsync(1_000);
    const before = grants(world);
    for (let wake = 0; wake < 3; wake += 1) {
      hears[0]?.();
      await world.clock.flush();
    }
    expect(grants(world) - before).toBe(3);
    expect(world.database.opens).toHaveLength(1);
    expect(new Set(ids).size).toBe(1);
    expect(await world.until(use)).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
  });

  test('a caller asks as one that can be woken only while its listener stands', async () => {
    const { world, waiter } = await fullWorld();
    const listens: (boolean | undefined)[] = [];
    world.interfere = (operation, call, [request]) => {
      if (operation === 'grant') listens.push((request as GrantRequest).listens);
      return call();
    };
    world.hearsWakes = false;
    const use = waiter.use(() => undefined, { timeoutMs: 2_000 }).catch(() => undefined);
    await world.clock.advanceAsync(300);
    expect(listens).not.toContain(true);
    expect(listens.length).toBeGreaterThan(5);
    world.hearsWakes = true;
    await world.clock.advanceAsync(100);
    expect(listens.at(-1)).toBe(true);
    await world.until(use);
  });

  test('there is one listener for a pool: from the first wait on, until some seconds after the last', async () => {
    const world = new PoolWorld(2);
    const holder = await world.start({ max: 2, headroom: 0 });
    const [one, two] = await world.until(Promise.all([holder.acquire(), holder.acquire()]));
    expect(world.listeners).toBe(0);
    const waiter = world.pool({ max: 2, headroom: 0 });
    const uses = [1, 2].map(() => waiter.use(() => undefined, { timeoutMs: 60_000 }));
    await world.clock.advanceAsync(100);
    expect(world.listeners).toBe(1);
    await one?.giveBack();
    await two?.giveBack();
    await world.until(Promise.all(uses));
    await world.clock.advanceAsync(4_000);
    expect(world.listeners).toBe(1);
    await world.clock.advanceAsync(1_500);
    expect(world.listeners).toBe(0);
  });

  test('the listener stays while anybody waits, and through the next wait that begins before it has gone', async () => {
    const world = new PoolWorld(2);
    const holder = await world.start({ max: 2, headroom: 0 });
    const [one, two] = await world.until(Promise.all([holder.acquire(), holder.acquire()]));
    const waiter = world.pool({ max: 2, headroom: 0 });
    const uses = [1, 2].map(() => waiter.acquire({ timeoutMs: 120_000 }));
    await world.clock.advanceAsync(100);
    await one?.giveBack();
    const first = await world.until(Promise.race(uses));
    await world.clock.advanceAsync(10_000);
    expect(world.listeners).toBe(1);
    await two?.giveBack();
    await world.until(Promise.all(uses));
    await world.clock.advanceAsync(3_000);
    const again = world.pool({ max: 1, headroom: 0 });
    const third = again.acquire({ timeoutMs: 60_000 }).catch(() => undefined);
    const fourth = waiter.acquire({ timeoutMs: 60_000 }).catch(() => undefined);
    await world.clock.advanceAsync(4_000);
    expect(world.listeners).toBeGreaterThanOrEqual(1);
    await first.giveBack();
    await world.until(Promise.race([third, fourth]));
    await world.until(waiter.close({ timeoutMs: 10 }));
    await world.until(again.close({ timeoutMs: 10 }));
    expect(world.listeners).toBe(0);
  });

  test('a wait that begins while the listener lingers keeps it', async () => {
    const { world, holder, lent, waiter } = await fullWorld();
    const use = waiter.use(() => undefined, { timeoutMs: 60_000 });
    await world.clock.advanceAsync(100);
    await lent.giveBack();
    await world.until(use);
    const other = await world.until(holder.acquire());
    await world.clock.advanceAsync(3_000);
    const next = waiter.use(() => undefined, { timeoutMs: 60_000 });
    await world.clock.advanceAsync(6_000);
    expect(world.listeners).toBe(1);
    await other.giveBack();
    await world.until(next);
  });

  test('close stops listening', async () => {
    const { world, waiter } = await fullWorld();
    const use = waiter.use(() => undefined).catch(() => undefined);
    await world.clock.advanceAsync(100);
    await world.until(waiter.close());
    await use;
    expect(world.listeners).toBe(0);
  });

  test('L9 three waiters are served in the order of their tickets, each by one wake-up', async () => {
    const world = new PoolWorld(1);
    const holder = await world.start({ max: 1 });
    const lent = await world.until(holder.acquire());
    const order: number[] = [];
    const uses: Promise<unknown>[] = [];
    for (const n of [1, 2, 3]) {
      const pool: Pool<FakeClient> = world.pool({ max: 1 });
      uses.push(pool.use(() => void order.push(n), { timeoutMs: 60_000 }));
      await world.clock.advanceAsync(100);
    }
    await world.clock.advanceAsync(2_000);
    await lent.giveBack();
    expect(await timed(world, Promise.all(uses))).toBeLessThan(50);
    expect(order).toEqual([1, 2, 3]);
  });
});

describe('waiting is visible', () => {
  test('a wait of more than a second is told, and then ever more rarely', async () => {
    const { world, waiter } = await fullWorld();
    const use = waiter.use(() => undefined, { timeoutMs: 200_000 }).catch(() => undefined);
    await world.clock.advanceAsync(900);
    expect(world.eventsNamed('waiting')).toEqual([]);
    await world.clock.advanceAsync(160_000);
    const told = world.eventsNamed('waiting');
    expect(told[0]).toMatchObject({ position: 1, because: undefined });
    const waits = told.map(({ waitedMs }) => waitedMs);
    expect(waits[0]).toBeLessThan(1_600);
    for (const [at, waitedMs] of waits.entries()) {
      const before = waits[at - 1] ?? 500;
      expect(waitedMs).toBeGreaterThanOrEqual(before + Math.min(before, 30_000));
      expect(waitedMs).toBeLessThan(before + Math.min(before, 30_000) + 1_100);
    }
    expect(waits.at(-1)).toBeGreaterThan(120_000);
    await world.until(use, 100_000);
  });
});

describe('while the registry grants nothing to anybody', () => {
  const pausedWorld = async (forMs: number) => {
    const world = new PoolWorld(4);
    const pool = await world.start({ max: 1 });
    await world.registry.operate('orders', { kind: 'pause', forMs });
    return { world, pool };
  };

  test('DEADLINE_NEAR: who cannot wait so long hears it at once, and why', async () => {
    const { world, pool } = await pausedWorld(60_000);
    const since = world.clock.read();
    await expect(world.until(pool.use(() => undefined, { timeoutMs: 5_000 }))).rejects.toMatchObject({
      code: 'DENIED',
      statusCode: 503,
      retryAfterMs: 60_000,
      details: { reason: 'DEADLINE_NEAR', because: 'PAUSED' },
      message: expect.stringContaining('an operator has paused the resource; try again in 60000 ms'),
    });
    expect(world.clock.elapsedMs(since)).toBeLessThan(20);
    expect(await world.registry.inspect('orders')).toMatchObject({ waiters: 0 });
    expect(pool.status()).toMatchObject({ opening: 0, waiting: 0 });
  });

  test('a caller that comes with more time meanwhile is not sent away with the others', async () => {
    const { world, pool } = await pausedWorld(3_000);
    let isFirst = true;
    const counts: (number | undefined)[] = [];
    const waiters = async () => (await world.registry.inspect('orders'))?.waiters;
    let later: Promise<unknown> | undefined;
    world.interfere = async (operation, call) => {
      const reply = await call();
      if (operation === 'grant' && isFirst) {
        isFirst = false;
        // He has time enough for a place in the registry's queue, and gets one.
        world.clock.setTimer(100, () => void waiters().then((count) => counts.push(count)));
        later = pool.use((client) => client.run('late'), { timeoutMs: 30_000 });
      }
      return reply;
    };
    await expect(world.until(pool.use(() => undefined, { timeoutMs: 1_000 }))).rejects.toMatchObject({
      details: { reason: 'DEADLINE_NEAR' },
    });
    await world.until(later ?? Promise.reject(new Error('never asked')));
    expect(world.database.statements).toHaveLength(1);
    expect(counts).toEqual([1]);
  });

  test('a connection that this process still has lent may serve the caller all the same', async () => {
    const world = new PoolWorld(4);
    const pool = await world.start({ max: 2 });
    const lent = await world.until(pool.acquire());
    await world.registry.operate('orders', { kind: 'pause', forMs: 60_000 });
    const use = pool.use((client) => client.run('on the same'), { timeoutMs: 5_000 });
    await world.clock.advanceAsync(2_000);
    await lent.giveBack();
    await world.until(use);
    expect(world.database.opens).toHaveLength(1);
  });

  test('a pause without end: callers wait in the queue, and are served when somebody resumes', async () => {
    const { world, pool } = await pausedWorld(0);
    const use = pool.use((client) => client.run('resumed'), { timeoutMs: 30_000 });
    await world.clock.advanceAsync(4_000);
    expect(await world.registry.inspect('orders')).toMatchObject({ waiters: 1 });
    expect(world.eventsNamed('waiting')[0]).toMatchObject({ because: 'PAUSED' });
    await world.registry.operate('orders', { kind: 'resume' });
    expect(await timed(world, use)).toBeLessThanOrEqual(1);
  });

  test('who runs out of time in a pause hears of the pause', async () => {
    const { world, pool } = await pausedWorld(0);
    await expect(world.until(pool.use(() => undefined, { timeoutMs: 2_000 }))).rejects.toMatchObject({
      code: 'DENIED',
      retryable: true,
      details: { reason: 'PAUSED', waitedMs: 2_000 },
      message: expect.stringContaining('an operator has paused the resource'),
    });
  });

  test('drained: what is idle is closed, what is lent goes on, and newcomers hear why', async () => {
    const world = new PoolWorld(4);
    const pool = await world.start({ max: 2 });
    const lent = await world.until(pool.acquire());
    await world.registry.operate('orders', { kind: 'drain' });
    await expect(world.until(world.pool().acquire({ timeoutMs: 500 }))).rejects.toMatchObject({
      details: { reason: 'DRAINING' },
    });
    await world.clock.advanceAsync(15_000);
    await lent.connection.run('goes on');
    await lent.giveBack();
    await world.clock.advanceAsync(100);
    expect(world.database.labels).toEqual([]);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, revoking: 0 });
  });

  test('the breaker: failures of three holders stop the fourth, who hears it at once or waits for its chance', async () => {
    const world = new PoolWorld(10);
    const pools = [await world.start(), world.pool(), world.pool()];
    for (const pool of pools) {
      world.database.nextOpens.push({ how: 'refuse', failure: 'unreachable' });
      await expect(world.until(pool.use(() => undefined, { timeoutMs: 500 }))).rejects.toMatchObject({
        code: 'CONNECT_FAILED',
      });
    }
    expect(await world.registry.inspect('orders')).toMatchObject({ breaker: 'open' });
    await expect(world.until(world.pool().use(() => undefined, { timeoutMs: 100 }))).rejects.toMatchObject({
      details: { reason: 'DEADLINE_NEAR', because: 'BREAKER' },
    });
    await world.until(world.pool().use((client) => client.run('back'), { timeoutMs: 10_000 }));
    await world.clock.flush();
    expect(await world.registry.inspect('orders')).toMatchObject({ breaker: 'closed' });
  });
});

describe('a connect that is put off', () => {
  const RATE = { connectsPerSecond: 1, connectBurst: 1 };

  /** The connect rate is used up by a first connection. */
  const ratedWorld = async () => {
    const world = new PoolWorld(10);
    const first = await world.start({ max: 1, ...RATE });
    await world.until(first.use(() => undefined));
    return { world, first };
  };

  test('begins when the registry has said, and no sooner', async () => {
    const { world } = await ratedWorld();
    const use = world.pool({ max: 1, ...RATE }).use((client) => client.run('later'));
    await world.clock.advanceAsync(950);
    expect(world.database.opens).toHaveLength(1);
    await world.clock.advanceAsync(60);
    expect(world.database.opens).toHaveLength(2);
    await world.until(use);
  });

  test('is not granted to callers in haste: one after the other would only use the rate up', async () => {
    const { world } = await ratedWorld();
    // The answer travels for 10 ms, so who is granted a connect at the end of its time begins it too late.
    world.interfere = async (operation, call) => {
      const reply = await call();
      if (operation === 'grant') await sleep(world.clock, 10);
      return reply;
    };
    const outcomes: unknown[] = [];
    for (let ms = 0; ms < 10_000; ms += 20) {
      const use = world.pool({ max: 1, acquireTimeoutMs: 300, ...RATE }).use(() => 'served');
      use.then(
        (word) => outcomes.push(word),
        ({ details }: LeaseholdError) => outcomes.push(`${details['reason']} ${details['because']}`),
      );
      await world.clock.advanceAsync(20);
    }
    expect(new Set(outcomes)).toEqual(new Set(['DEADLINE_NEAR RATE', 'served']));
    expect(outcomes.filter((each) => each === 'served').length).toBeGreaterThanOrEqual(9);
    expect(world.database.opens.length).toBeGreaterThanOrEqual(10);
  });

  test('is called off with its caller: nothing is opened, and the lease is given back', async () => {
    const { world } = await ratedWorld();
    const abort = new AbortController();
    const use = world.pool({ max: 1, ...RATE }).use(() => undefined, { signal: abort.signal });
    await world.clock.advanceAsync(300);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 2 });
    abort.abort();
    await expect(use).rejects.toMatchObject({ code: 'ABORTED' });
    await world.clock.advanceAsync(5);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, revoking: 0 });
    await world.clock.advanceAsync(2_000);
    expect(world.database.opens).toHaveLength(1);
    expect(world.eventsNamed('retry')).toEqual([]);
  });

  test('L2 is not begun if the process slept through its protection meanwhile', async () => {
    const { world } = await ratedWorld();
    const use = world.pool({ max: 1, ...RATE }).use((client) => client.label, { timeoutMs: 60_000 });
    await world.clock.advanceAsync(300);
    const report = await world.registry.inspect('orders', 10);
    world.clock.freeze(9_000);
    const label = await world.until(use);
    expect(world.database.opens).toHaveLength(2);
    // The first grant was never opened.
    const unopened = report?.entries.find(({ session }) => session === undefined)?.lease.id;
    expect(unopened).toBeDefined();
    expect(label).not.toContain(unopened);
  });
});
