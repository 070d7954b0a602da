import { expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { CONNECT_BOUND_MS, FAIR, Fleet } from '../support/fleet.ts';
import type { FleetPool } from '../support/fleet-member.ts';

const PROTECT_MS = 1_000;
const IDLE_MS = 1_000;
const CONNECT_MS = 400;
/** A caller in the queue asks at least this often. */
const POLL_MS = 500;
/** Scheduling on a small machine, on top of what the protocol promises. */
const SLACK_MS = 500;
const TIMEOUT_MS = 15_000;

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};

test.concurrent(
  'L6 L16: the slots of a killed process are granted again within one protection and one connect, without a sweeper',
  async () => {
    await using fleet = await Fleet.start({ capacity: 4, options: { idleMs: 60_000 } });
    const holder = await fleet.process(3);
    // The server does not see its client die while a statement runs: somebody has to end the backends.
    const pools = [0, 1, 2];
    for (const pool of pools) void holder.use(['SELECT pg_sleep(60)'], 0, pool);
    await Promise.all(pools.map(() => holder.mark('sent')));

    holder.kill();
    // Who is served keeps its connection: else the next would get that one, and a dead lease stays until somebody wants it.
    const lent: Awaited<ReturnType<FleetPool['acquire']>>[] = [];
    const waits = await Promise.all(
      pools.map(() => timed(async () => lent.push(await fleet.pool().acquire()))),
    );
    for (const each of lent) await each.giveBack();

    expect(Math.min(...waits)).toBeLessThan(PROTECT_MS + CONNECT_MS);
    expect(Math.max(...waits)).toBeLessThan(PROTECT_MS + CONNECT_MS + SLACK_MS);
    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L6: with capacity 1 the slot of a killed process comes back through the probe, within protection, idle time and connect bound',
  async () => {
    await using fleet = await Fleet.start({ capacity: 1 });
    const holder = await fleet.process();
    void holder.use(['SELECT 1', 'SELECT 2'], 60_000);
    await holder.mark('between');

    holder.kill();
    const waitMs = await timed(() => fleet.pool().use((client) => client.query('SELECT 1')));

    expect(waitMs).toBeLessThan(PROTECT_MS + IDLE_MS + CONNECT_BOUND_MS + POLL_MS + SLACK_MS);
    expect(fleet.heard('leaseGranted')).toEqual([expect.objectContaining({ isProbe: true })]);
    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L1 L6: when every holder died while overlaps filled the capacity, the probe brings the slots back within its bound',
  async () => {
    await using fleet = await Fleet.start({ capacity: 2 });
    const holder = await fleet.process();
    void holder.use(['SELECT pg_sleep(60)']);
    await holder.mark('sent');
    holder.kill();
    // Its heir dies as well, between its grant and its duty: one held and one revoking, and both are dead.
    let ghosts = 0;
    await eventually(async () => {
      ghosts += 1;
      return (await fleet.ghost(`g${ghosts}`)).kind === 'granted';
    });
    expect(await fleet.report()).toMatchObject({ held: 1, revoking: 1 });

    const waitMs = await timed(() => fleet.pool().use((client) => client.query('SELECT 1')));

    expect(waitMs).toBeLessThan(PROTECT_MS + IDLE_MS + CONNECT_BOUND_MS + POLL_MS + SLACK_MS);
    expect(fleet.heard('leaseGranted')).toEqual([expect.objectContaining({ isProbe: true })]);
    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L2 L16: a holder that died between its grant and its connect blocks its slot for one protection, and is settled without a sweeper',
  async () => {
    await using fleet = await Fleet.start({ capacity: 2, options: { idleMs: 60_000 } });
    await fleet.ghost('dead');
    const heir = fleet.pool();
    const waitMs = await timed(() => heir.use((client) => client.query('SELECT 1')));
    expect(waitMs).toBeLessThan(PROTECT_MS + CONNECT_MS + SLACK_MS);
    expect(await fleet.report()).toMatchObject({ held: 1, revoking: 1 });

    await eventually(
      async () => {
        await heir.use((client) => client.query('SELECT 1'));
        return (await fleet.report()).revoking === 0;
      },
      { what: 'the proof', timeoutMs: CONNECT_BOUND_MS + 1_000, everyMs: 50 },
    );
    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);
