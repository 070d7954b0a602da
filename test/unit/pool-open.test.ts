import { describe, expect, test } from '@jest/globals';
import { sleep } from '../../lib/core/clock.ts';
import { settingsOf } from '../../lib/core/config.ts';
import { LIMITS } from '../../lib/core/limits.ts';
import type { OpenStep } from '../support/fake-database.ts';
import { PoolWorld } from '../support/pool-world.ts';

/** What may happen to an attempt, and what must then have happened to its lease. */
const STEPS: readonly {
  readonly step: OpenStep;
  readonly end: 'released' | 'abandoned';
  readonly attempts: number;
}[] = [
  { step: { how: 'refuse', failure: 'unreachable' }, end: 'released', attempts: 1 },
  { step: { how: 'refuse', failure: 'starting' }, end: 'released', attempts: 1 },
  { step: { how: 'unknown', failure: 'cut' }, end: 'abandoned', attempts: 1 },
  { step: { how: 'unknown', failure: 'timeout' }, end: 'abandoned', attempts: 1 },
  { step: { how: 'never' }, end: 'abandoned', attempts: 1 },
];

describe('L2 opening under a lease', () => {
  test.each(STEPS)(
    '$step: the lease is $end, and another one is asked for later',
    async ({ step, end, attempts }) => {
      const world = new PoolWorld(10);
      const pool = await world.start();
      world.database.nextOpens.push(step);
      const use = pool.use((client) => client.label);
      await world.clock.advanceAsync(100);
      if (step.how === 'never') await world.clock.advanceAsync(3_000);
      expect(world.database.opens).toHaveLength(attempts);
      expect(await world.registry.inspect('orders')).toMatchObject({
        held: 0,
        revoking: end === 'abandoned' ? 1 : 0,
      });
      await world.until(use);
      expect(world.database.opens).toHaveLength(2);
      expect(new Set(world.database.opens).size).toBe(2);
      expect(world.eventsNamed('retry')).toMatchObject([
        { operation: 'connect', attempt: 1, delayMs: 1_000 },
      ]);
    },
  );

  test('L2 no connect begins long after its grant was asked for, whatever was frozen: a census counts on it', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    let isFirst = true;
    world.interfere = async (operation, call) => {
      const reply = await call();
      if (operation === 'grant' && isFirst) {
        isFirst = false;
        await sleep(world.clock, LIMITS.connectStartMs + 1);
      }
      return reply;
    };
    await world.until(pool.use(() => undefined));
    expect(world.calls.filter((name) => name === 'grant')).toHaveLength(2);
    expect(world.database.opens).toHaveLength(1);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, revoking: 0 });
  });

  test('a refusal for want of connections is tried again under the same lease, three times and within milliseconds', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    const full: OpenStep = { how: 'refuse', failure: 'refused' };
    world.database.nextOpens.push(full, full, full);
    await world.until(pool.use(() => undefined));
    expect(world.database.opens).toHaveLength(4);
    expect(new Set(world.database.opens).size).toBe(1);
    expect(world.eventsNamed('retry')).toEqual([]);
  });

  test('refused four times, the lease is given back and the next one is asked for after the failure backoff', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    const full: OpenStep = { how: 'refuse', failure: 'refused' };
    world.database.nextOpens.push(full, full, full, full);
    await world.until(pool.use(() => undefined));
    expect(world.database.opens).toHaveLength(5);
    expect(new Set(world.database.opens).size).toBe(2);
    expect(world.eventsNamed('retry')).toHaveLength(1);
  });

  test('a wrong password is told at once to everybody who waits, and is not tried again', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    world.database.nextOpens.push({ how: 'refuse', failure: 'auth' });
    const uses = [1, 2, 3].map(() => pool.use(() => undefined));
    const outcomes = await world.until(Promise.allSettled(uses));
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { code: 'CONNECT_FAILED', retryable: false },
      });
    }
    expect(world.database.opens).toHaveLength(1);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, revoking: 0 });
  });

  test('a caller whose deadline comes before the next attempt hears now why, not later that time ran out', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    world.database.nextOpens.push({ how: 'refuse', failure: 'unreachable' });
    const since = world.clock.read();
    await expect(world.until(pool.use(() => undefined, { timeoutMs: 500 }))).rejects.toMatchObject({
      code: 'CONNECT_FAILED',
      details: { failure: 'unreachable' },
    });
    expect(world.clock.elapsedMs(since)).toBeLessThan(100);
  });

  test('a connect that becomes ready after its bound leaves a late backend, which is counted and ended by a duty', async () => {
    const world = new PoolWorld(2, 2);
    const pool = await world.start({ max: 1 });
    world.database.nextOpens.push({ how: 'slow', ms: 3_500 });
    const use = pool.use((client) => client.label, { timeoutMs: 30_000 });
    const label = await world.until(use);
    expect(world.database.refused).toBe(0);
    await world.clock.advanceAsync(20_000);
    const report = await world.registry.inspect('orders');
    expect((report?.held ?? 0) + (report?.revoking ?? 0)).toBeLessThanOrEqual(2);
    await world.until(pool.use(() => undefined));
    await world.clock.advanceAsync(1_000);
    expect(world.database.labels).toEqual([label]);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, revoking: 0 });
  });

  test('frozen in mid-handshake past the protection: the connection is asked about before anybody gets it', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ idleMs: 10_000 });
    world.database.nextOpens.push({ how: 'slow', ms: 100 });
    const use = pool.use((client) => client.run('x'));
    await world.clock.advanceAsync(50);
    world.clock.freeze(25_000);
    await world.until(use);
    expect(world.database.opens).toHaveLength(2);
    expect(world.database.labels).toHaveLength(1);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, revoking: 0 });
  });

  test('L16 dead holders everywhere: a probe finds their backends gone, and service goes on without a sweeper', async () => {
    const world = new PoolWorld(2, 2);
    const pool = await world.start({ max: 1, headroom: 0, idleMs: 10_000 });
    const settings = settingsOf(pool.config);
    const ghost = {
      resource: 'orders',
      again: false,
      stamp: 0,
      holder: 'ghost',
      group: 'g',
      wait: false,
      settings,
    };
    for (const leaseId of ['ghost1', 'ghost2']) {
      const granted = await world.registry.grant({ ...ghost, leaseId });
      if (granted.kind !== 'granted') throw new Error('not granted');
      const item = { id: leaseId, fence: granted.fence, turn: 1, session: `s1.${leaseId}.1`, idle: false };
      await world.registry.renew('orders', 'ghost', [item]);
    }
    const since = world.clock.read();
    await world.until(pool.use((client) => client.run('back'), { timeoutMs: 60_000 }));
    const { protectMs, idleMs, connectBoundMs } = settings;
    expect(world.clock.elapsedMs(since)).toBeLessThan(protectMs + idleMs + connectBoundMs + 600);
    expect(world.eventsNamed('leaseGranted')).toMatchObject([{ isProbe: true }]);
    expect(world.database.refused).toBe(0);
    await world.clock.flush();
    expect(await world.registry.inspect('orders')).toMatchObject({ revoking: 0 });
  });
});

