import { expect, test } from '@jest/globals';
import { eventually, pause } from '../support/eventually.ts';
import { CONNECT_BOUND_MS, FAIR, Fleet } from '../support/fleet.ts';
import type { FleetPool } from '../support/fleet-member.ts';
import { overtakenRegistry, type RecordedCall, recordingRegistry } from '../support/fleet-repeats.ts';

const TIMEOUT_MS = 15_000;

const select = (pool: FleetPool): Promise<unknown> => pool.use((client) => client.query('SELECT 1'));

const last = (calls: readonly RecordedCall[], method: string): RecordedCall => {
  const call = calls.findLast((one) => one.method === method);
  if (call === undefined) throw new Error(`There was no ${method}.`);
  return call;
};

test.concurrent(
  'L3 L4: a release that arrives again, after the slot went to somebody else, takes nothing from anybody',
  async () => {
    await using fleet = await Fleet.start({ capacity: 1, options: { idleMs: 60_000 } });
    const calls: RecordedCall[] = [];
    const first = fleet.pool({}, {}, recordingRegistry(calls));
    await select(first);
    await first.close();
    const second = fleet.pool();
    await second.use(async (client) => {
      await last(calls, 'release').repeat();
      expect(await fleet.report()).toMatchObject({ held: 1, revoking: 0 });
      await client.query('SELECT 1');
    });
    expect(fleet.heard('leaseLost')).toEqual([]);
    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L4: a park that arrives again during the next use does not end its protection',
  async () => {
    await using fleet = await Fleet.start({ capacity: 2, options: { idleMs: 60_000 } });
    const calls: RecordedCall[] = [];
    const pool = fleet.pool({}, {}, recordingRegistry(calls));
    await select(pool);
    await eventually(() => calls.some(({ method }) => method === 'park'));
    await pool.use(async (client) => {
      await last(calls, 'park').repeat();
      expect(await fleet.report()).toMatchObject({ held: 1, protectedCount: 1 });
      await client.query('SELECT 1');
    });
    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L2 L3: a grant that arrives again, after its lease was given back, holds a slot for one protection and never a backend',
  async () => {
    await using fleet = await Fleet.start({ capacity: 2, options: { idleMs: 60_000 } });
    const calls: RecordedCall[] = [];
    const first = fleet.pool({}, {}, recordingRegistry(calls));
    await select(first);
    await first.close();
    expect(await last(calls, 'grant').repeat()).toMatchObject({ kind: 'granted' });
    expect(await fleet.judge.backends()).toBe(0);
    await recover(fleet);
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L2 L3: a grant that is overtaken by its own repeat leaves one lease in use, and the other one is settled',
  async () => {
    await using fleet = await Fleet.start({ capacity: 2, options: { idleMs: 60_000 } });
    let hasArrived = false;
    const arrived = (): void => {
      hasArrived = true;
    };
    const pool = fleet.pool({}, {}, overtakenRegistry('grant', 300, arrived));
    await select(pool);
    await eventually(() => hasArrived);
    await pool.close();
    await recover(fleet);
  },
  TIMEOUT_MS,
);

/** A lease without a backend is in the way of nobody for longer than its protection, and goes with nobody's help but the users'. */
const recover = async (fleet: Fleet): Promise<void> => {
  const [pool, other] = [fleet.pool(), fleet.pool()];
  await Promise.all([select(pool), select(other)]);
  await eventually(
    async () => {
      await Promise.all([select(pool), select(other)]);
      await pause(20);
      return (await fleet.report()).revoking === 0;
    },
    { what: 'the proof', timeoutMs: 2 * CONNECT_BOUND_MS },
  );
  expect(fleet.verdict).toEqual(FAIR);
  await fleet.close();
};
