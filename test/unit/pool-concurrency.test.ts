import { describe, expect, test } from '@jest/globals';
import type { Pool, PoolOptions } from '../../lib/index.ts';
import type { FakeClient } from '../support/fake-database.ts';
import { PoolWorld } from '../support/pool-world.ts';
import { chooseSeed, SeededRandom } from '../support/seeded-random.ts';

/** The first ones are always the same; the last is another one in each run, and stands in the test's name. */
const SEEDS = [1, 2, 3, chooseSeed()];

type End = 'back' | 'throw' | 'transaction' | 'discard' | 'kill';

interface Plan {
  readonly comesAtMs: number;
  readonly holdMs: number;
  readonly end: End;
  readonly timeoutMs: number;
  readonly abortAfterMs: number | undefined;
}

const ENDS: Readonly<Record<End, number>> = { back: 80, throw: 8, transaction: 6, discard: 3, kill: 3 };

/** Arrivals over two seconds, for more work than there is room for. */
const planned = (random: SeededRandom): Plan => ({
  comesAtMs: random.whole(0, 2_000),
  holdMs: random.chance(0.5) ? 0 : random.whole(1, 20),
  end: random.weighted(ENDS),
  timeoutMs: random.chance(0.3) ? random.whole(1, 3_000) : 600_000,
  abortAfterMs: random.chance(0.2) ? random.whole(0, 2_000) : undefined,
});

/** What became of one caller. */
interface Outcome {
  readonly number: number;
  readonly plan: Plan;
  readonly waitedMs: number;
  readonly code: string | undefined;
}

/** Callers of one pool as they come, hold and go. */
class Crowd {
  readonly outcomes: Outcome[] = [];
  /** In the order in which they were served: the number of each by its arrival. */
  readonly served: number[] = [];
  arrived = 0;
  readonly #world: PoolWorld;
  readonly #pool: Pool<FakeClient>;

  constructor(world: PoolWorld, pool: Pool<FakeClient>) {
    this.#world = world;
    this.#pool = pool;
  }

  come(plan: Plan): Promise<void> {
    return new Promise((resolve) => {
      this.#world.clock.setTimer(plan.comesAtMs, () => resolve(this.#call(plan)));
    });
  }

  async #call(plan: Plan): Promise<void> {
    const { clock } = this.#world;
    this.arrived += 1;
    const number = this.arrived;
    const since = clock.read();
    const gone = new AbortController();
    if (plan.abortAfterMs !== undefined) clock.setTimer(plan.abortAfterMs, () => gone.abort());
    let code: string | undefined;
    let waitedMs: number | undefined;
    try {
      const { timeoutMs } = plan;
      const lent = await this.#pool.acquire({ timeoutMs, signal: gone.signal });
      waitedMs = clock.elapsedMs(since);
      this.served.push(number);
      expect(lent.connection).toMatchObject({ isInTransaction: false, isAlive: true });
      await new Promise<void>((resolve) => clock.setTimer(plan.holdMs, resolve));
      if (plan.end === 'transaction') lent.connection.begin();
      if (plan.end === 'kill') this.#world.database.kill(lent.connection.label);
      await (plan.end === 'discard' ? lent.discard() : lent.giveBack());
    } catch (error) {
      code = String(Reflect.get(error as object, 'code') ?? error);
    }
    this.outcomes.push({ number, plan, waitedMs: waitedMs ?? clock.elapsedMs(since), code });
  }
}

/** All who gave up did so at their own time; all others were served, in the order in which they came. */
const judge = ({ outcomes, served, arrived }: Crowd): void => {
  expect(outcomes).toHaveLength(arrived);
  const wrong = outcomes.filter(({ plan: { timeoutMs, abortAfterMs = 1e9 }, waitedMs, code }) => {
    if (code === undefined) return waitedMs > Math.min(timeoutMs, abortAfterMs);
    if (code === 'ABORTED') return waitedMs !== abortAfterMs;
    return code !== 'ACQUIRE_TIMEOUT' || waitedMs !== timeoutMs;
  });
  expect(wrong).toEqual([]);
  expect(served).toEqual([...served].sort((a, b) => a - b));
};

