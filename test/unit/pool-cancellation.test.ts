import { describe, expect, test } from '@jest/globals';
import { sleep } from '../../lib/core/clock.ts';
import { LeaseholdError, type Lent, type Pool } from '../../lib/index.ts';
import type { GrantReply } from '../../lib/registry/registry.ts';
import type { FakeClient } from '../support/fake-database.ts';
import { PoolWorld } from '../support/pool-world.ts';

type Prepare = (world: PoolWorld, pool: Pool<FakeClient>) => Promise<unknown>;

/** Answers of one operation come late. */
const delay = (world: PoolWorld, slow: string, ms: number): void => {
  world.interfere = async (operation, call) => {
    if (operation !== slow) return call();
    const reply = await call();
    await sleep(world.clock, ms);
    return reply;
  };
};

const use = (world: PoolWorld, pool: Pool<FakeClient>): Promise<void> =>
  world.until(pool.use(() => undefined));

/** Where a caller stands 100 ms after it has come. */
const POINTS: Readonly<Record<string, Prepare>> = {
  'the ask is on its way': async (world) => delay(world, 'grant', 300),
  'no answer has come, and the next ask is waited for': async (world) => {
    let failures = 8;
    world.interfere = async (operation, call) => {
      if (operation === 'grant' && failures-- > 0) throw new LeaseholdError('REGISTRY_UNREACHABLE', 'cut');
      return call();
    };
  },
  'the answer to a grant is lost': async (world) => {
    let isFirst = true;
    world.interfere = async (operation, call) => {
      const reply = await call();
      if (operation !== 'grant' || !isFirst) return reply;
      isFirst = false;
      await sleep(world.clock, 300);
      throw new LeaseholdError('REGISTRY_UNREACHABLE', 'cut');
    };
  },
  'it is queued': async (world) => {
    const other = world.pool({ max: 3 });
    const loans = await world.until(Promise.all([1, 2, 3].map(() => other.acquire())));
    for (const lent of loans) world.clock.setTimer(2_000, () => void lent.giveBack());
  },
  'it is denied, and asks again later': async (world) => {
    let isFirst = true;
    world.interfere = async (operation, call): Promise<unknown> => {
      if (operation !== 'grant' || !isFirst) return call();
      isFirst = false;
      return {
        kind: 'denied',
        reason: 'BREAKER',
        retryAfterMs: 500,
        inUse: 0,
        capacity: 1,
      } satisfies GrantReply;
    };
  },
  'its connect is put off': async (world) => {
    world.interfere = async (operation, call) => {
      const reply = await call();
      return operation === 'grant' ? { ...(reply as GrantReply), connectAfterMs: 800 } : reply;
    };
  },
  'its connection is being opened': async (world) => {
    world.database.nextOpens.push({ how: 'slow', ms: 1_500 });
  },
  'its connection will never be open': async (world) => {
    world.database.nextOpens.push({ how: 'never' });
  },
  'its connection appears after the bound': async (world) => {
    world.database.nextOpens.push({ how: 'slow', ms: 3_200 });
  },
  'the database refuses, and the next attempt is waited for': async (world) => {
    world.database.nextOpens.push({ how: 'refuse', failure: 'starting' });
  },
  'the only connection is lent': async (world, pool) => {
    const lent = [await world.until(pool.acquire()), await world.until(pool.acquire())];
    for (const loan of lent) world.clock.setTimer(500, () => void loan.giveBack());
  },
  'its connection is asked about': async (world, pool) => {
    await use(world, pool);
    await world.clock.advanceAsync(12_000);
    delay(world, 'renew', 300);
  },
  'its connection is checked': async (world, pool) => {
    await use(world, pool);
    await world.clock.advanceAsync(6_000);
    world.database.steps.check = 'slow';
  },
  'its connection is checked in vain': async (world, pool) => {
    await use(world, pool);
    await world.clock.advanceAsync(6_000);
    world.database.steps.check = 'never';
  },
  'its connection is being reset after another borrower': async (world, pool) => {
    const loans = await world.until(Promise.all([pool.acquire(), pool.acquire()]));
    world.database.steps.reset = 'slow';
    for (const lent of loans) {
      lent.connection.begin();
      void lent.giveBack();
    }
  },
  'its connection is at a duty': async (world) => {
    const dead = world.pool({ max: 3 });
    await world.until(dead.use(() => undefined));
    for (const _ of [1, 2]) await world.until(world.pool({ max: 1 }).acquire());
    await world.clock.advanceAsync(10_500);
    delay(world, 'settle', 300);
  },
};

const counted = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Comes while `prepare` keeps it waiting, and goes after 100 ms. */
const comeAndGo = async (prepare: Prepare, how: 'aborts' | 'runs out of time') => {
  const world = new PoolWorld(4, 4);
  const pool = await world.start({ max: 2 });
  await prepare(world, pool);
  const gone = new AbortController();
  const options = how === 'aborts' ? { signal: gone.signal } : { timeoutMs: 100 };
  let error: unknown;
  let lent: Lent<FakeClient> | undefined;
  const before = counted(pool.statistics().gets);
  const caller = pool.acquire(options).then(
    (it) => {
      lent = it;
    },
    (thrown) => {
      error = thrown;
    },
  );
  await world.clock.advanceAsync(99);
  const isWaiting = error === undefined && lent === undefined;
  if (how === 'aborts') gone.abort(new Error('gone'));
  else await world.clock.advanceAsync(1);
  await world.clock.flush();
  await caller;
  return { world, pool, error, lent, isWaiting, came: counted(pool.statistics().gets) - before };
};

