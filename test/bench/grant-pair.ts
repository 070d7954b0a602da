import { Redis } from 'ioredis';
import { parseConfig, settingsOf } from '../../lib/core/config.ts';
import { systemRandom } from '../../lib/core/random.ts';
import { redisRegistry } from '../../lib/registry/redis/redis-registry.ts';
import { startRedis } from '../support/redis.ts';
import { compare, type Result, type Side } from './measure.ts';

const ROUNDS = 9;
const COUNT = 4_000;
const IN_FLIGHT = 50;
const GOAL = 0.75;

/** Grant and release of a lease nobody else wants, 50 in flight, against the floor: two scripts that do nothing. */
export const grantPair = async (): Promise<Result> => {
  const server = await startRedis();
  const redis = new Redis(server.url);
  try {
    const registry = redisRegistry(redis, { namespace: 'bench' });
    const settings = settingsOf(parseConfig({ resource: 'bench', capacity: 1_000 }, []));
    await registry.configure('bench', settings, true);
    const ask = {
      resource: 'bench',
      again: false,
      stamp: 0,
      holder: 'bench',
      group: 'g',
      wait: false,
      settings,
    };
    const pair = async (): Promise<void> => {
      const leaseId = systemRandom.id();
      const reply = await registry.grant({ ...ask, leaseId });
      if (reply.kind !== 'granted') throw new Error(`not granted: ${JSON.stringify(reply)}`);
      await registry.release('bench', 'bench', [{ id: leaseId, fence: reply.fence, outcome: 'unused' }]);
    };
    const nothing = String(await redis.script('LOAD', 'return 1'));
    const floor = async (): Promise<void> => {
      await redis.evalsha(nothing, 1, 'bench');
      await redis.evalsha(nothing, 1, 'bench');
    };
    const side = (name: string, once: () => Promise<void>): Side => ({
      name,
      run: async (count) => {
        const lanes = Array.from({ length: IN_FLIGHT }, async () => {
          for (let done = 0; done < count / IN_FLIGHT; done += 1) await once();
        });
        await Promise.all(lanes);
      },
    });
    const micros = await compare([side('leasehold', pair), side('two empty scripts', floor)], ROUNDS, COUNT);
    const ours = micros.get('leasehold') ?? Number.NaN;
    const value = micros.get('two empty scripts') ?? Number.NaN;
    const ratio = value / ours;
    const goal = `at least ${GOAL} of the floor`;
    return {
      name: 'grant-pair',
      ours,
      unit: 'us',
      peers: [{ name: 'two empty scripts', value }],
      ratio,
      goal,
      met: ratio >= GOAL,
    };
  } finally {
    redis.disconnect();
    await server.stop();
  }
};
