import { Redis } from 'ioredis';
import { startRedis } from '../support/redis.ts';
import { compare, OURS, type Result, type Side, toResult } from './measure.ts';
import { BOTTLENECK, bottleneckLimiter, SEMAPHORE, semaphoreLimiter } from './peers.ts';
import { BenchResource } from './resource.ts';

const ROUNDS = 9;
const COUNT = 2_000;
const LIMIT = 1_000;
const GOAL = 0.75;
const FLOOR = 'two empty scripts';

/** `inFlight` callers, each with its own `once`, that together do `count`. */
const side = (name: string, inFlight: number, make: () => () => Promise<void>): Side => {
  const lanes = Array.from({ length: inFlight }, make);
  return {
    name,
    run: async (count) => {
      await Promise.all(
        lanes.map(async (once) => {
          for (let done = 0; done < count / inFlight; done += 1) await once();
        }),
      );
    },
  };
};

const nothing = async (): Promise<void> => undefined;

/** Grant and release of a lease nobody else wants, against the floor (two scripts that do nothing) and its peers. */
export const grantPair = async (): Promise<Result[]> => {
  const server = await startRedis();
  const redis = new Redis(server.url);
  const results: Result[] = [];
  try {
    const resource = await BenchResource.create(redis, 'pair', { capacity: LIMIT });
    const empty = String(await redis.script('LOAD', 'return 1'));
    const bottleneck = await bottleneckLimiter(redis, `pair-${server.namespace}`, LIMIT);
    for (const inFlight of [50, 1]) {
      const sides = [
        side(OURS, inFlight, () => async () => resource.giveBack(await resource.take('holder'))),
        side(FLOOR, inFlight, () => async () => {
          await redis.evalsha(empty, 1, 'pair');
          await redis.evalsha(empty, 1, 'pair');
        }),
        side(SEMAPHORE, inFlight, () => {
          const limiter = semaphoreLimiter(redis, `pair-${server.namespace}`, LIMIT);
          return () => limiter.use(nothing);
        }),
        side(BOTTLENECK, inFlight, () => () => bottleneck.use(nothing)),
      ];
      const values = await compare(sides, ROUNDS, inFlight === 1 ? COUNT / 2 : COUNT);
      results.push(
        toResult(values, {
          name: inFlight === 1 ? 'grant-pair-1' : 'grant-pair',
          unit: 'us',
          better: 'less',
          goal: `${inFlight} in flight: at least ${GOAL} of the floor, not below ${SEMAPHORE}`,
          met: (ours, peer) => peer(FLOOR) / ours >= GOAL && ours <= peer(SEMAPHORE),
        }),
      );
    }
    await bottleneck.close();
    return results;
  } finally {
    redis.disconnect();
    await server.stop();
  }
};
