import { expect, test } from '@jest/globals';
import { eventually, pause } from '../support/eventually.ts';
import { FAIR, Fleet } from '../support/fleet.ts';
import { markTable } from '../support/fleet-table.ts';

const TIMEOUT_MS = 15_000;
/** Beyond protection and idle time. */
const PAST_BOTH_MS = 2_300;

/** What a goodbye may take on the wire; any statement is longer. */
const TERMINATE_BYTES = 5;

test.concurrent(
  'L5 L6: a process that was frozen while idle uses another backend after the thaw',
  async () => {
    await using fleet = await Fleet.start({ capacity: 2 });
    const frozen = await fleet.process();
    const before = await frozen.use(['SELECT pg_backend_pid() AS pid']);
    frozen.freeze();
    await fleet.pool().use(() => pause(PAST_BOTH_MS));

    frozen.thaw();
    const after = await frozen.use(['SELECT pg_backend_pid() AS pid']);
    expect(after).toEqual({ rows: [{ pid: expect.any(Number) }] });
    expect(after).not.toEqual(before);
    expect(frozen.accidents).toEqual([]);
    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L5 L6: a process that was frozen between two statements sends no second one, hears LEASE_LOST, and goes on under a new lease',
  async () => {
    await using fleet = await Fleet.start({ capacity: 2 });
    const table = await markTable(fleet);
    const frozen = await fleet.process();
    const caught = frozen.use([table.insert('before'), table.insert('after')], 500);
    await frozen.mark('between');
    frozen.freeze();
    await fleet.pool().use(() => pause(PAST_BOTH_MS));

    frozen.thaw();
    expect(await caught).toMatchObject({ error: { code: 'LEASE_LOST' } });
    expect(await table.marks()).toEqual(['before']);
    expect(await frozen.use([table.insert('later')])).toEqual({ rows: [] });
    expect(await table.marks()).toEqual(['before', 'later']);
    expect(frozen.accidents).toEqual([]);
    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L6: a thawed process sends nothing on a lost lease although its session is alive and well at the server',
  async () => {
    await using fleet = await Fleet.start({ capacity: 2, options: { idleMs: 60_000 } });
    const table = await markTable(fleet);
    const frozen = await fleet.process(1, {}, { database: true });
    const caught = frozen.use([table.insert('before'), table.insert('after')], 500);
    await frozen.mark('between');
    await pause(100);
    frozen.freeze();
    // Whoever takes the slot dies before its duty: nobody ends the session.
    await eventually(async () => (await fleet.ghost('thief')).kind === 'granted');
    expect(await fleet.judge.backends()).toBe(1);

    const sent = fleet.databaseProxy.counters.bytesUp;
    frozen.thaw();
    expect(await caught).toMatchObject({ error: { code: 'LEASE_LOST' } });
    expect(fleet.databaseProxy.counters.bytesUp - sent).toBeLessThanOrEqual(TERMINATE_BYTES);
    expect(await table.marks()).toEqual(['before']);
    expect(frozen.accidents).toEqual([]);
    expect(fleet.verdict).toEqual(FAIR);
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L6: a process that was frozen during a statement hears LEASE_LOST, and what it would have sent next is not sent',
  async () => {
    await using fleet = await Fleet.start({ capacity: 2 });
    const table = await markTable(fleet);
    const frozen = await fleet.process();
    const caught = frozen.use(['SELECT pg_sleep(60)', table.insert('after')]);
    await frozen.mark('sent');
    await pause(100);
    frozen.freeze();
    await fleet.pool().use(() => pause(PAST_BOTH_MS));

    frozen.thaw();
    expect(await caught).toMatchObject({ error: { code: 'LEASE_LOST' } });
    expect(await table.marks()).toEqual([]);
    expect(await frozen.use([table.insert('later')])).toEqual({ rows: [] });
    expect(frozen.accidents).toEqual([]);
    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L6: a statement that ended during the freeze keeps its result, and the one after it is not sent',
  async () => {
    await using fleet = await Fleet.start({ capacity: 2, options: { idleMs: 60_000 } });
    const table = await markTable(fleet);
    const frozen = await fleet.process();
    const caught = frozen.use([`${table.insert('before')}; SELECT pg_sleep(0.5)`, table.insert('after')]);
    await frozen.mark('sent');
    await pause(100);
    frozen.freeze();
    await eventually(async () => (await fleet.ghost('thief')).kind === 'granted');

    frozen.thaw();
    expect(await caught).toMatchObject({ error: { code: 'LEASE_LOST' } });
    expect(await table.marks()).toEqual(['before']);
    expect(frozen.accidents).toEqual([]);
    expect(fleet.verdict).toEqual(FAIR);
  },
  TIMEOUT_MS,
);
