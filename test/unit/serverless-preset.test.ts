import { expect, test } from '@jest/globals';
import type { Driver } from '../../lib/driver/driver.ts';
import { PRESETS } from '../../lib/index.ts';
import { createSweeper } from '../../lib/sweeper/sweeper.ts';
import type { FakeClient } from '../support/fake-database.ts';
import { PoolWorld } from '../support/pool-world.ts';

const SWEEP_EVERY_MS = 300_000;
const HOUR_MS = 3_600_000;

/** Counts whatever goes to the database: connects, checks, statements of duties. */
const contacts = (driver: Driver<FakeClient>) => {
  const seen: string[] = [];
  const watched: Driver<FakeClient> = {
    ...driver,
    open: async (request) => {
      seen.push('open');
      const opened = await driver.open(request);
      if (opened.kind !== 'open') return opened;
      const told = (name: string) => () => seen.push(name);
      return { ...opened, connection: telling(opened.connection, told) };
    },
  };
  return { seen, driver: watched };
};

const ASKING: ReadonlySet<PropertyKey> = new Set(['check', 'reset', 'end', 'look', 'census', 'close']);

const telling = <Target extends object>(target: Target, told: (name: string) => () => unknown): Target =>
  new Proxy(target, {
    get: (of, name) => {
      const value: unknown = Reflect.get(of, name, of);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (ASKING.has(name)) told(String(name))();
        return Reflect.apply(value, of, args);
      };
    },
  });

test('nothing touches a Serverless database but work: an idle pool closes its connections, and the sweeper leaves it alone', async () => {
  const world = new PoolWorld(10);
  const { seen, driver } = contacts(world.database.driver);
  const pool = await world.start({ ...PRESETS.auroraServerless, driver });
  const { registry, clock } = world;
  const sweeper = createSweeper({
    ...PRESETS.auroraServerless,
    ...{ resource: 'orders', capacity: 10, registry, clock, driver },
  });
  await world.until(pool.use((client) => client.run('work')));
  expect(seen).toEqual(['open']);
  await clock.advanceAsync(25_000);
  expect([seen, pool.status().idle]).toEqual([['open', 'close'], 0]);
  for (let passedMs = 0; passedMs < HOUR_MS; passedMs += SWEEP_EVERY_MS) {
    await clock.advanceAsync(SWEEP_EVERY_MS);
    expect(await sweeper.sweep()).toMatchObject({ lookedThrough: 'none', held: 0, revoking: 0 });
  }
  expect(seen).toEqual(['open', 'close']);
});

test('with the defaults the same pool asks its idle connection every half minute, so that a pause would never come', async () => {
  const world = new PoolWorld(10);
  const { seen, driver } = contacts(world.database.driver);
  const pool = await world.start({ driver, min: 1 });
  await world.until(pool.use((client) => client.run('work')));
  await world.clock.advanceAsync(95_000);
  expect(seen.filter((name) => name === 'check')).toHaveLength(3);
});
