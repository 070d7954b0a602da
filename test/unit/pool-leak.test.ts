import { describe, expect, test } from '@jest/globals';
import type { LeaseholdError, Lent, Pool } from '../../lib/index.ts';
import type { FakeClient } from '../support/fake-database.ts';
import { PoolWorld } from '../support/pool-world.ts';

const HERE = 'pool-leak.test.ts';

const borrowHere = (pool: Pool<FakeClient>): Promise<Lent<FakeClient>> => pool.acquire();

const failure = async (work: Promise<unknown>): Promise<LeaseholdError> => {
  try {
    await work;
  } catch (error) {
    return error as LeaseholdError;
  }
  throw new Error('It did not fail.');
};

describe('leakAfterMs', () => {
  test('a connection lent for longer is told of once, with the place where it was borrowed', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ leakAfterMs: 5_000 });
    const lent = await world.until(borrowHere(pool));
    await world.clock.advanceAsync(4_900);
    expect(world.eventsNamed('leakSuspected')).toEqual([]);
    await world.clock.advanceAsync(60_000);
    const [leak, ...more] = world.eventsNamed('leakSuspected');
    expect(more).toEqual([]);
    expect(leak?.heldMs).toBeGreaterThanOrEqual(5_000);
    expect(leak?.stack).toContain(HERE);
    expect(pool.statistics().leaksSuspected).toBe(1);
    // It is told of, not taken away.
    await lent.connection.run('still mine');
    await lent.giveBack();
  });

  test.each(['cold', 'warm', 'by use', 'after a wait'])(
    'the stack leads to the borrower: %s',
    async (how) => {
      const world = new PoolWorld(10);
      const pool = await world.start({ leakAfterMs: 1_000, max: 1 });
      const first = await world.until(pool.acquire());
      if (how !== 'after a wait') await first.giveBack();
      if (how === 'cold') world.database.kill(world.database.labels[0] ?? '');
      await world.clock.flush();
      const borrow = async (): Promise<void> => {
        if (how === 'by use') await pool.use(() => world.clock.advanceAsync(2_000));
        else await borrowHere(pool);
      };
      const borrowed = borrow();
      await world.clock.flush();
      if (how === 'after a wait') await first.giveBack();
      await world.until(borrowed);
      await world.clock.advanceAsync(2_000);
      expect(world.eventsNamed('leakSuspected').at(-1)?.stack).toContain(HERE);
    },
  );

  test.each([
    ['given back', (lent: Lent<FakeClient>) => lent.giveBack()],
    ['discarded', (lent: Lent<FakeClient>) => lent.discard()],
    ['at the end of its block', (lent: Lent<FakeClient>) => lent[Symbol.asyncDispose]()],
  ])('one that is %s in time is none, and leaves no timer', async (_, end) => {
    const world = new PoolWorld(10);
    const pool = await world.start({ leakAfterMs: 5_000 });
    const lent = await world.until(pool.acquire());
    await world.clock.advanceAsync(4_000);
    await end(lent);
    await world.clock.advanceAsync(60_000);
    expect(world.eventsNamed('leakSuspected')).toEqual([]);
    await world.until(pool.close());
    expect(world.clock.pending).toEqual({ foreground: 0, background: 0 });
  });

  test('its timer keeps no process alive', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ leakAfterMs: 5_000 });
    await world.until(pool.acquire());
    expect(world.clock.pending.foreground).toBe(0);
  });

  test('each loan of one connection is timed on its own', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ leakAfterMs: 5_000, max: 1 });
    for (let use = 0; use < 10; use += 1) await world.until(pool.use(() => world.clock.advanceAsync(4_000)));
    expect(world.eventsNamed('leakSuspected')).toEqual([]);
  });
});

describe('a connection that is used or given back too late', () => {
  const late: Readonly<Record<string, (lent: Lent<FakeClient>, client: FakeClient) => Promise<unknown>>> = {
    'given back twice': (lent) => lent.giveBack(),
    'discarded after it was given back': (lent) => lent.discard(),
    'asked for its client': async (lent) => lent.connection,
    'used through a client that was kept': (_, client) => client.run('x'),
  };

  test.each(Object.entries(late))(
    '%s: with tracing the error says where it was borrowed and given back',
    async (_, misuse) => {
      const world = new PoolWorld(10);
      const pool = await world.start({ leakAfterMs: 5_000 });
      const lent = await world.until(borrowHere(pool));
      const { connection } = lent;
      await lent.giveBack();
      const error = await failure(misuse(lent, connection));
      expect(error.code).toBe('USED_AFTER_RETURN');
      expect(error.details['borrowedAt']).toContain('borrowHere');
      expect(error.details['returnedAt']).toContain(HERE);
      expect(error.message).not.toContain('leakAfterMs');
      expect(pool.statistics().returned).toBe(1);
    },
  );

  test.each(Object.entries(late))('%s: without tracing the error says how to find out', async (_, misuse) => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    const lent = await world.until(borrowHere(pool));
    const { connection } = lent;
    await lent.giveBack();
    const error = await failure(misuse(lent, connection));
    expect(error.code).toBe('USED_AFTER_RETURN');
    expect(error.message).toContain('leakAfterMs');
  });

  test('a statement of an earlier borrower is told with that borrower’s traces, after the connection was lent again', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ leakAfterMs: 5_000, max: 1 });
    const lent = await world.until(borrowHere(pool));
    await lent.giveBack();
    await world.until(pool.use(() => undefined));
    await expect(failure(lent.giveBack())).resolves.toMatchObject({ code: 'USED_AFTER_RETURN' });
    expect(pool.status()).toMatchObject({ idle: 1, lent: 0 });
  });
});

test('tracing is off by default and then takes no stack: not in a warm use, a cold one, or a return', async () => {
  const world = new PoolWorld(10);
  const pool = await world.start();
  await world.until(pool.use(() => undefined));
  let stacks = 0;
  const { prepareStackTrace } = Error;
  Error.prepareStackTrace = (error, frames) => {
    stacks += 1;
    return `${error}\n${frames.join('\n')}`;
  };
  try {
    for (let use = 0; use < 10; use += 1) await pool.use(() => undefined);
    const lent = await pool.acquire();
    await lent.giveBack();
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
  }
  expect(stacks).toBe(0);
  expect(world.clock.pending.foreground).toBe(0);
});
