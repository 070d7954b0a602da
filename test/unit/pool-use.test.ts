import { describe, expect, test } from '@jest/globals';
import type { LeaseholdError } from '../../lib/index.ts';
import { PoolWorld } from '../support/pool-world.ts';

describe('lending', () => {
  test('the first use opens one connection with one registry call, and binds its session beside the work', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    const label = await world.until(pool.use((client) => client.label));
    expect(label).toMatch(/^lh:orders\.memory:id\d{14}:[0-9a-z]+$/);
    expect(world.calls).toEqual(['grant', 'renew']);
    const report = await world.registry.inspect('orders', 10);
    expect(report?.entries).toMatchObject([{ state: 'protected', session: 's1.1.1' }]);
  });

  test('a warm use makes no registry call and no call to the database of its own', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    await world.until(pool.use(() => undefined));
    world.calls.length = 0;
    for (let use = 0; use < 100; use += 1) await pool.use((client) => client.run('select'));
    expect(world.calls).toEqual([]);
    expect(world.database.checks).toEqual([]);
    expect(world.database.opens).toHaveLength(1);
  });

  test('one connection serves callers in the order in which they came', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    const order: number[] = [];
    const uses = [1, 2, 3, 4].map((n) => pool.use(() => void order.push(n)));
    await world.until(Promise.all(uses));
    expect(order).toEqual([1, 2, 3, 4]);
    expect(world.database.opens).toHaveLength(1);
  });

  test('a newcomer does not barge past a caller that waits in the same process', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    const order: string[] = [];
    const first = await world.until(pool.acquire());
    const second = pool.use(() => void order.push('waited'));
    const returned = first.giveBack();
    const third = pool.use(() => void order.push('came later'));
    await world.until(Promise.all([returned, second, third]));
    expect(order).toEqual(['waited', 'came later']);
  });

  test('no more connections than max are opened, and every one of them is used', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 3 });
    const lent = await world.until(Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]));
    const fourth = pool.acquire({ timeoutMs: 50 });
    await expect(world.until(fourth)).rejects.toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    expect(pool.status()).toMatchObject({ lent: 3, idle: 0, opening: 0, waiting: 0 });
    await Promise.all(lent.map((one) => one.giveBack()));
    expect(pool.status()).toMatchObject({ lent: 0, idle: 3 });
  });

  test('a caller that gave up leaves no lease, no ticket and no place behind', async () => {
    const world = new PoolWorld(2);
    const holder = await world.start({ max: 2, headroom: 0 });
    await world.until(Promise.all([holder.acquire(), holder.acquire()]));
    const other = world.pool({ max: 1, headroom: 0 });
    await expect(world.until(other.acquire({ timeoutMs: 300 }))).rejects.toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
    });
    await world.clock.advanceAsync(10);
    expect(other.status()).toMatchObject({ opening: 0, waiting: 0 });
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 2, waiters: 0 });
  });

  test('an aborted caller is told so at once, and its ticket goes', async () => {
    const world = new PoolWorld(1);
    const holder = await world.start({ max: 1 });
    await world.until(holder.acquire());
    const other = world.pool({ max: 1 });
    const abort = new AbortController();
    const waiting = other.acquire({ signal: abort.signal });
    await world.clock.advanceAsync(100);
    expect(await world.registry.inspect('orders')).toMatchObject({ waiters: 1 });
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
    await world.clock.advanceAsync(20);
    expect(await world.registry.inspect('orders')).toMatchObject({ waiters: 0 });
    await expect(other.acquire({ signal: abort.signal })).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test('more waiting callers than localWaitersMax are refused at once', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1, localWaitersMax: 1 });
    await world.until(pool.acquire());
    const waiting = pool.acquire({ timeoutMs: 20 });
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'WAITERS_FULL', statusCode: 503 });
    await expect(world.until(waiting)).rejects.toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
  });

  test('a time-out tells which step was slow, and carries the numbers', async () => {
    const world = new PoolWorld(1);
    const holder = await world.start({ max: 1 });
    await world.until(holder.acquire());
    const other = world.pool({ max: 1 });
    await expect(world.until(other.acquire({ timeoutMs: 200 }))).rejects.toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
      retryable: true,
      message:
        "No connection to 'orders' within 200 ms: waiting for the fleet's queue (position 1). " +
        'This process has 0 active and 0 idle of 0 in all, at most 1; 1 caller waits. ' +
        'The fleet has 1 of 1 in use.',
      details: {
        step: "the fleet's queue (position 1)",
        waitedMs: 200,
        total: 0,
        active: 0,
        idle: 0,
        opening: 1,
        waiting: 1,
        max: 1,
        fleetInUse: 1,
        capacity: 1,
      },
    });
  });
});

