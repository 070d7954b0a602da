import { describe, expect, test } from '@jest/globals';
import { type RunResult, runSeed } from './fleet-run.ts';

const SEEDS = Number(process.env['LEASEHOLD_SEEDS'] ?? 1_000);
const TRACE_LINES = 80;
const TIMEOUT_MS = 30_000 + 500 * SEEDS;

/** LEASEHOLD_SEED replays one; without it the same seeds every time, and as many more as are asked for. */
const seeds = (): number[] => {
  const seed = process.env['LEASEHOLD_SEED'];
  return seed === undefined ? Array.from({ length: SEEDS }, (_, at) => at + 1) : [Number(seed)];
};

const report = ({ seed, violation, trace }: RunResult): string =>
  [
    '',
    trace(TRACE_LINES),
    `Seed ${seed} breaks ${violation?.law} at ${violation?.atMs.toFixed(1)} ms: ${violation?.text}`,
    `Replay: LEASEHOLD_SEED=${seed} npm test -- --selectProjects simulation`,
  ].join('\n');

describe('a fleet with random faults on a virtual clock', () => {
  test(
    'keeps the laws on every seed, serves everybody afterwards and loses no slot',
    async () => {
      let steps = 0;
      for (const seed of seeds()) {
        const result = await runSeed(seed);
        if (result.violation !== undefined) throw new Error(report(result));
        steps += result.steps;
      }
      expect(steps).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  test('does the same again with the same seed', async () => {
    const [first, second] = [await runSeed(7), await runSeed(7)];
    expect([second.digest, second.steps, second.served]).toEqual([first.digest, first.steps, first.served]);
  });
});
