import { expect, test } from '@jest/globals';
import { type MetricsSink, poolMetrics } from '../../lib/lambda/with-leases.ts';
import { PoolWorld } from '../support/pool-world.ts';

/** What was added since the last look, by name; and what was added with a dimension of its own. */
const recordingSink = () => {
  const values: Record<string, number[]> = {};
  const singles: string[] = [];
  const sink: MetricsSink = {
    addMetric: (name, _, value) => {
      values[name] = [...(values[name] ?? []), value];
    },
    singleMetric: () => {
      let dimension = '';
      return {
        addDimension: (name: string, value: string) => {
          dimension = `${name}=${value}`;
        },
        addMetric: (name: string, _: string, value: number) => singles.push(`${name} ${dimension} ${value}`),
      };
    },
  };
  const taken = (): Record<string, number[]> => {
    const all = { ...values };
    for (const name of Object.keys(values)) delete values[name];
    return all;
  };
  return { sink, taken, singles };
};

test('a wait in the fleet’s queue shows: its length, how many waited, and that it was long', async () => {
  const world = new PoolWorld(1);
  const holder = await world.start({ max: 1 });
  const lent = await world.until(holder.acquire());
  const pool = world.pool({ max: 1 });
  const { sink, taken, singles } = recordingSink();
  using metrics = poolMetrics(pool, sink);
  const uses = [1, 2, 3].map(() => pool.use(() => undefined, { timeoutMs: 60_000 }));
  await world.clock.advanceAsync(2_600);
  metrics.record();
  expect(taken()).toMatchObject({ Waiting: [3], LongWaits: [expect.any(Number)] });
  expect(singles).toEqual([expect.stringMatching(/^LongWaits because=QUEUE [12]$/)]);
  await lent.giveBack();
  await world.until(Promise.all(uses));
  metrics.record();
  const after = taken();
  expect(after['Waiting']).toEqual([3]);
  // The first waited for a lease; after each turn the place went back to the fleet, where nobody was before the others.
  expect(after['LeaseWait']?.[0]).toBeGreaterThanOrEqual(2_600);
  expect(after['AcquireWait']).toHaveLength(3);
  metrics.record();
  expect(taken()).toMatchObject({ Waiting: [0] });
});

test('the most that waited at once shows, also when everybody has been served or has given up by the record', async () => {
  const world = new PoolWorld(1);
  const pool = await world.start({ max: 1 });
  const { sink, taken } = recordingSink();
  using metrics = poolMetrics(pool, sink);
  const lent = await world.until(pool.acquire());
  metrics.record();
  expect(taken()).toMatchObject({ Waiting: [0] });
  const uses = [1, 2].map(() => pool.use(() => undefined));
  await world.clock.advanceAsync(20);
  await lent.giveBack();
  await world.until(Promise.all(uses));
  metrics.record();
  expect(taken()).toMatchObject({ Waiting: [2] });
  const again = await world.until(pool.acquire());
  metrics.record();
  taken();
  await world.until(pool.use(() => undefined, { timeoutMs: 50 }).catch(() => undefined));
  metrics.record();
  expect(taken()).toMatchObject({ Waiting: [1] });
  await again.giveBack();
});

test('a wait because nobody is granted anything has that as its cause', async () => {
  const world = new PoolWorld(2);
  const pool = await world.start({ max: 1 });
  const { sink, singles } = recordingSink();
  using metrics = poolMetrics(pool, sink);
  await world.registry.operate('orders', { kind: 'pause', forMs: 0 });
  await world.until(pool.use(() => undefined, { timeoutMs: 1_800 }).catch(() => undefined));
  metrics.record();
  expect(singles).toContain('LongWaits because=PAUSED 1');
  expect(singles).toContain('AcquireFailed code=DENIED 1');
});

test('how callers came by a connection is counted since the last record, and how long connects and loans took', async () => {
  const world = new PoolWorld(10);
  const pool = await world.start({ max: 1 });
  const { sink, taken } = recordingSink();
  using metrics = poolMetrics(pool, sink);
  const lent = await world.until(pool.acquire());
  const late = world.until(pool.use(() => undefined, { timeoutMs: 100 })).catch(() => undefined);
  await world.clock.advanceAsync(300);
  await late;
  await lent.giveBack();
  await pool.use(() => undefined);
  await pool.use(() => undefined);
  metrics.record();
  expect(taken()).toMatchObject({
    GetsDirect: [2],
    GetsWaited: [1],
    GetsTimedOut: [1],
    ConnectTime: [0],
    HoldTime: [300, 0, 0],
  });
  metrics.record();
  expect(taken()).not.toHaveProperty('GetsDirect');
});
