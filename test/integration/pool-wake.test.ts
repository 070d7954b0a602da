import { afterEach, expect, it, jest } from '@jest/globals';
import { settingsOf } from '../../lib/core/config.ts';
import { eventually, pause } from '../support/eventually.ts';
import { LeasedWorld } from '../support/lambda.ts';

jest.setTimeout(20_000);

let world: LeasedWorld;
afterEach(() => world[Symbol.asyncDispose]());

const grants = (): number => world.registryCalls.filter((call) => call === 'grant').length;

it('over Redis a waiter is woken when a slot is freed: it has asked rarely, and is served at once', async () => {
  world = await LeasedWorld.open(1);
  const holder = await world.pool({ max: 1 });
  const waiter = await world.pool({ max: 1 });
  const waits: number[] = [];
  const asked: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const lent = await holder.acquire();
    const served = waiter.use((client) => client.query('SELECT 1'), { timeoutMs: 15_000 });
    await pause(900 + 70 * round);
    const before = grants();
    await pause(300);
    asked.push(grants() - before);
    const since = performance.now();
    await lent.giveBack();
    await served;
    waits.push(performance.now() - since);
  }
  expect(Math.max(...asked)).toBeLessThanOrEqual(1);
  // A connection is closed and another one opened meanwhile; a poll would come after 250 ms on average.
  expect(waits.sort((a, b) => a - b)[2]).toBeLessThan(120);
});

it('a pool that has lost its memory’s registry goes on: Redis is flushed under load, and nobody exceeds the limit', async () => {
  world = await LeasedWorld.open(4);
  const options = { max: 2, protectMs: 2_000, idleMs: 20_000, connectTimeoutMs: 400, dutyMs: 500 };
  const pools = [await world.pool(options), await world.pool(options)];
  const failures: unknown[] = [];
  const lost: unknown[] = [];
  for (const pool of pools) {
    pool.events.on('connectionFailed', (event) => failures.push(event));
    pool.events.on('leaseLost', (event) => lost.push(event));
  }
  let isOver = false;
  const work = pools.map(async (pool) => {
    while (!isOver) {
      await pool.use((client) => client.query('SELECT pg_sleep(0.02)'), { timeoutMs: 10_000 });
      await pause(20);
    }
  });
  await pause(500);
  await world.registry.forget('orders');
  await eventually(async () => (await world.registry.inspect('orders'))?.learningMs === 0, {
    what: 'the end of the learning',
    timeoutMs: 10_000,
  });
  await pause(200);
  isOver = true;
  await Promise.all(work);
  expect(failures).toEqual([]);
  expect(lost).toEqual([]);
  const report = await world.registry.inspect('orders');
  expect(report?.settings).toEqual(settingsOf((await world.pool(options)).config));
  expect(report?.held).toBe(await world.sessions());
});
