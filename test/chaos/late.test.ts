import { expect, test } from '@jest/globals';
import { isLeaseholdError } from '../../lib/index.ts';
import { eventually, pause } from '../support/eventually.ts';
import { FAIR, Fleet } from '../support/fleet.ts';

const TIMEOUT_MS = 15_000;
/** AuthenticationOk: from here on the session counts against the role's limit. */
const LOGGED_IN = Buffer.from('R\0\0\0\x08\0\0\0\0', 'latin1');

test.concurrent(
  'L2: a login that the server finished and the client never heard of counts until it is proven gone',
  async () => {
    let isEvil = true;
    const fleet: Fleet = await Fleet.start({
      capacity: 2,
      databaseHooks: {
        onServerData: (data) => {
          // From the very answer on, and for as long as this lasts, the network is gone without a word.
          if (isEvil && data.includes(LOGGED_IN)) fleet.databaseProxy.blackhole();
          return data;
        },
      },
    });
    await using _ = fleet;
    const unlucky = fleet.pool({}, { database: true });
    const lost = unlucky.use((client) => client.query('SELECT 1'), { timeoutMs: 800 });
    await expect(lost).rejects.toMatchObject({ code: 'CONNECT_FAILED' });
    isEvil = false;
    // The orphan is there, and so is its entry.
    expect(await fleet.judge.backends()).toBe(1);
    expect(await fleet.report()).toMatchObject({ held: 0, revoking: 1 });

    const others = [fleet.pool(), fleet.pool()];
    await Promise.all(others.map((pool) => pool.use((client) => client.query('SELECT 1'))));
    fleet.databaseProxy.pass();

    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L2: a connect that is slower than its protection is destroyed and abandoned, and the capacity holds',
  async () => {
    await using fleet = await Fleet.start({ capacity: 3 });
    const slow = [fleet.pool({}, { database: true }), fleet.pool({}, { database: true })];
    fleet.databaseProxy.delay(600);
    const failed = Promise.all(
      slow.map((pool) => pool.use(() => 'served', { timeoutMs: 1_500 }).catch(codeOf)),
    );
    const fast = fleet.pool();
    const until = performance.now() + 2_500;
    while (performance.now() < until) await fast.use((client) => client.query('SELECT pg_sleep(0.02)'));
    expect(await failed).not.toContain('served');

    fleet.databaseProxy.pass();
    await Promise.all(slow.map((pool) => pool.use((client) => client.query('SELECT 1'))));
    expect(fleet.heard('connectionFailed').map(({ failure }) => failure)).toContain('timeout');
    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L2: a socket that is destroyed under a running statement leaves its backend counted until somebody has ended it',
  async () => {
    await using fleet = await Fleet.start({ capacity: 2, options: { idleMs: 60_000 } });
    const pool = fleet.pool({}, { database: true });
    const running = pool.use((client) => client.query('SELECT pg_sleep(60)')).catch(codeOf);
    await eventually(() => pool.status().lent === 1);
    await pause(100);
    fleet.databaseProxy.cut();

    expect(await running).toBe('ECONNRESET');
    await eventually(async () => (await fleet.report()).revoking === 1);
    expect(await fleet.judge.backends()).toBe(1);
    const both = [pool, fleet.pool()];
    await Promise.all(both.map((one) => one.use((client) => client.query('SELECT 1'))));

    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L2: a socket that is destroyed under an idle connection costs its lease, and the next use has another one',
  async () => {
    await using fleet = await Fleet.start({ capacity: 2, options: { idleMs: 60_000 } });
    const pool = fleet.pool({}, { database: true });
    const pid = async (): Promise<unknown> =>
      pool.use(async (client) => (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid);
    const before = await pid();
    fleet.databaseProxy.cut();
    await eventually(() => pool.status().idle === 0);

    expect(await pid()).not.toBe(before);
    expect(fleet.heard('connectionClosed')).toEqual([{ reason: 'broken', endSeen: false }]);
    expect(await fleet.report()).toMatchObject({ held: 1, revoking: 0 });
    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);

const codeOf = (error: unknown): unknown =>
  isLeaseholdError(error) ? error.code : Reflect.get(Object(error), 'code');
