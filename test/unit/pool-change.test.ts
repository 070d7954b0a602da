import { describe, expect, test } from '@jest/globals';
import { LeaseholdError } from '../../lib/index.ts';
import type { GrantRequest, RenewReply } from '../../lib/registry/registry.ts';
import { PoolWorld } from '../support/pool-world.ts';

const unanswered = (): never => {
  throw new LeaseholdError('REGISTRY_UNREACHABLE', 'cut');
};

describe('a connection that should go', () => {
  /** The registry tells every lease that is renewed to yield, or no longer. */
  const tellsToYield = (world: PoolWorld, mustYield: () => boolean): void => {
    world.interfere = async (operation, call) => {
      const reply = await call();
      if (operation !== 'renew') return reply;
      const { outcomes, ...rest } = reply as RenewReply;
      return {
        ...rest,
        outcomes: outcomes.map((it) => (it.kind === 'held' ? { ...it, yield: mustYield() } : it)),
      };
    };
  };

  test('told so while it is lent, it serves its borrower to the end, and is closed when it comes back', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    const lent = await world.until(pool.acquire());
    await world.clock.flush();
    tellsToYield(world, () => true);
    await world.clock.advanceAsync(4_000);
    await lent.connection.run('to the end');
    expect(world.database.labels).toHaveLength(1);
    await lent.giveBack();
    await world.clock.flush();
    expect(world.eventsNamed('connectionClosed')).toEqual([{ reason: 'yielded', endSeen: true }]);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, revoking: 0 });
  });

  test('whoever waits in the same process does not keep it from going', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    const lent = await world.until(pool.acquire());
    await world.clock.flush();
    tellsToYield(world, () => true);
    await world.clock.advanceAsync(4_000);
    const next = pool.use((client) => client.label);
    tellsToYield(world, () => false);
    const { label: before } = lent.connection;
    await lent.giveBack();
    const label = await world.until(next);
    expect(label).not.toBe(before);
    expect(world.database.labels).toEqual([label]);
    expect(world.database.peak).toBe(1);
  });

  test('a later renewal takes the word back', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    const lent = await world.until(pool.acquire());
    await world.clock.flush();
    let mustYield = true;
    tellsToYield(world, () => mustYield);
    await world.clock.advanceAsync(4_000);
    mustYield = false;
    await world.clock.advanceAsync(4_000);
    await lent.giveBack();
    expect(pool.status()).toMatchObject({ idle: 1 });
  });

  test('told so while nobody has it any more, it is closed at once', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    await world.until(pool.use(() => undefined));
    await world.clock.advanceAsync(12_000);
    tellsToYield(world, () => true);
    const told = world.interfere;
    world.interfere = async (operation, call, args) => {
      const reply = await told(operation, call, args);
      if (operation === 'renew') await new Promise<void>((resolve) => world.clock.setTimer(300, resolve));
      return reply;
    };
    await expect(world.until(pool.use(() => undefined, { timeoutMs: 100 }))).rejects.toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
    });
    await world.clock.advanceAsync(300);
    expect(world.database.labels).toEqual([]);
    expect(world.eventsNamed('connectionClosed')).toEqual([{ reason: 'yielded', endSeen: true }]);
  });

  test('reconnect: what is parked is replaced, and never more is open than the capacity', async () => {
    const world = new PoolWorld(2);
    const pool = await world.start({ max: 1 });
    const before = await world.until(pool.use((client) => client.label));
    await world.registry.operate('orders', { kind: 'reconnect' });
    await world.until(pool.use((client) => client.run('the last on the old one')));
    await world.clock.advanceAsync(100);
    const after = await world.until(pool.use((client) => client.label));
    expect(after).not.toBe(before);
    expect(world.database.labels).toEqual([after]);
    expect(world.database.refused).toBe(0);
  });
});