const settled = async (world: PoolWorld, pools: readonly Pool<FakeClient>[]): Promise<void> => {
  await world.clock.advanceAsync(3_000);
  for (const pool of pools)
    expect(pool.status()).toMatchObject({ lent: 0, busy: 0, opening: 0, closing: 0, waiting: 0 });
  expect(world.clock.pending.foreground).toBe(0);
  expect(world.database.refused).toBe(0);
  const idle = pools.reduce((sum, pool) => sum + pool.status().idle, 0);
  expect(await world.registry.inspect('orders')).toMatchObject({ held: idle, waiters: 0 });
};

describe.each(SEEDS)('seed %d', (seed) => {
  test('thousands of callers of one pool: served in turn, or gone in time, and nothing is left', async () => {
    const random = new SeededRandom(seed);
    const world = new PoolWorld(40);
    const pool = await world.start({ max: random.whole(1, 12), localWaitersMax: 10_000 });
    const crowd = new Crowd(world, pool);
    const calls = Array.from({ length: 2_500 }, () => crowd.come(planned(random)));
    await world.until(Promise.all(calls), 200_000, 250);
    judge(crowd);
    await settled(world, [pool]);
    const { gets, returned, opened, closed } = pool.statistics();
    expect(gets.direct + gets.waited).toBe(returned);
    expect(gets.direct + gets.waited + gets.timedOut + gets.aborted + gets.failed).toBe(2_500);
    expect(opened - Object.values(closed).reduce((sum, count) => sum + count)).toBe(pool.status().idle);
  });

  test('pools that together want far more than there is: no wake-up is lost in any of them', async () => {
    const random = new SeededRandom(seed);
    const world = new PoolWorld(6);
    const options: Partial<PoolOptions<FakeClient>> = { max: 4, quantumMs: 20 };
    const first = await world.start(options);
    const pools = [first, ...[1, 2, 3, 4].map(() => world.pool(options))];
    const crowds = pools.map((pool) => new Crowd(world, pool));
    // Each second wake-up comes late or never.
    world.onWake = (deliver) => {
      const fate = random.pick(['heard', 'heard', 'late', 'lost']);
      if (fate === 'heard') deliver();
      if (fate === 'late') world.clock.setTimer(random.whole(1, 400), deliver);
    };
    const calls = crowds.flatMap((crowd) => Array.from({ length: 150 }, () => crowd.come(planned(random))));
    await world.until(Promise.all(calls), 400_000, 250);
    for (const crowd of crowds) judge(crowd);
    await settled(world, pools);
  });
});

describe('many callers in one turn', () => {
  test('ask for no more leases than the process may have connections, all at once', async () => {
    const world = new PoolWorld(100);
    const pool = await world.start({ max: 10 });
    let inFlight = 0;
    let most = 0;
    world.interfere = async (operation, call) => {
      if (operation !== 'grant') return call();
      inFlight += 1;
      most = Math.max(most, inFlight);
      await new Promise<void>((resolve) => world.clock.setTimer(20, resolve));
      inFlight -= 1;
      return call();
    };
    const uses = Array.from({ length: 5_000 }, () => pool.use((client) => client.label));
    expect(await world.until(Promise.all(uses))).toHaveLength(5_000);
    expect(most).toBe(10);
    expect(world.calls.filter((call) => call === 'grant')).toHaveLength(10);
  });

  test('that all give up in the turn in which a connection comes leave it to the next', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    const lent = await world.until(pool.acquire());
    const gone = new AbortController();
    const uses = Array.from({ length: 1_000 }, () => pool.use(() => undefined, { signal: gone.signal }));
    const outcomes = Promise.allSettled(uses);
    gone.abort();
    const back = lent.giveBack();
    const next = pool.use(() => 'served');
    await back;
    expect(await world.until(next)).toBe('served');
    expect((await outcomes).filter(({ status }) => status === 'fulfilled')).toEqual([]);
    expect(pool.statistics().gets).toMatchObject({ aborted: 1_000 });
  });
});
