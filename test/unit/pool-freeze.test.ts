import { describe, expect, test } from '@jest/globals';
import type { Lent, Pool, PoolOptions } from '../../lib/index.ts';
import type { FakeClient } from '../support/fake-database.ts';
import { FrozenProcess } from '../support/frozen-process.ts';
import { PoolWorld } from '../support/pool-world.ts';

/* One process is frozen at each step of a connection's life, while the rest of the fleet goes on and wants every place. */

const CAPACITY = 4;
const PROTECT_MS = 10_000;
const IDLE_MS = 20_000;
const PATIENCE_MS = 8_000;

class Fleet {
  readonly world = new PoolWorld(CAPACITY);
  readonly frozen: FrozenProcess<FakeClient>;
  readonly options: Partial<PoolOptions<FakeClient>> = {
    max: 2,
    idleMs: IDLE_MS,
    healthCheckIntervalMs: 5_000,
  };
  readonly calls: Promise<unknown>[] = [];

  constructor() {
    const { clock, registry, database } = this.world;
    this.frozen = new FrozenProcess(clock.wallMs(), registry, database.driver);
    database.endsIdle = true;
  }

  async start(): Promise<{ pool: Pool<FakeClient>; other: Pool<FakeClient> }> {
    const other = await this.world.start({ ...this.options, max: CAPACITY });
    const { clock, registry, driver } = this.frozen;
    const pool = this.world.pool({ ...this.options, clock, registry, driver });
    return { pool, other };
  }

  /** Everybody's time, but for a frozen process. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      await this.world.clock.advanceAsync(100);
      if (!this.frozen.isFrozen) await this.frozen.clock.advanceAsync(100);
    }
  }

  /** A whole use, whatever comes of it. */
  use(pool: Pool<FakeClient>, work: (client: FakeClient) => unknown = (client) => client.run('x')): void {
    const use = pool.use(
      async (client) => {
        expect(client.isInTransaction).toBe(false);
        await work(client);
      },
      { timeoutMs: PATIENCE_MS },
    );
    this.calls.push(use.catch(() => undefined));
  }
}

type Prepare = (fleet: Fleet, pool: Pool<FakeClient>) => Promise<void>;

const STEPS: Readonly<Record<string, Prepare>> = {
  'before it asks': async () => undefined,
  'before the answer to its ask': async (fleet, pool) => fleet.use(pool),
  'while it connects': async (fleet, pool) => {
    fleet.world.database.nextOpens.push({ how: 'slow', ms: 500 });
    fleet.use(pool);
    await fleet.pass(200);
  },
  'while it connects, in vain': async (fleet, pool) => {
    fleet.world.database.nextOpens.push({ how: 'never' });
    fleet.use(pool);
    await fleet.pass(200);
  },
  'before the next attempt to connect': async (fleet, pool) => {
    fleet.world.database.nextOpens.push({ how: 'refuse', failure: 'starting' });
    fleet.use(pool);
    await fleet.pass(200);
  },
  'while its session is being bound': async (fleet, pool) => {
    fleet.world.interfere = async (operation, call) => {
      const reply = await call();
      if (operation === 'renew') await fleet.world.clock.flush();
      return reply;
    };
    fleet.use(pool);
    await fleet.world.clock.flush();
  },
  'while it waits in the queue': async (fleet, pool) => {
    const rest = fleet.world.pool({ ...fleet.options, max: CAPACITY });
    for (let n = 0; n < 3; n += 1) fleet.use(rest, () => sleepIn(fleet, 1_000));
    fleet.use(pool);
    await fleet.pass(300);
  },
  'while a borrower thinks': async (fleet, pool) => {
    fleet.use(pool, async (client) => {
      await client.run('before');
      await new Promise<void>((resolve) => fleet.frozen.clock.setTimer(500, resolve));
      await client.run('after');
    });
    await fleet.pass(200);
  },
  'in a transaction': async (fleet, pool) => {
    fleet.use(pool, async (client) => {
      client.begin();
      await new Promise<void>((resolve) => fleet.frozen.clock.setTimer(500, resolve));
    });
    await fleet.pass(200);
  },
  'while its renewal is on its way': async (fleet, pool) => {
    fleet.use(pool, async (client) => {
      await new Promise<void>((resolve) => fleet.frozen.clock.setTimer(5_000, resolve));
      await client.run('after');
    });
    await fleet.pass(3_400);
  },
  'while it resets': async (fleet, pool) => {
    fleet.world.database.steps.reset = 'slow';
    fleet.use(pool, (client) => client.begin());
    await fleet.pass(500);
  },
  'while it is idle': async (fleet, pool) => {
    fleet.use(pool);
    await fleet.pass(500);
  },
  'while it is parked': async (fleet, pool) => {
    fleet.use(pool);
    await fleet.pass(6_000);
    expect(await fleet.world.registry.inspect('orders')).toMatchObject({ held: 1, protectedCount: 0 });
  },
  'in a health round': async (fleet, pool) => {
    fleet.use(pool);
    await fleet.pass(500);
    fleet.world.database.steps.check = 'slow';
    await fleet.pass(5_000);
    expect(pool.status().busy).toBe(1);
  },
  'while it checks': async (fleet, pool) => {
    fleet.use(pool);
    await fleet.pass(4_900);
    fleet.world.database.steps.check = 'slow';
    await fleet.pass(300);
    fleet.use(pool);
    await fleet.pass(100);
  },
  'while it says goodbye': async (fleet, pool) => {
    fleet.world.database.steps.close = 'slow';
    const lent = await lentIn(fleet, pool);
    void lent.discard();
    await fleet.pass(200);
  },
  'while it closes for good': async (fleet, pool) => {
    const lent = await lentIn(fleet, pool);
    void pool.close({ timeoutMs: 2_000 });
    await fleet.pass(200);
    fleet.frozen.clock.setBackgroundTimer(5_000, () => void lent.giveBack());
  },
};