describe('the numbers of a time-out', () => {
  test("are this process's alone where the registry has not told the fleet's", async () => {
    const world = new PoolWorld(4);
    const pool = await world.start({ max: 2 });
    for (let at = 0; at < 2; at++) await world.until(pool.acquire());
    const others = [1, 2].map(() => pool.acquire({ timeoutMs: 5_000 }).catch(() => undefined));
    const error = await world.until(
      pool.acquire({ timeoutMs: 300 }).catch((each: unknown) => each as LeaseholdError),
    );
    expect(error).toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
      message:
        "No connection to 'orders' within 300 ms: waiting for a connection of this process. " +
        'This process has 2 active and 0 idle of 2 in all, at most 2; 3 callers wait.',
      details: { total: 2, active: 2, idle: 0, opening: 0, waiting: 3, max: 2 },
    });
    expect(Object.keys((error as LeaseholdError).details)).not.toContain('capacity');
    await world.until(Promise.all(others));
  });

  test("tell the fleet's with their age, and leave them out when that is great", async () => {
    const world = new PoolWorld(2);
    const options = { max: 1, headroom: 0 };
    const holder = await world.start(options);
    const lent = await world.until(holder.acquire());
    await world.until(world.pool(options).acquire());
    // It waits in the fleet's queue first, and so hears of the fleet.
    const pool = world.pool(options);
    const waiting = pool.acquire({ timeoutMs: 60_000 });
    await world.clock.advanceAsync(5_000);
    await lent.giveBack();
    await world.until(waiting);
    await world.clock.advanceAsync(2_000);
    const late = () => world.until(pool.acquire({ timeoutMs: 500 }).catch((error: unknown) => error));
    expect(await late()).toMatchObject({
      message: expect.stringMatching(/; 1 caller waits\. The fleet had 2 of 2 in use 3 s ago\.$/),
      details: { total: 1, active: 1, fleetInUse: 2, capacity: 2, fleetAgeMs: expect.any(Number) },
    });
    await world.clock.advanceAsync(60_000);
    expect(await late()).toMatchObject({ message: expect.stringMatching(/1 caller waits\.$/) });
  });
});