describe('the share', () => {
  test('is told with every ask, completed', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ group: 'checkout', share: { min: 2, priority: 3 } });
    const asked: unknown[] = [];
    world.interfere = (operation, call, [request]) => {
      if (operation === 'grant') asked.push((request as GrantRequest).share);
      return call();
    };
    await world.until(pool.use(() => undefined));
    expect(asked).toEqual([{ min: 2, max: 1_000_000_000, priority: 3 }]);
    expect((await world.registry.inspect('orders'))?.groups).toMatchObject([
      { name: 'checkout', min: 2, priority: 3, taken: 1 },
    ]);
  });

  test('a maximum holds the group back, whatever is free', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 3, share: { max: 2 } });
    const two = await world.until(Promise.all([pool.acquire(), pool.acquire()]));
    await expect(world.until(pool.acquire({ timeoutMs: 300 }))).rejects.toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
    });
    const other = world.pool({ group: 'other' });
    await world.until(other.use(() => undefined));
    await Promise.all(two.map((lent) => lent.giveBack()));
  });

  test('another share than the registry’s is told as settings that differ', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ group: 'checkout', share: { max: 5 } });
    await world.until(pool.use(() => undefined));
    expect(world.eventsNamed('settingsDiffer')).toEqual([]);
    await world.until(world.pool({ group: 'checkout', share: { max: 4 } }).use(() => undefined));
    expect(world.eventsNamed('settingsDiffer')).toEqual([{ resource: 'orders' }]);
  });
});

describe('the registry is away', () => {
  /** A connection whose protection has lapsed without an answer of the registry. */
  const awayWorld = async (onRegistryLoss: 'refuse' | 'keep') => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 2, onRegistryLoss });
    const label = await world.until(pool.use((client) => client.label));
    await world.clock.flush();
    const call = world.interfere;
    world.interfere = async () => unanswered();
    world.clock.freeze(12_000);
    const comesBack = (): void => {
      world.interfere = call;
    };
    return { world, pool, label, comesBack };
  };

  test('refuse: an unprotected connection is not used', async () => {
    const { world, pool } = await awayWorld('refuse');
    await expect(
      world.until(pool.use((client) => client.run('x'), { timeoutMs: 2_000 })),
    ).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' });
    expect(world.database.statements).toEqual([]);
  });

  test('keep: what is open stays in use, and nothing new is opened', async () => {
    const { world, pool, label } = await awayWorld('keep');
    for (let use = 0; use < 20; use += 1) {
      expect(await world.until(pool.use((client) => client.run('x').then(() => client.label)))).toBe(label);
      await world.clock.advanceAsync(2_000);
    }
    expect(world.database.statements).toHaveLength(20);
    expect(world.database.opens).toHaveLength(1);
    // Once for the whole stretch.
    expect(world.eventsNamed('leaseKept')).toHaveLength(1);
    const both = Promise.allSettled([
      pool.use(() => new Promise((resolve) => world.clock.setTimer(1_000, () => resolve(1)))),
      pool.use(() => 2, { timeoutMs: 500 }),
    ]);
    const [, second] = await world.until(both);
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'REGISTRY_UNREACHABLE' } });
    expect(world.database.opens).toHaveLength(1);
  });

  test('keep: nobody waits for the registry before each use, it is asked beside the work', async () => {
    const { world, pool } = await awayWorld('keep');
    // No answer comes for a second at a time.
    world.interfere = async () => {
      await new Promise<void>((resolve) => world.clock.setTimer(1_000, resolve));
      return unanswered();
    };
    await world.until(pool.use((client) => client.run('waits for the first answer')));
    const since = world.clock.read();
    for (let use = 0; use < 50; use += 1) {
      await world.until(pool.use((client) => client.run('x')));
      await world.clock.advanceAsync(100);
    }
    expect(world.clock.elapsedMs(since)).toBeLessThan(50 * 100 + 100);
  });

  test('keep: a statement inside a use goes on, too', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ onRegistryLoss: 'keep' });
    const lent = await world.until(pool.acquire());
    await world.clock.flush();
    world.interfere = async () => unanswered();
    for (let second = 0; second < 30; second += 1) {
      await world.clock.advanceAsync(1_000);
      await lent.connection.run('on');
    }
    world.clock.freeze(60_000);
    await world.until(lent.connection.run('thawed: asked first, and no answer'));
    expect(world.database.statements).toHaveLength(31);
  });

  test('keep: on its return the registry may say lost, and the connection is closed', async () => {
    const { world, pool, label, comesBack } = await awayWorld('keep');
    const lent = await world.until(pool.acquire());
    await lent.connection.run('kept');
    comesBack();
    const report = await world.registry.inspect('orders', 1);
    const lease = report?.entries[0]?.lease;
    expect(label).toContain(lease?.id);
    // Somebody else has ended it meanwhile.
    const ended = [{ id: lease?.id ?? '', fence: lease?.fence ?? 0, outcome: 'closed' as const }];
    await world.registry.release('orders', report?.entries[0]?.holder ?? '', ended);
    await world.clock.advanceAsync(1_000);
    expect(world.eventsNamed('leaseLost')).toEqual([{ reason: 'unknown', inUse: true }]);
    await expect(lent.connection.run('no more')).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await lent.giveBack();
    await world.clock.flush();
    expect(world.database.labels).toEqual([]);
  });

  test('keep: after a freeze the registry is asked first, for it may be back', async () => {
    const { world, pool, comesBack } = await awayWorld('keep');
    const lent = await world.until(pool.acquire());
    await lent.connection.run('kept');
    comesBack();
    const entry = (await world.registry.inspect('orders', 1))?.entries[0];
    const ended = [{ id: entry?.lease.id ?? '', fence: entry?.lease.fence ?? 0, outcome: 'closed' as const }];
    await world.registry.release('orders', entry?.holder ?? '', ended);
    world.clock.freeze(60_000);
    await expect(world.until(lent.connection.run('not sent'))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(world.database.statements).toHaveLength(1);
    await lent.giveBack();
  });

  test('keep is for a registry that is away, not for one that says no', async () => {
    const { world, pool } = await awayWorld('keep');
    world.interfere = async () => {
      throw new LeaseholdError('REGISTRY_INCOMPATIBLE', 'a newer version keeps this resource');
    };
    await expect(
      world.until(pool.use((client) => client.run('x'), { timeoutMs: 2_000 })),
    ).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' });
    expect(world.database.statements).toEqual([]);
  });
});