const sleepIn = (fleet: Fleet, ms: number): Promise<void> =>
  new Promise((resolve) => fleet.world.clock.setTimer(ms, resolve));

const lentIn = async (fleet: Fleet, pool: Pool<FakeClient>): Promise<Lent<FakeClient>> => {
  const lent = pool.acquire();
  await fleet.pass(100);
  return lent;
};

const LENT = ['while a borrower thinks', 'in a transaction', 'while its renewal is on its way'];

const FREEZES = [
  ['within the protection', PROTECT_MS / 2],
  ['past the protection', PROTECT_MS + 5_000],
  ['past the idle time as well', PROTECT_MS + IDLE_MS + 10_000],
] as const;

const CASES = Object.entries(STEPS).flatMap(([step, prepare]) =>
  FREEZES.flatMap(([far, freezeMs]) =>
    [true, false].map((monotonicStops) => ({
      step,
      prepare,
      far,
      freezeMs,
      monotonicStops,
      others: CAPACITY,
    })),
  ),
);

/** Where nobody wants its place its session lives on: then only its own clocks keep a borrower from using it. */
const UNWANTED = CASES.filter(({ step }) => LENT.includes(step)).map((it) => ({ ...it, others: 0 }));

/** No statement runs under a lease that the registry does not protect: whoever thaws asks first. */
const judgeStatements = (world: PoolWorld): Promise<void>[] => {
  const judged: Promise<void>[] = [];
  world.database.onStatement = (label) => {
    const report = world.registry.inspect('orders', 100);
    const judge = async (): Promise<void> => {
      const { entries = [] } = (await report) ?? {};
      const states = entries.filter(({ lease }) => label.includes(lease.id)).map(({ state }) => state);
      expect(states).toEqual(['protected']);
    };
    judged.push(judge());
  };
  return judged;
};

/** What is left when nobody wants anything any more. */
const settle = async (fleet: Fleet, pools: readonly Pool<FakeClient>[]): Promise<void> => {
  const { world, frozen } = fleet;
  for (const pool of pools) {
    const { gets, returned, opened, closed } = pool.statistics();
    expect(gets.direct + gets.waited).toBe(returned);
    const gone = Object.values(closed).reduce((sum, count) => sum + count);
    expect(opened - gone).toBe(pool.status().idle);
    void pool.close({ timeoutMs: 1_000 });
  }
  await fleet.pass(10_000);
  expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, waiters: 0 });
  expect(world.database.refused).toBe(0);
  expect(world.database.peak).toBeLessThanOrEqual(CAPACITY);
  expect([world.clock.pending.foreground, frozen.clock.pending.foreground]).toEqual([0, 0]);
};

describe('a process that is frozen', () => {
  test.each([...CASES, ...UNWANTED])(
    '$step, $far (its monotonic clock stops: $monotonicStops; $others want its place) breaks no law, and serves again',
    async ({ step, prepare, freezeMs, monotonicStops, others }) => {
      const fleet = new Fleet();
      const { world, frozen } = fleet;
      const judged = judgeStatements(world);
      const { pool, other } = await fleet.start();
      await prepare(fleet, pool);
      frozen.freeze(freezeMs, { monotonicStops });
      // The others want everything, and get what nobody protects.
      for (let passed = 0; passed < freezeMs; passed += 2_500) {
        for (let n = 0; n < others; n += 1) fleet.use(other, () => sleepIn(fleet, 1_000));
        await fleet.pass(2_500);
      }
      Object.assign(world.database.steps, { check: 'ok', reset: 'ok', close: 'ok' });
      await frozen.thaw();
      const use = pool.use((client) => client.run('after the freeze'), { timeoutMs: PATIENCE_MS });
      const outcome = Promise.allSettled([use]);
      await fleet.pass(PATIENCE_MS + 3_000);
      const isOver = step === 'while it closes for good';
      expect((await outcome)[0]?.status).toBe(isOver ? 'rejected' : 'fulfilled');
      await Promise.all([...fleet.calls, ...judged]);
      expect(pool.status()).toMatchObject({ lent: 0, opening: 0, busy: 0, closing: 0, waiting: 0 });
      await settle(fleet, [pool, other]);
    },
  );
});