describe('duties', () => {
  test('without the right to end a session the duty goes back, an event tells, and the capacity holds', async () => {
    const world = new PoolWorld(2, 2);
    const first = await world.start({ max: 1 });
    await world.until(first.use(() => undefined));
    world.database.mayEnd = false;
    const second = world.pool({ max: 1 });
    await world.until(second.use((client) => client.run('x')));
    expect(world.eventsNamed('dutyDenied')).toHaveLength(1);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, revoking: 1 });
    const third = world.pool({ max: 1 });
    await expect(world.until(third.acquire({ timeoutMs: 500 }))).rejects.toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
    });
    expect(world.database.refused).toBe(0);
  });
});

test('callers who come together are asked for together: no ask waits for the answer to another', async () => {
  const world = new PoolWorld(40);
  const pool = await world.start({ max: 10 });
  let open: (() => void) | undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  world.interfere = async (operation, call) => {
    if (operation === 'grant') await opened;
    return call();
  };
  const uses = Array.from({ length: 10 }, () => pool.acquire());
  await world.clock.flush();
  expect(world.calls.filter((name) => name === 'grant')).toHaveLength(10);
  open?.();
  const lent = await world.until(Promise.all(uses));
  expect(new Set(lent.map(({ connection }) => connection.label)).size).toBe(10);
});
