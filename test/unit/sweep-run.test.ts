import { beforeEach, describe, expect, test } from '@jest/globals';
import { parseConfig, settingsOf } from '../../lib/core/config.ts';
import { sessionLabel } from '../../lib/core/label.ts';
import type { Driver } from '../../lib/driver/driver.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { createSweeper, type SweeperOptions, type SweepReport } from '../../lib/sweeper/sweeper.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDatabase } from '../support/fake-database.ts';

const RESOURCE = 'orders';
const OPTIONS = {
  resource: RESOURCE,
  capacity: 400,
  protectMs: 1_000,
  idleMs: 10_000,
  connectTimeoutMs: 400,
  dutyMs: 1_000,
} as const;
const CONFIG = parseConfig(OPTIONS, [], undefined, []);
const SETTINGS = settingsOf(CONFIG);

let clock: FakeClock;
let registry: Registry;
let database: FakeDatabase;
/** The operations that the registry was told of. */
let told: string[];

beforeEach(async () => {
  clock = new FakeClock();
  const memory = memoryRegistry({ clock });
  told = [];
  registry = {
    ...memory,
    operate: (name, operation) => {
      told.push(operation.kind);
      return memory.operate(name, operation);
    },
  };
  database = new FakeDatabase(clock, 1_000);
  await registry.configure(RESOURCE, SETTINGS, true);
});

const sweeperOf = (options: Partial<SweeperOptions> = {}) =>
  createSweeper({ ...OPTIONS, registry, clock, driver: database.driver, ...options });

/** Time passes while `work` waits for it. */
const timed = async <Result>(work: Promise<Result>): Promise<Result> => {
  let isDone = false;
  void work.then(
    () => {
      isDone = true;
    },
    () => {
      isDone = true;
    },
  );
  for (let step = 0; step < 10_000 && !isDone; step++) await clock.advanceAsync(10);
  if (!isDone) throw new Error('It never ends.');
  return work;
};

const swept = (options: Partial<SweeperOptions> = {}): Promise<SweepReport> =>
  timed(sweeperOf(options).sweep());

const idAt = (at: number): string => `l${String(at).padStart(15, '0')}`;

/** Holders that have told of their sessions, and are heard of no more. */
const hold = async (count: number, hasSession = true): Promise<void> => {
  for (let at = 0; at < count; at++) {
    const ask = { leaseId: idAt(at), again: false, stamp: 0, holder: `h${at}`, group: 'g', wait: false };
    const reply = await registry.grant({ resource: RESOURCE, ...ask, settings: SETTINGS });
    if (reply.kind !== 'granted') throw new Error(reply.kind);
    const lease = { id: idAt(at), fence: reply.fence };
    const label = sessionLabel(RESOURCE, registry.namespace, lease);
    if (hasSession) database.leave(label);
    const { sessions } = await database.census(label);
    const session = sessions[0]?.session ?? `s1.9${at}.1`;
    await registry.renew(RESOURCE, lease.id && `h${at}`, [{ ...lease, turn: 1, session, idle: false }]);
  }
};

const expire = (): void => clock.advance(SETTINGS.protectMs + SETTINGS.idleMs);

describe('who is not elected', () => {
  test('does nothing at all, and ends nobody’s turn', async () => {
    await hold(1);
    expire();
    await registry.sweep(RESOURCE, 0, { sweeper: 'other', forMs: 60_000 });
    expect(await swept()).toMatchObject({ isElected: false, lookedThrough: 'none', settled: 0, revoking: 1 });
    expect(database.opens).toEqual([]);
    expect(told).toEqual([]);
    expect((await registry.inspect(RESOURCE))?.sweep).toMatchObject({ isRunning: true });
  });

  test('also where it is another sweep of the same sweeper', async () => {
    const sweeper = sweeperOf();
    await hold(1);
    expire();
    const both = [sweeper.sweep(), sweeper.sweep()];
    const reports = await timed(Promise.all(both));
    expect(reports.map(({ isElected }) => isElected)).toEqual([true, false]);
  });
});

