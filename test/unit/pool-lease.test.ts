import { describe, expect, test } from '@jest/globals';
import { LeaseholdError } from '../../lib/index.ts';
import { PoolWorld } from '../support/pool-world.ts';

const unanswered = (): never => {
  throw new LeaseholdError('REGISTRY_UNREACHABLE', 'cut');
};

describe('asking for a lease', () => {
  test('L3 a grant whose reply was lost is asked for again under the same id, and leaves exactly one lease', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    let losses = 3;
    world.interfere = async (operation, call) => {
      const answer = await call();
      if (operation === 'grant' && losses-- > 0) unanswered();
      return answer;
    };
    await world.until(pool.use(() => undefined));
    expect(world.calls.filter((call) => call === 'grant')).toHaveLength(4);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, revoking: 0 });
    expect(world.database.opens).toHaveLength(1);
  });

  test('L3 a grant that never arrived is asked for again with a new id', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    let losses = 2;
    world.interfere = async (operation, call) => {
      if (operation === 'grant' && losses-- > 0) unanswered();
      return call();
    };
    await world.until(pool.use(() => undefined));
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, revoking: 0 });
  });

  test('L2 a grant that took longer than its protection allows opens nothing under it', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    let isSlow = true;
    world.interfere = async (operation, call) => {
      const answer = await call();
      if (operation === 'grant' && isSlow) {
        isSlow = false;
        world.clock.freeze(9_000);
      }
      return answer;
    };
    const first = pool.use((client) => client.label, { timeoutMs: 30_000 });
    const label = await world.until(first);
    expect(world.database.opens).toEqual([label]);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, revoking: 0 });
  });

  test('a registry that does not answer is named in the error, within the deadline', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    world.interfere = async () => unanswered();
    await expect(world.until(pool.use(() => undefined, { timeoutMs: 700 }))).rejects.toMatchObject({
      code: 'REGISTRY_UNREACHABLE',
      retryable: true,
      message: expect.stringContaining('waiting for the lease registry'),
    });
    expect(world.database.opens).toEqual([]);
  });

  test('a refusal that time does not mend ends the wait at once', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    world.interfere = async () => {
      throw new LeaseholdError('REGISTRY_UNREACHABLE', 'WRONGPASS', { retryable: false });
    };
    await expect(pool.use(() => undefined)).rejects.toMatchObject({ retryable: false });
    expect(world.calls).toEqual(['grant']);
  });
});

describe('keeping a lease', () => {
  test('L6 a connection in use is renewed beside the work, before its protection ends', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    const lent = await world.until(pool.acquire());
    for (let second = 0; second < 60; second += 1) {
      await world.clock.advanceAsync(1_000);
      expect(await world.registry.inspect('orders')).toMatchObject({ protectedCount: 1 });
    }
    await lent.connection.run('after a minute');
    expect(world.eventsNamed('leaseLost')).toEqual([]);
    const renewals = world.calls.filter((call) => call === 'renew').length;
    expect(renewals).toBeLessThan(25);
  });

  test('a failed renewal is tried again while the protection lasts', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    const lent = await world.until(pool.acquire());
    await world.clock.flush();
    let failures = 5;
    world.interfere = async (operation, call) => {
      if (operation === 'renew' && failures-- > 0) unanswered();
      return call();
    };
    await world.clock.advanceAsync(9_000);
    expect(failures).toBeLessThanOrEqual(0);
    await lent.connection.run('still protected');
  });

  test('an idle connection is not renewed: its lease lapses, and the next use asks first', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    const label = await world.until(pool.use((client) => client.label));
    await world.clock.advanceAsync(30_000);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, protectedCount: 0 });
    world.calls.length = 0;
    expect(await world.until(pool.use((client) => client.label))).toBe(label);
    expect(world.calls).toEqual(['renew']);
  });

  test('after a freeze past the protection the first thing is a renewal, not a statement', async () => {
    for (const monotonicStops of [false, true]) {
      const world = new PoolWorld(10);
      const pool = await world.start();
      await world.until(pool.use(() => undefined));
      world.calls.length = 0;
      world.clock.freeze(60_000, { monotonicStops });
      await world.until(pool.use((client) => client.run('thawed')));
      expect(world.calls[0]).toBe('renew');
      expect(world.database.statements).toHaveLength(1);
    }
  });

  test('after a freeze past both deadlines the connection is dropped and a new lease asked for', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ idleMs: 10_000 });
    const label = await world.until(pool.use((client) => client.label));
    world.clock.freeze(21_000);
    const next = await world.until(pool.use((client) => client.label));
    expect(next).not.toBe(label);
    expect(world.database.labels).toEqual([next]);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, revoking: 0 });
  });

  test('frozen inside a use past both deadlines: the next statement is not sent, and the error says LEASE_LOST', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ idleMs: 10_000 });
    const work = pool.use(async (client) => {
      await client.run('before');
      world.clock.freeze(21_000, { monotonicStops: true });
      await client.run('after');
    });
    await expect(world.until(work)).rejects.toMatchObject({ code: 'LEASE_LOST', retryable: true });
    expect(world.database.statements).toHaveLength(1);
    expect(world.eventsNamed('leaseLost')).toEqual([{ reason: 'expired', inUse: true }]);
    await world.until(pool.use((client) => client.run('anew')));
    expect(world.database.labels).toHaveLength(1);
  });

  test('stalled inside a use past the protection while nobody needs the slot: the statement asks first, and goes', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    await world.until(
      pool.use(async (client) => {
        world.clock.freeze(30_000);
        await client.run('after a stall');
      }),
    );
    expect(world.database.statements).toHaveLength(1);
  });

  test('unprotected and without a registry no statement is sent', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    const work = pool.use(async (client) => {
      world.interfere = async () => unanswered();
      world.clock.freeze(30_000);
      await client.run('unprotected');
    });
    await expect(world.until(work)).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' });
    expect(world.database.statements).toEqual([]);
  });

  test('a statement that fails because its lapsed session was ended for somebody else is a LEASE_LOST', async () => {
    const world = new PoolWorld(2);
    const victim = await world.start({ max: 1 });
    const other = world.pool({ max: 1 });
    const work = victim.use(async (client) => {
      world.clock.freeze(11_000, { monotonicStops: true });
      await world.until(other.use((mine) => mine.run('served')));
      await client.run('too late');
    });
    await expect(work).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(world.database.statements).toHaveLength(1);
    expect(world.database.refused).toBe(0);
  });
});

