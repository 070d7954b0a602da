import { expect, test } from '@jest/globals';
import { FAIR, Fleet } from '../support/fleet.ts';

const PROCESSES = 3;
const POOLS = 100;

test('L1 L9: 300 environments that start at once on 10 connections are all served, and none is refused', async () => {
  const calm = { protectMs: 10_000, idleMs: 60_000, connectTimeoutMs: 3_000, operationTimeoutMs: 2_000 };
  const options = { ...calm, max: 1, acquireTimeoutMs: 25_000 };
  await using fleet = await Fleet.start({ capacity: 10, options });
  const processes = await Promise.all(Array.from({ length: PROCESSES }, () => fleet.process(POOLS)));

  const results = await Promise.all(processes.map((one) => one.load('SELECT pg_sleep(0.002)')));

  expect(results).toEqual(processes.map(() => ({ served: POOLS, failed: {} })));
  expect(processes.flatMap(({ accidents }) => accidents)).toEqual([]);
  expect(fleet.verdict).toEqual(FAIR);
  await fleet.close();
}, 40_000);
