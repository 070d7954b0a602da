import { afterEach, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { type E2eOptions, E2eService } from './e2e-service.ts';

/** So long that nothing within a test's time is due to an expiry. */
const LONG_MS = 60_000;
const TIMEOUT_MS = 60_000;

let service: E2eService | undefined;

const start = async (options: E2eOptions = {}): Promise<E2eService> => {
  service = await E2eService.start(options);
  return service;
};

afterEach(async () => {
  await service?.[Symbol.asyncDispose]();
  service = undefined;
}, TIMEOUT_MS);

/** The one session that is in the middle of a slow order. */
const untilLingering = (world: E2eService) =>
  eventually(async () => (await world.database.sessions()).find(({ waitsFor }) => waitsFor === 'PgSleep'), {
    what: 'the slow order',
    timeoutMs: 20_000,
  });

test(
  'the sweeper ends the session of an environment that vanished in the middle of a statement, and its slot is back',
  async () => {
    const world = await start({ protectMs: 2_000, idleMs: 2_000 });
    // Longer than the test may take: the server would not end it by itself.
    const lost = world.post('slow 600');
    const { pid } = await untilLingering(world);
    const [victim] = world.environments;
    victim?.vanish();
    expect(await lost).toMatchObject({ status: 500 });
    expect((await world.database.sessions()).map((session) => session.pid)).toEqual([pid]);

    const reports = await world.sweepUntilEmpty(30_000);

    expect(await world.database.sessions()).toEqual([]);
    expect(reports.reduce((sum, { settled }) => sum + settled, 0)).toBeGreaterThan(0);
    expect(await world.database.orders()).toEqual([]);
    expect(await world.post('Ada')).toMatchObject({ status: 201 });
    expect(await world.database.refusals()).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  'an environment that Lambda ends gives its lease back before it goes',
  async () => {
    const world = await start({ protectMs: LONG_MS, idleMs: LONG_MS });
    expect(await world.post('Ada')).toMatchObject({ status: 201 });
    await world.untilFrozen();
    expect(await world.sweep()).toMatchObject({ held: 1 });

    await world.environments[0]?.end('reaped');

    expect(await world.sweep()).toMatchObject({ held: 0, revoking: 0 });
    expect(await world.database.sessions()).toEqual([]);
  },
  TIMEOUT_MS,
);

test(
  'an environment whose session ended while it was frozen serves its next caller as if nothing had happened',
  async () => {
    const world = await start({ environmentsMax: 1, protectMs: LONG_MS, idleMs: LONG_MS });
    expect(await world.post('Ada')).toMatchObject({ status: 201 });
    await world.untilFrozen();
    const [session] = await world.database.sessions();
    await world.database.end(session?.pid ?? 0);
    expect(await world.database.sessions()).toEqual([]);

    expect(await world.post('Grace')).toMatchObject({ status: 201 });

    expect(world.environments.map(({ name }) => name)).toEqual(['orders-1']);
    expect((await world.database.orders()).map(({ customer }) => customer)).toEqual(['Ada', 'Grace']);
    expect(await world.database.refusals()).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  'an invocation that takes too long is ended with its process, and the same environment starts afresh',
  async () => {
    const world = await start({ environmentsMax: 1, timeoutMs: 5_000, protectMs: 2_000, idleMs: 2_000 });
    const late = await world.post('slow 600');
    expect(late).toMatchObject({ status: 500, localError: expect.stringContaining('Sandbox.Timedout') });

    expect(await world.post('Ada')).toMatchObject({ status: 201 });

    const starts = world.events.filter((event) => event.kind === 'started');
    const ours = starts.filter(({ environment }) => environment === 'orders-1');
    expect(new Set(ours.map(({ pid }) => pid)).size).toBe(2);
    expect((await world.database.orders()).map(({ customer }) => customer)).toEqual(['Ada']);
    expect(await world.database.refusals()).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  'two sweepers never run at once: Lambda refuses the second one',
  async () => {
    const world = await start();
    const { lambda } = world.service;
    const outcomes = await Promise.all([1, 2, 3].map(() => lambda.invoke('sweeper', {})));
    expect(outcomes.map(({ kind }) => kind)).toEqual(['answered', 'throttled', 'throttled']);
    expect(await lambda.invoke('sweeper', {})).toMatchObject({ kind: 'answered' });
  },
  TIMEOUT_MS,
);