describe('pressure', () => {
  test('a caller who comes while a connection is on its way back gets that one, not another', async () => {
    const world = new PoolWorld(4);
    const pool = await world.start({ max: 3, headroom: 2, quantumMs: 0 });
    const other = world.pool({ max: 1, headroom: 2, quantumMs: 0 });
    const kept = await world.until(other.acquire());
    await world.until(pool.use(() => undefined));
    const oneAfterTheOther = async (): Promise<void> => {
      for (let uses = 0; uses < 20; uses += 1) {
        await pool.use((client) => (uses % 2 === 0 ? client.begin() : undefined));
        await pool.use((client) => client.run('x'));
      }
    };
    await world.until(oneAfterTheOther());
    expect(world.calls).toContain('park');
    expect(pool.statistics().opened).toBe(1);
    await kept.giveBack();
  });

  test('under pressure a holder parks at the end of a use, and its next use pays one renewal', async () => {
    const world = new PoolWorld(2);
    const pool = await world.start({ max: 1 });
    const label = await world.until(pool.use((client) => client.label));
    await world.clock.flush();
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, protectedCount: 0 });
    world.calls.length = 0;
    expect(await world.until(pool.use((client) => client.label))).toBe(label);
    await world.clock.flush();
    expect(world.calls).toEqual(['renew', 'park']);
  });

  test('inside an invocation nothing is parked; at its end everything idle is', async () => {
    const world = new PoolWorld(2);
    const pool = await world.start({ max: 1 });
    const invocation = pool.beginInvocation();
    await world.until(pool.use(() => undefined));
    await world.until(pool.use(() => undefined));
    expect(world.calls).not.toContain('park');
    await world.until(invocation.end(1_000));
    await invocation.end(1_000);
    expect(world.calls.filter((call) => call === 'park')).toHaveLength(1);
  });

  test('a parked lease is revoked for a waiter: its session is ended and proven gone before the waiter is served', async () => {
    const world = new PoolWorld(2);
    const first = await world.start({ max: 1 });
    await world.until(first.use(() => undefined));
    const second = world.pool({ max: 1 });
    const label = await world.until(second.use((client) => client.label));
    expect(world.database.labels).toEqual([label]);
    await world.clock.flush();
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, revoking: 0 });
    expect(world.eventsNamed('dutyDone')).toEqual([{ settled: 1, kept: 0 }]);
    expect(world.database.refused).toBe(0);
  });

  test('beyond its quantum a holder yields to a waiter: it closes and gives the lease back', async () => {
    const world = new PoolWorld(1);
    const busy = await world.start({ max: 1 });
    const lent = await world.until(busy.acquire());
    const waiter = world.pool({ max: 1 });
    const waiting = waiter.use((client) => client.label);
    await world.clock.advanceAsync(50);
    await lent.giveBack();
    await world.until(waiting);
    await world.clock.flush();
    // With a capacity of one nobody could revoke what is parked: it is closed at the end of every use.
    expect(world.database.labels).toEqual([]);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, revoking: 0 });
    expect(world.eventsNamed('connectionClosed')[0]).toEqual({ reason: 'yielded', endSeen: true });
  });

  test('L1 many holders on a small capacity: the database never refuses, and everybody is served', async () => {
    const world = new PoolWorld(3);
    const first = await world.start({ max: 1 });
    const pools = [first, ...Array.from({ length: 19 }, () => world.pool({ max: 1 }))];
    const uses = pools.map(async (pool) => {
      for (let turn = 0; turn < 5; turn += 1) {
        await pool.use(
          (client) => new Promise((resolve) => world.clock.setTimer(20, () => resolve(client.run('work')))),
          { timeoutMs: 60_000 },
        );
      }
    });
    await world.until(Promise.all(uses), 120_000);
    expect(world.database.statements).toHaveLength(100);
    expect(world.database.refused).toBe(0);
    expect(world.database.peak).toBe(3);
  });
});