describe('a caller that goes', () => {
  const cases = Object.entries(POINTS).flatMap(([point, prepare]) =>
    (['aborts', 'runs out of time'] as const).map((how) => ({ point, prepare, how })),
  );

  test.each(cases)(
    '$how while $point hears it at once, is counted once, and leaves nothing behind',
    async ({ prepare, how }) => {
      const { world, pool, error, isWaiting, came } = await comeAndGo(prepare, how);
      // One that cannot wait for the next attempt hears so before its time.
      if (how === 'aborts') expect(isWaiting).toBe(true);
      expect(error).toBeInstanceOf(LeaseholdError);
      if (how === 'aborts') expect(error).toMatchObject({ code: 'ABORTED', cause: new Error('gone') });
      expect(came).toBe(1);
      expect(pool.status().waiting).toBe(0);
      await world.clock.advanceAsync(10_000);
      expect(pool.status()).toMatchObject({ opening: 0, busy: 0, closing: 0, waiting: 0 });
      const { held = 0, revoking = 0, waiters } = (await world.registry.inspect('orders')) ?? {};
      expect(waiters ?? 0).toBe(0);
      // No lease without a session, and no session without a lease.
      const sessions = world.database.labels.length;
      expect(held).toBeLessThanOrEqual(sessions);
      expect(held + revoking).toBeGreaterThanOrEqual(sessions);
      expect(world.clock.pending.foreground).toBe(0);
    },
  );

  test.each(cases)('$how while $point takes nothing from the one behind it', async ({ prepare, how }) => {
    const { world, pool } = await comeAndGo(prepare, how);
    Object.assign(world.database.steps, { check: 'ok', reset: 'ok' });
    expect(await world.until(pool.use((client) => client.run('next')))).toBe('next');
    expect(world.database.refused).toBe(0);
    await world.until(pool.close());
  });

  test.each(cases)(
    '$how while $point and one waits behind it: that one is served all the same',
    async ({ prepare, how }) => {
      const world = new PoolWorld(4, 4);
      const pool = await world.start({ max: 2 });
      await prepare(world, pool);
      const gone = new AbortController();
      const first = pool.acquire(how === 'aborts' ? { signal: gone.signal } : { timeoutMs: 100 });
      // It may have been served by what was sent for the second.
      const done = first.then(
        (lent) => lent.giveBack(),
        () => undefined,
      );
      const second = pool.use((client) => client.run('second'));
      await world.clock.advanceAsync(99);
      gone.abort();
      await world.clock.advanceAsync(1);
      expect(await world.until(second)).toBe('second');
      await world.until(done);
      await world.clock.advanceAsync(5_000);
      expect(world.clock.pending.foreground).toBe(0);
    },
  );

  test('is not asked for at all if it had gone before it came, and is counted', async () => {
    const world = new PoolWorld(4);
    const pool = await world.start();
    const options = { signal: AbortSignal.abort() };
    await expect(pool.use(() => undefined, options)).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(pool.acquire(options)).rejects.toMatchObject({ code: 'ABORTED' });
    expect(world.calls).toEqual([]);
    expect(pool.statistics().gets).toMatchObject({ aborted: 2 });
    await pool.close();
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    expect(pool.statistics().gets).toMatchObject({ aborted: 2, failed: 1 });
  });

  test('after it was served has what it was given: an abort takes nothing away, and leaves no listener', async () => {
    const world = new PoolWorld(4);
    const pool = await world.start({ max: 1 });
    const gone = new AbortController();
    const lent = await world.until(pool.acquire({ signal: gone.signal }));
    gone.abort();
    await lent.connection.run('still mine');
    await lent.giveBack();
    expect(pool.status()).toMatchObject({ idle: 1, lent: 0 });
  });

  test('in the very turn in which a connection comes back is served or gone, never both', async () => {
    for (const isAbortFirst of [true, false]) {
      const world = new PoolWorld(4);
      const pool = await world.start({ max: 1 });
      const lent = await world.until(pool.acquire());
      const gone = new AbortController();
      const caller = pool.acquire({ signal: gone.signal });
      await world.clock.flush();
      const outcome = Promise.allSettled([caller]);
      if (isAbortFirst) gone.abort();
      const back = lent.giveBack();
      gone.abort();
      await back;
      const [settled] = await outcome;
      expect(settled?.status).toBe(isAbortFirst ? 'rejected' : 'fulfilled');
      if (settled?.status === 'fulfilled') await settled.value.giveBack();
      expect(pool.status()).toMatchObject({ idle: 1, lent: 0, waiting: 0 });
    }
  });
});
