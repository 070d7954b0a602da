import { describe, expect, test } from '@jest/globals';
import type { Driver } from '../../lib/driver/driver.ts';
import type { Lent, Pool } from '../../lib/index.ts';
import type { FakeClient } from '../support/fake-database.ts';
import { PoolWorld } from '../support/pool-world.ts';

/** A pool with so many connections, idle, and a driver whose credentials change when the test says so. */
const started = async (count: number) => {
  const world = new PoolWorld(20);
  const listeners = new Set<() => void>();
  const driver: Driver<FakeClient> = {
    ...world.database.driver,
    onCredentialsChange: (listener) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
  const pool = await world.start({ max: 10, idleTimeoutMs: 240_000, checkAfterIdleMs: 240_000, driver });
  await openAll(world, pool, count);
  const change = (): void => {
    for (const listener of listeners) listener();
  };
  return { world, pool, listeners, change };
};

const openAll = async (world: PoolWorld, pool: Pool<FakeClient>, count: number): Promise<void> => {
  const loans: Promise<Lent<FakeClient>>[] = [];
  for (let n = 0; n < count; n += 1) loans.push(pool.acquire());
  for (const lent of await world.until(Promise.all(loans))) await lent.giveBack();
  await world.clock.flush();
};

describe('when the credentials have changed', () => {
  test('every open connection is replaced within a minute, one after the other', async () => {
    const { world, pool, change } = await started(6);
    change();
    expect(world.eventsNamed('renewingConnections')).toEqual([{ count: 6, overMs: 60_000 }]);
    const idle: number[] = [];
    for (let tenth = 0; tenth < 6; tenth += 1) {
      await world.clock.advanceAsync(10_000);
      idle.push(pool.status().idle);
    }
    expect(idle).toEqual([5, 4, 3, 2, 1, 0]);
    expect(world.eventsNamed('connectionClosed')).toEqual(
      Array(6).fill({ reason: 'lifetime', endSeen: true }),
    );
  });

  test('a connection in use is replaced when it comes back, never under its borrower', async () => {
    const { world, pool, change } = await started(1);
    const lent = await world.until(pool.acquire());
    change();
    await world.clock.advanceAsync(120_000);
    await lent.connection.run('still there');
    await lent.giveBack();
    await world.clock.flush();
    expect(world.eventsNamed('connectionClosed')).toMatchObject([{ reason: 'lifetime' }]);
  });

  test('what is opened afterwards stays, and a closed pool no longer listens', async () => {
    const { world, pool, change, listeners } = await started(1);
    change();
    await world.clock.advanceAsync(60_000);
    await openAll(world, pool, 1);
    await world.clock.advanceAsync(120_000);
    expect(pool.status()).toMatchObject({ idle: 1 });
    await world.until(pool.close());
    expect(listeners.size).toBe(0);
  });
});