describe('giving back', () => {
  test('giving back a second time is an error, and does nothing to whoever has the connection now', async () => {
    const world = new PoolWorld(2);
    const pool = await world.start({ max: 1 });
    const lent = await world.until(pool.acquire());
    await lent.giveBack();
    const next = await pool.acquire();
    await expect(lent.giveBack()).rejects.toMatchObject({ code: 'USED_AFTER_RETURN' });
    await expect(lent.discard()).rejects.toMatchObject({ code: 'USED_AFTER_RETURN' });
    expect(pool.status()).toMatchObject({ lent: 1, idle: 0 });
    await next.giveBack();
  });

  test('the end of an `await using` block after a return is none', async () => {
    const world = new PoolWorld(2);
    const pool = await world.start({ max: 1 });
    const lent = await world.until(pool.acquire());
    await lent.giveBack();
    await lent[Symbol.asyncDispose]();
    expect(pool.status()).toMatchObject({ lent: 0, idle: 1 });
  });

  test('a statement after giving back is not sent', async () => {
    const world = new PoolWorld(2);
    const pool = await world.start();
    const lent = await world.until(pool.acquire());
    const client = lent.connection;
    await lent.giveBack();
    await expect(client.run('late')).rejects.toMatchObject({ code: 'USED_AFTER_RETURN' });
    expect(() => lent.connection).toThrow('given back');
    expect(world.database.statements).toEqual([]);
  });

  test('a transaction left open is rolled back and told, before anybody else gets the connection', async () => {
    const world = new PoolWorld(2);
    const pool = await world.start({ max: 1 });
    await world.until(pool.use((client) => client.begin()));
    expect(world.eventsNamed('transactionLeftOpen')).toEqual([{ rolledBack: true }]);
    expect(pool.status()).toMatchObject({ idle: 1 });
  });

  test('a connection that cannot be reset is closed, and the next use gets another one', async () => {
    const world = new PoolWorld(2);
    const pool = await world.start({ max: 1 });
    world.database.resetWorks = false;
    await world.until(pool.use((client) => client.begin()));
    const label = await world.until(pool.use((client) => client.label));
    expect(world.database.labels).toEqual([label]);
    expect(world.database.opens).toHaveLength(2);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, revoking: 0 });
  });

  test('what the work rejects with reaches the caller, and the connection comes back', async () => {
    const world = new PoolWorld(2);
    const pool = await world.start();
    const mine = new Error('mine');
    await expect(world.until(pool.use(() => Promise.reject(mine)))).rejects.toBe(mine);
    expect(pool.status()).toMatchObject({ lent: 0, idle: 1 });
  });

  test('an unused connection is closed and its lease given back before the server would end it', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ idleMs: 20_000 });
    await world.until(pool.use(() => undefined));
    await world.clock.advanceAsync(16_100);
    expect(world.eventsNamed('connectionClosed')).toEqual([{ reason: 'idle', endSeen: true }]);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, revoking: 0 });
  });

  test('a connection unused for a while is checked before it is lent, and replaced if it is dead', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    await world.until(pool.use(() => undefined));
    await world.clock.advanceAsync(6_000);
    await world.until(pool.use(() => undefined));
    expect(world.database.checks).toHaveLength(1);
    await world.clock.advanceAsync(6_000);
    world.database.checkAnswers = false;
    await world.until(pool.use(() => undefined));
    expect(world.database.opens).toHaveLength(2);
    expect(world.database.peak).toBe(1);
  });

  test('with checkAfterIdleMs 0 every loan is checked once, and no more than once', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1, checkAfterIdleMs: 0 });
    for (let use = 0; use < 3; use += 1) await world.until(pool.use(() => undefined));
    expect(world.database.checks.length).toBeLessThanOrEqual(3);
    expect(world.database.opens).toHaveLength(1);
  });

  test('a connection that the server ended while idle leaves the pool and frees its lease', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    const label = await world.until(pool.use((client) => client.label));
    world.database.kill(label);
    await world.clock.flush();
    expect(pool.status()).toMatchObject({ idle: 0, closing: 0 });
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, revoking: 0 });
  });

  test('L2 an end that was not seen is abandoned, not released: it counts until proven', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    const label = await world.until(pool.use((client) => client.label));
    world.database.kill(label, false);
    await world.clock.flush();
    expect(await world.registry.inspect('orders', 1)).toMatchObject({
      held: 0,
      revoking: 1,
      entries: [{ session: 's1.1.1' }],
    });
  });
});

describe('closing', () => {
  test('close gives every lease back and ends every connection; later uses are refused', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 3 });
    await world.until(Promise.all([1, 2, 3].map(() => pool.use((client) => client.run('x')))));
    await world.until(pool.close());
    expect(world.database.labels).toEqual([]);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, revoking: 0 });
    await expect(pool.use(() => undefined)).rejects.toMatchObject({ code: 'POOL_CLOSED' });
  });

  test('close waits for a borrower, and those who wait are told at once', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    const lent = await world.until(pool.acquire());
    const waiting = pool.acquire();
    const closing = pool.close();
    await expect(waiting).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    await lent.connection.run('still fine');
    await lent.giveBack();
    await world.until(closing);
    expect(world.database.statements).toHaveLength(1);
    expect(world.database.labels).toEqual([]);
  });

  test('close does not wait longer than its bound; a late giving back harms nothing', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    const lent = await world.until(pool.acquire());
    await world.until(pool.close({ timeoutMs: 100 }));
    expect(world.database.labels).toEqual([]);
    await lent.giveBack();
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, revoking: 0 });
    expect(pool.status()).toMatchObject({ lent: 0, idle: 0, busy: 0, closing: 0 });
  });

  test('close while a lease is waited for, and while a connection is being opened, leaves nothing behind', async () => {
    const world = new PoolWorld(1);
    const holder = await world.start({ max: 1 });
    const lent = await world.until(holder.acquire());
    const waiter = world.pool({ max: 1 });
    const waiting = waiter.acquire();
    await world.clock.advanceAsync(30);
    const closing = waiter.close();
    await expect(waiting).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    await world.until(closing);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, waiters: 0 });
    await lent.giveBack();
    await world.until(holder.close());

    world.database.nextOpens.push({ how: 'slow', ms: 500 });
    const opener = world.pool({ max: 1 });
    const opening = opener.acquire();
    await world.clock.advanceAsync(10);
    const closed = opener.close();
    await expect(opening).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    await world.until(closed);
    expect(world.database.labels).toEqual([]);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, revoking: 0 });
  });

  test('after close no timer is left', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    await world.until(pool.use(() => undefined));
    await world.until(pool.close());
    expect(world.clock.pending).toEqual({ foreground: 0, background: 0 });
  });
});
