import { Redis } from 'ioredis';
import { startRedis } from '../support/redis.ts';
import { OURS, type Result, toResult } from './measure.ts';
import { newSemaphore, SEMAPHORE } from './peers.ts';
import { BenchResource, makeMany } from './resource.ts';
import { usedMemory } from './server-stats.ts';

const SIZES = [10_000, 100_000];
const GOAL = 250;

/** What a PostgreSQL session is called: a tag of its server, its process and when it started. */
const session = (at: number): string => `7kq2ma.${100_000 + at}.1795435000.${100_000 + at}`;

/** A lease in use: granted to a holder of its own, its session bound. */
const lease = (resource: BenchResource) => async (at: number) => {
  const taken = await resource.take();
  await resource.bind(taken, session(at));
};

/** Memory of the server for each lease with all that is known of it, and for each permit of the peer, which is an id. */
export const leaseBytes = async (): Promise<Result[]> => {
  const server = await startRedis({ own: true });
  const redis = new Redis(server.url);
  const bytesEach = async (count: number, make: (at: number) => Promise<unknown>): Promise<number> => {
    // Scripts and buffers are there already, and are not counted.
    await makeMany(2_000, make);
    const before = await usedMemory(redis);
    await makeMany(count, make);
    return ((await usedMemory(redis)) - before) / count;
  };
  const measure = async (count: number): Promise<Result> => {
    const resource = await BenchResource.create(redis, `bytes-${count}`, { capacity: 3 * count });
    const ours = await bytesEach(count, lease(resource));
    await redis.flushall();
    const permits = await bytesEach(count, () => newSemaphore(redis, `bytes-${count}`, 3 * count).acquire());
    await redis.flushall();
    return toResult(
      new Map([
        [OURS, ours],
        [SEMAPHORE, permits],
      ]),
      {
        name: count === Math.max(...SIZES) ? 'lease-bytes' : `lease-bytes-${count}`,
        unit: 'bytes',
        better: 'less',
        goal: `${count.toLocaleString('en')} leases: at most ${GOAL} each`,
        met: (value) => value <= GOAL,
      },
    );
  };
  try {
    const results: Result[] = [];
    for (const count of SIZES) results.push(await measure(count));
    return results;
  } finally {
    redis.disconnect();
    await server.stop();
  }
};