describe('who is elected', () => {
  test('is followed at once, whatever became of the sweep', async () => {
    await swept();
    expect((await registry.inspect(RESOURCE))?.sweep).toMatchObject({ isRunning: false });
    await hold(1);
    expire();
    database.steps.open = 'error';
    expect(await swept()).toMatchObject({ isElected: true, health: 'failing', settled: 0 });
    expect((await registry.inspect(RESOURCE))?.sweep).toMatchObject({ isRunning: false });
  });

  test('is followed after its time where it died, and not before', async () => {
    const inspect = registry.inspect.bind(registry);
    registry = { ...registry, inspect: () => new Promise(() => undefined) };
    void sweeperOf().sweep({ timeBudgetMs: 4_000 });
    await clock.flush();
    const other = { sweeper: 'other', forMs: 1 };
    await clock.advanceAsync(4_000);
    expect(await registry.sweep(RESOURCE, 0, other)).toMatchObject({ isElected: false });
    await clock.advanceAsync(5_000);
    expect(await registry.sweep(RESOURCE, 0, other)).toMatchObject({ isElected: true });
    expect(await inspect(RESOURCE)).toMatchObject({ held: 0 });
  });

  test('says that it has looked only where it has', async () => {
    await swept();
    expect((await registry.inspect(RESOURCE))?.sweep).not.toHaveProperty('lookedAgoMs');
    database.steps.open = 'error';
    await swept({ lookEveryMs: 60_000 });
    expect((await registry.inspect(RESOURCE))?.sweep).not.toHaveProperty('lookedAgoMs');
    database.steps.open = 'ok';
    await swept({ lookEveryMs: 60_000 });
    expect((await registry.inspect(RESOURCE))?.sweep).toMatchObject({ lookedAgoMs: expect.any(Number) });
  });
});

describe('the database is gone to', () => {
  test('for nothing at all: not', async () => {
    expect(await swept()).toMatchObject({ lookedThrough: 'none', health: 'unknown', census: undefined });
    expect(await swept({ control: database.driver })).toMatchObject({ lookedThrough: 'none' });
    expect(database.opens).toEqual([]);
  });

  test('at the interval that was asked for, from the first sweep on', async () => {
    expect(await swept({ lookEveryMs: 60_000 })).toMatchObject({ lookedThrough: 'lease' });
    clock.advance(50_000);
    expect(await swept({ lookEveryMs: 60_000 })).toMatchObject({ lookedThrough: 'none' });
    clock.advance(10_000);
    expect(await swept({ lookEveryMs: 60_000 })).toMatchObject({ lookedThrough: 'lease' });
    expect(await swept()).toMatchObject({ lookedThrough: 'none' });
  });

  test('while sessions of nobody were there at the last look, until they are gone', async () => {
    database.foreign = 3;
    expect(await swept({ lookEveryMs: 60_000 })).toMatchObject({ foreign: 3 });
    expect(await swept()).toMatchObject({ lookedThrough: 'lease', foreign: 3 });
    database.foreign = 0;
    expect(await swept()).toMatchObject({ lookedThrough: 'lease', foreign: 0 });
    expect(await swept()).toMatchObject({ lookedThrough: 'none' });
  });

  test('to read what it has room for only while the fleet holds something', async () => {
    expect(await swept({ checkCapacity: true })).toMatchObject({ lookedThrough: 'none' });
    await hold(1);
    expect(await swept({ checkCapacity: true })).toMatchObject({ lookedThrough: 'lease' });
  });

  test('behind a breaker when it is half open, by a lease, whatever an administrator can do', async () => {
    for (const holder of ['one', 'two', 'three'])
      await registry.operate(RESOURCE, { kind: 'observe', holder, outcome: 'unanswered' });
    const control = new FakeDatabase(clock, 10);
    expect(await swept({ control: control.driver })).toMatchObject({
      breaker: 'open',
      lookedThrough: 'none',
    });
    expect(control.opens).toEqual([]);
    for (let ms = 0; (await registry.inspect(RESOURCE))?.breaker === 'open' && ms < 600_000; ms += 100)
      clock.advance(100);
    expect(await registry.inspect(RESOURCE)).toMatchObject({ breaker: 'half-open' });
    expect(await swept({ control: control.driver })).toMatchObject({
      ...{ breaker: 'closed', lookedThrough: 'control', health: 'healthy', trouble: undefined },
    });
    expect(database.opens).toHaveLength(1);
    expect(control.opens).toHaveLength(1);
  });
});

