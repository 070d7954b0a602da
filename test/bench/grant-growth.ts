import { Redis } from 'ioredis';
import { startRedis } from '../support/redis.ts';
import { median, OURS, type Result, toResult } from './measure.ts';
import { BenchResource, makeMany } from './resource.ts';
import { scriptMicros } from './server-stats.ts';

const SIZES = [100, 10_000, 100_000];
const WAITERS = 10_000;
const ROUNDS = 15;
const WARM_UP_ROUNDS = 2;
const SLICE = 500;
const GOAL = 1.3;

/** Something that runs SLICE grant scripts, and what makes it ready for the next time. */
interface Growing {
  readonly leases: number;
  run(): Promise<void>;
  undo(): Promise<void>;
}

const named = (leases: number): string => `${leases.toLocaleString('en')} leases`;

/** Grants with room to spare. */
const granting = async (redis: Redis, leases: number): Promise<Growing> => {
  const resource = await BenchResource.create(redis, `grow-${leases}`, { capacity: 2 * leases + 2 * SLICE });
  await makeMany(leases, () => resource.take());
  let taken: Awaited<ReturnType<typeof resource.take>>[] = [];
  return {
    leases,
    run: async () => {
      taken = await makeMany(SLICE, () => resource.take());
    },
    undo: async () => {
      await Promise.all(taken.map((lease) => resource.giveBack(lease)));
    },
  };
};

/** Polls of waiters all over the queue of a full resource. */
const polling = async (redis: Redis, leases: number): Promise<Growing> => {
  const resource = await BenchResource.create(redis, `wait-${leases}`, { capacity: leases, headroom: 0 });
  await makeMany(leases, () => resource.take());
  const tickets = await makeMany(WAITERS, () => resource.wait(undefined, 'holder'));
  return {
    leases,
    run: async () => {
      await makeMany(SLICE, (at) => resource.wait(tickets[(at * WAITERS) / SLICE], 'holder'));
    },
    undo: async () => undefined,
  };
};

const measure = async (
  redis: Redis,
  make: (redis: Redis, leases: number) => Promise<Growing>,
): Promise<Map<number, number>> => {
  const sides: Growing[] = [];
  // The largest first: what is measured must not have ended by itself before the last is made.
  for (const leases of [...SIZES].reverse()) sides.push(await make(redis, leases));
  const times = new Map<number, number[]>(SIZES.map((leases) => [leases, []]));
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    for (const side of sides) {
      const micros = await scriptMicros(redis, () => side.run());
      await side.undo();
      if (round >= 0) times.get(side.leases)?.push(micros);
    }
  }
  await redis.flushall();
  return new Map([...times].map(([leases, values]) => [leases, median(values)]));
};

/** Does the server's time for a grant script grow with what the registry holds? */
export const grantGrowth = async (): Promise<Result[]> => {
  const server = await startRedis({ own: true });
  const redis = new Redis(server.url);
  const largest = Math.max(...SIZES);
  const smallest = Math.min(...SIZES);
  const result = (name: string, what: string, values: ReadonlyMap<number, number>): Result =>
    toResult(
      new Map([...values].map(([leases, value]) => [leases === largest ? OURS : named(leases), value])),
      {
        name,
        unit: 'us',
        better: 'less',
        goal: `${what}, ${named(largest)}: at most ${GOAL} times ${named(smallest)}`,
        met: (ours, peer) => ours <= GOAL * peer(named(smallest)),
      },
    );
  try {
    return [
      result('grant-growth', 'a grant', await measure(redis, granting)),
      result(
        'grant-growth-waiters',
        `a poll among ${WAITERS.toLocaleString('en')} waiters`,
        await measure(redis, polling),
      ),
    ];
  } finally {
    redis.disconnect();
    await server.stop();
  }
};
