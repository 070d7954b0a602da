import { pause } from './eventually.ts';
import { CONNECT_BOUND_MS, type Fleet } from './fleet.ts';
import type { FleetPool } from './fleet-member.ts';

/** How long a registry without memory grants nothing to a fleet of the usual short times: protection + idle + connect bound. */
export const LEARNING_MS = 1_000 + 1_000 + CONNECT_BOUND_MS;
/** What a busy machine may add to a bound. */
export const SLACK_MS = 1_000;

/** Short statements without a pause; the times at which they ended well. */
const load = (pools: readonly FleetPool[], isOver: () => boolean): Promise<number[]> => {
  const ends: number[] = [];
  const work = async (pool: FleetPool): Promise<void> => {
    while (!isOver()) {
      await pool
        .use((client) => client.query('SELECT pg_sleep(0.01)'))
        .then(
          () => ends.push(performance.now()),
          () => pause(10),
        );
    }
  };
  return Promise.all(pools.map(work)).then(() => ends);
};

/** Service before and after, whatever happens in between; resolves with the length of the gap from the end of the disaster on. */
export const under = async (fleet: Fleet, disaster: () => Promise<void>): Promise<number> => {
  let isOver = false;
  const pools = [1, 2, 3, 4, 5, 6].map(() => fleet.pool({ max: 1 }));
  const ends = load(pools, () => isOver);
  await pause(700);
  await disaster();
  const start = performance.now();
  await pause(LEARNING_MS + 2 * SLACK_MS);
  isOver = true;
  const all = await ends;
  if (!all.some((end) => end < start)) throw new Error('There was no service before the disaster.');
  // What was protected goes on until its protection ends.
  return (all.find((end) => end > start + 1_100) ?? Number.POSITIVE_INFINITY) - start;
};
