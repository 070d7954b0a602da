import { LIMITS } from '../../lib/core/limits.ts';
import { pause } from './eventually.ts';
import { CONNECT_BOUND_MS, type Fleet } from './fleet.ts';
import type { FleetPool } from './fleet-member.ts';

/** How long a registry without memory grants nothing to a fleet of the usual short times: the quiet time, then a census. */
export const QUIET_MS = CONNECT_BOUND_MS + LIMITS.connectStartMs;
/** An idle time so long that only a census can end the learning within a test: by itself it would go on for half a minute more. */
export const LONG_IDLE = { idleMs: 30_000 } as const;
/** What a busy machine may add to a bound. */
export const SLACK_MS = 1_000;

/** Between two uses: only then can a place that is wanted be taken. */
const GAP_MS = 5;

/** Short statements, one soon after the other; the times at which they ended well. */
const load = (pools: readonly FleetPool[], isOver: () => boolean): Promise<number[]> => {
  const ends: number[] = [];
  const work = async (pool: FleetPool): Promise<void> => {
    while (!isOver()) {
      await pool
        .use((client) => client.query('SELECT pg_sleep(0.01)'))
        .then(
          () => ends.push(performance.now()),
          () => undefined,
        );
      await pause(GAP_MS);
    }
  };
  return Promise.all(pools.map(work)).then(() => ends);
};

/** Service before, and a newcomer afterwards, whatever happens in between; resolves with the newcomer's wait, from the end of the disaster on. */
export const under = async (fleet: Fleet, disaster: () => Promise<void>): Promise<number> => {
  let isOver = false;
  const pools = [1, 2, 3, 4, 5, 6].map(() => fleet.pool({ max: 1 }));
  const ends = load(pools, () => isOver);
  await pause(700);
  await disaster();
  const start = performance.now();
  await fleet.pool({ max: 1 }).use(() => undefined, { timeoutMs: 10_000 });
  const backMs = performance.now() - start;
  // Whatever the census has not found would still be refused now.
  await pause(SLACK_MS);
  isOver = true;
  if (!(await ends).some((end) => end < start)) throw new Error('There was no service before the disaster.');
  return backMs;
};
