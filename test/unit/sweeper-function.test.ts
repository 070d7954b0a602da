import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import { configureAsNew } from '../../functions/new-resource.ts';
import { readSettings } from '../../functions/settings.ts';
import { sweeperHandler } from '../../functions/sweeper.ts';
import type { Wiring } from '../../functions/wiring.ts';
import { parseConfig, settingsOf } from '../../lib/core/config.ts';
import { sessionLabel } from '../../lib/core/label.ts';
import type { Driver } from '../../lib/driver/driver.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDatabase } from '../support/fake-database.ts';
import { scheduledEvent } from '../support/lambda.ts';

const ENV = {
  DATABASE_URL: 'postgres://app@db/orders',
  LEASEHOLD_RESOURCE: 'orders',
  LEASEHOLD_CAPACITY: '20',
  LEASEHOLD_NAMESPACE: 'sweep',
};
const CONFIG = parseConfig({}, [], ENV);

let registry: Registry;
let database: FakeDatabase;
let written: [name: string, value: number][];
let publish: jest.Mock<() => void>;

beforeEach(async () => {
  registry = memoryRegistry();
  database = new FakeDatabase(new FakeClock(), 50);
  written = [];
  publish = jest.fn<() => void>();
  await registry.configure('orders', settingsOf(CONFIG), true);
});

const silent = { info: () => undefined, warn: () => undefined };

const wiringOf = (more: Record<string, string> = {}, parts: object = {}): Wiring => {
  const env = { ...ENV, ...more };
  const metrics = {
    addMetric: (name: string, _unit: string, value: number) => void written.push([name, value]),
    publishStoredMetrics: publish,
  };
  const driver: Driver<unknown> = database.driver;
  return {
    env,
    settings: readSettings(env),
    registry,
    driver,
    config: CONFIG,
    logger: silent,
    metrics,
    ...parts,
  } as never;
};

const swept = (wiring: Wiring, remainingMs = 30_000) =>
  sweeperHandler(wiring)(scheduledEvent(), { getRemainingTimeInMillis: () => remainingMs });

describe('the sweeper function', () => {
  test('looks at the database as often as its environment says', async () => {
    expect(await swept(wiringOf())).toMatchObject({ lookedThrough: 'none' });
    const often = wiringOf({ LEASEHOLD_LOOK_EVERY_MS: '60000' });
    expect(await swept(often)).toMatchObject({ lookedThrough: 'lease' });
    expect(await swept(often)).toMatchObject({ lookedThrough: 'none' });
  });

  test('resizes to what the database has room for, where its environment says so', async () => {
    const ask = { leaseId: 'a'.repeat(16), again: false, stamp: 0, holder: 'h', group: 'g', wait: false };
    await registry.grant({ resource: 'orders', ...ask, settings: settingsOf(CONFIG) });
    const capacity = async () => ({ usable: 12, limitedBy: 'role' });
    const driver: Driver<unknown> = {
      ...database.driver,
      open: async (request) => {
        const opened = await database.driver.open(request);
        if (opened.kind !== 'open') return opened;
        return { kind: 'open', connection: Object.assign(opened.connection, { capacity }) as never };
      },
    };
    expect(await swept(wiringOf({}, { driver }))).toMatchObject({ lookedThrough: 'none', fleetCapacity: 20 });
    const follow = { LEASEHOLD_FOLLOW_MIN: '5', LEASEHOLD_FOLLOW_MAX: '40' };
    expect(await swept(wiringOf(follow, { driver }))).toMatchObject({ fleetCapacity: 12 });
  });

  test('ends before Lambda ends it', async () => {
    const sweep = jest.spyOn(registry, 'sweep');
    await swept(wiringOf(), 12_000);
    const { forMs = 0 } = sweep.mock.calls[0]?.[2] ?? {};
    // Its time, and five seconds in which nobody follows a sweeper that died.
    expect(forMs).toBeLessThanOrEqual(12_000);
    expect(forMs).toBeGreaterThan(5_000);
  });

  test('publishes what it has measured, also where the registry gave no answer', async () => {
    await swept(wiringOf());
    expect(written).toContainEqual(['SweepRun', 1]);
    expect(publish).toHaveBeenCalledTimes(1);
    written = [];
    registry.sweep = async () => Promise.reject(new Error('away'));
    await expect(swept(wiringOf())).rejects.toThrow('away');
    expect(written).toEqual([
      ['SweepRun', 1],
      ['SweepTrouble', 1],
    ]);
    expect(publish).toHaveBeenCalledTimes(2);
  });
});

describe('a resource is not believed to be new', () => {
  beforeEach(() => registry.forget('orders'));

  const configured = () => configureAsNew(wiringOf(), database.driver);

  test('where the database cannot be asked', async () => {
    database.steps.open = 'error';
    expect(await configured()).toMatchObject({ isNew: false, learningMs: expect.any(Number) });
    expect((await registry.inspect('orders'))?.learningMs).toBeGreaterThan(0);
  });

  test('where its sessions cannot be listed', async () => {
    database.censusFails = true;
    expect(await configured()).toMatchObject({ isNew: false });
    expect(database.labels).toEqual([]);
  });

  test('where it shows a session of a lease; that of another resource is none', async () => {
    const lease = { id: 'a'.repeat(16), fence: 1 };
    database.leave(sessionLabel('others', registry.namespace, lease));
    expect(await configured()).toMatchObject({ isNew: true, learningMs: 0 });
    await registry.forget('orders');
    database.leave(sessionLabel('orders', registry.namespace, lease));
    expect(await configured()).toMatchObject({ isNew: false });
  });

  test('and nothing is left open of the look', async () => {
    expect(await configured()).toMatchObject({ isNew: true, kind: 'created' });
    expect(database.opens).toHaveLength(1);
    expect(database.labels).toEqual([]);
  });
});