describe('how a connect went', () => {
  test.each([
    [{ how: 'refuse', failure: 'unreachable' }, 'release', 'refused'],
    [{ how: 'refuse', failure: 'starting' }, 'release', 'refused'],
    [{ how: 'refuse', failure: 'auth' }, 'release', 'auth'],
    [{ how: 'refuse', failure: 'rejected' }, 'release', 'refused'],
    [{ how: 'unknown', failure: 'auth' }, 'abandon', 'auth'],
    [{ how: 'unknown', failure: 'cut' }, 'abandon', 'unanswered'],
    [{ how: 'unknown', failure: 'timeout' }, 'abandon', 'unanswered'],
    [{ how: 'unknown', failure: 'rejected' }, 'abandon', 'unanswered'],
  ] as const)('%j is told with %s as %s', async (step, operation, outcome) => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    const told: unknown[] = [];
    world.interfere = (name, call, args) => {
      if (name === 'release' || name === 'abandon')
        told.push(name, Reflect.get((args[2] as object[])[0] ?? {}, 'outcome'));
      return call();
    };
    world.database.nextOpens.push(step);
    await world.until(pool.use(() => undefined, { timeoutMs: 500 }).catch(() => undefined));
    await world.clock.flush();
    expect(told).toEqual([operation, outcome]);
  });

  test('a connection that was used is told as closed where its end was seen, else as unseen', async () => {
    for (const endIsSeen of [true, false]) {
      const world = new PoolWorld(10);
      const pool = await world.start();
      await world.until(pool.use(() => undefined));
      world.database.endIsSeen = endIsSeen;
      const told: unknown[] = [];
      world.interfere = (name, call, args) => {
        if (name === 'release' || name === 'abandon')
          told.push(name, Reflect.get((args[2] as object[])[0] ?? {}, 'outcome'));
        return call();
      };
      await world.until(pool.close());
      expect(told).toEqual(endIsSeen ? ['release', 'closed'] : ['abandon', 'unseen']);
    }
  });
});
