import { describe, expect, test } from '@jest/globals';
import { runSeeds, type SeedReport } from './seeds.ts';

const SEEDS = Number(process.env['LEASEHOLD_SEEDS'] ?? 1_000);
const TIMEOUT_MS = 30_000 + 500 * SEEDS;

/** LEASEHOLD_SEED replays one; without it the same seeds every time, and as many more as LEASEHOLD_SEEDS asks for. */
const seeds = (): number[] => {
  const seed = process.env['LEASEHOLD_SEED'];
  return seed === undefined ? Array.from({ length: SEEDS }, (_, at) => at + 1) : [Number(seed)];
};

const told = process.env['LEASEHOLD_SEED'] ?? `1 to ${SEEDS}`;

const REPEATED = [1, 2, 3, 4];

const tell = ({ seed, violation, trace }: SeedReport): string =>
  [
    '',
    trace,
    `Seed ${seed} breaks ${violation?.law} at ${violation?.atMs.toFixed(1)} ms: ${violation?.text}`,
    `Replay: LEASEHOLD_SEED=${seed} npm test -- --selectProjects simulation`,
  ].join('\n');

describe('a fleet with random faults on a virtual clock', () => {
  test(
    `keeps the laws, serves everybody afterwards and loses no slot (seeds ${told})`,
    async () => {
      const reports = await runSeeds(seeds());
      const broken = reports.find(({ violation }) => violation !== undefined);
      if (broken !== undefined) throw new Error(tell(broken));
      expect(reports.every(({ served }) => served > 0)).toBe(true);
    },
    TIMEOUT_MS,
  );

  test(
    'does the same again with the same seed',
    async () => {
      const first = await runSeeds(REPEATED);
      expect(await runSeeds(REPEATED)).toEqual(first);
      expect(new Set(first.map(({ digest }) => digest)).size).toBe(REPEATED.length);
    },
    TIMEOUT_MS,
  );
});