describe('the health of the database', () => {
  test('is failing where the leased role cannot connect, and unknown where it was only busy', async () => {
    await hold(1);
    expire();
    database.steps.open = 'error';
    expect(await swept()).toMatchObject({ health: 'failing', trouble: { code: 'CONNECT_FAILED' } });
    database.steps.open = 'ok';
    await registry.operate(RESOURCE, { kind: 'resume' });
    await registry.operate(RESOURCE, { kind: 'pause', forMs: 0 });
    expect(await swept()).toMatchObject({ health: 'unknown', lookedThrough: 'none' });
    await registry.operate(RESOURCE, { kind: 'resume' });
    clock.advance(60_000);
    expect(await swept()).toMatchObject({ health: 'healthy', settled: 1 });
  });

  test('of an administrator’s way counts as well', async () => {
    await hold(1);
    expire();
    const control = new FakeDatabase(clock, 10);
    control.steps.open = 'error';
    expect(await swept({ control: control.driver })).toMatchObject({ health: 'failing', settled: 0 });
  });
});

describe('a sweep', () => {
  test('moves all that is due, however many pages', async () => {
    await hold(250);
    expire();
    const report = await swept();
    expect(report).toMatchObject({ expired: 250, settled: 250, held: 0, revoking: 0 });
  });

  test('stops after its rounds; the next one goes on', async () => {
    await hold(90);
    expire();
    const first = await swept({ maxRounds: 2 });
    // Twenty a round, and what its own lease brings.
    expect(first.settled).toBeGreaterThanOrEqual(20);
    expect(first.settled).toBeLessThan(60);
    expect(first).toMatchObject({ revoking: 90 - first.settled, trouble: undefined });
    // What it had taken over is free again.
    clock.advance(SETTINGS.dutyMs);
    expect(await swept()).toMatchObject({ revoking: 0 });
  });

  test('stops when its time is up, and says what it has left', async () => {
    await hold(250);
    expire();
    const driver: Driver<unknown> = {
      ...database.driver,
      open: async (request) => {
        const opened = await database.driver.open(request);
        if (opened.kind !== 'open') return opened;
        const { connection } = opened;
        const end = connection.end.bind(connection);
        connection.end = async (...args) => {
          await new Promise<void>((resolve) => clock.setTimer(500, resolve));
          return end(...args);
        };
        return opened;
      },
    };
    const report = await timed(sweeperOf({ driver }).sweep({ timeBudgetMs: 2_000 }));
    expect(report.elapsedMs).toBeLessThan(3_500);
    expect(report.settled).toBeGreaterThan(0);
    expect(report.revoking).toBe(250 - report.settled);
    expect(report.revoking).toBeGreaterThan(100);
  });

  test('counts what it may not end', async () => {
    await hold(3);
    expire();
    database.mayEnd = false;
    const report = await swept();
    expect(report).toMatchObject({ settled: 0, revoking: 3 });
    expect(report.denied).toBeGreaterThanOrEqual(3);
  });

  test('does nothing more through a lease that it has lost', async () => {
    await hold(1);
    database.foreign = 1;
    let reads = 0;
    const driver: Driver<unknown> = {
      ...database.driver,
      open: async (request) => {
        const opened = await database.driver.open(request);
        const capacity = async (): Promise<undefined> => {
          reads += 1;
        };
        return opened.kind === 'open'
          ? { kind: 'open', connection: Object.assign(opened.connection, { capacity }) }
          : opened;
      },
    };
    const wanted = { driver, checkCapacity: true, lookEveryMs: 60_000 };
    expect(await swept(wanted)).toMatchObject({ census: { foreign: 1 } });
    expect(reads).toBe(1);
    const renew = registry.renew.bind(registry);
    registry.renew = async (...args) => ({
      ...(await renew(...args)),
      outcomes: [{ kind: 'lost', reason: 'revoked' }],
    });
    clock.advance(60_000);
    expect(await swept(wanted)).toMatchObject({ lookedThrough: 'lease', census: undefined });
    expect(reads).toBe(1);
  });

  test('ends at once what its survey has found without a session', async () => {
    await hold(30, false);
    clock.advance(SETTINGS.protectMs);
    expect(await swept({ lookEveryMs: 60_000 })).toMatchObject({ vacated: 30, settled: 30, held: 0 });
  });

  test('that has made the census of a registry that learns has looked, and does not look once more', async () => {
    await registry.forget(RESOURCE);
    await registry.configure(RESOURCE, SETTINGS, false);
    const control = new FakeDatabase(clock, 10);
    const reports: SweepReport[] = [];
    for (let at = 0; at < 100 && reports.at(-1)?.learningMs !== 0; at++) {
      await clock.advanceAsync(500);
      reports.push(await swept({ control: control.driver }));
    }
    expect(reports.at(-1)).toMatchObject({ learningMs: 0, census: { sessions: 0, foreign: 0 } });
    expect(control.censuses).toHaveLength(1);
  });
});
