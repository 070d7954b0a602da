import { Redis } from 'ioredis';
import { systemClock } from '../../lib/core/clock.ts';
import { parseConfig } from '../../lib/core/config.ts';
import { Events } from '../../lib/core/events.ts';
import { systemRandom } from '../../lib/core/random.ts';
import { Background } from '../../lib/pool/background.ts';
import { Farewells } from '../../lib/pool/farewells.ts';
import { Holder } from '../../lib/pool/holder.ts';
import { LeaseRequest } from '../../lib/pool/lease-request.ts';
import { Wakes } from '../../lib/pool/wakes.ts';
import { redisRegistry } from '../../lib/registry/redis/redis-registry.ts';
import { startRedis } from '../support/redis.ts';
import { idealWaits, type Round, runRound } from './crowd.ts';
import { type Goal, median, OURS, quantile, type Result, toResult } from './measure.ts';
import { BOTTLENECK, bottleneckLimiter, type Limiter, SEMAPHORE, semaphoreLimiter } from './peers.ts';

const CALLERS = 200;
const LEASES = 20;
const HOLD_MS = 5;
const ROUND_MS = 2_000;
const ROUNDS = 5;
const WARM_UP_ROUNDS = 1;
/** All callers share one process here: what is slow is that, and no reason to ask again. */
const TIMEOUT_MS = 30_000;
const IDEAL = 'ideal queue';

/** One environment that asks and waits as a pool does, and gives back what it was granted. */
const leaseLimiter = async (client: Redis, resource: string): Promise<Limiter> => {
  const options = { resource, capacity: LEASES, headroom: 0 };
  const registry = redisRegistry(client, { namespace: 'bench', timeoutMs: TIMEOUT_MS });
  const holder = new Holder(parseConfig(options, []), registry, systemClock, systemRandom, new Events());
  // A new resource would first learn.
  await registry.configure(resource, holder.settings, true);
  const farewells = new Farewells(holder, new Background(systemClock, () => undefined));
  const wakes = new Wakes(holder);
  const { signal } = new AbortController();
  const patience = {
    signal,
    remainingMs: () => 60_000,
    note: () => undefined,
    giveUpBefore: () => undefined,
  };
  return {
    use: async (work) => {
      const answer = await new LeaseRequest(holder, farewells, wakes, patience).run();
      if (answer === undefined) throw new Error('nobody called the request off');
      await work();
      await registry.release(resource, holder.id, [{ ...answer.lease.ref, outcome: 'closed' }]);
    },
    close: async () => wakes.stop(),
  };
};

/** Counts every command that the client sends. */
const countCommands = (client: Redis, count: () => void): void => {
  const send = client.sendCommand.bind(client);
  client.sendCommand = (command, stream) => {
    count();
    return send(command, stream);
  };
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** 1: everybody got the same; 1/n: one got all. */
const jain = (counts: readonly number[]): number =>
  sum(counts) ** 2 / (counts.length * sum(counts.map((value) => value ** 2)));

interface Figure extends Goal {
  readonly of: (round: Round) => number;
}

const FIGURES: readonly Figure[] = [
  {
    name: 'handoff',
    unit: 'ms p99 wait',
    better: 'less',
    of: ({ waits }) => quantile(waits, 0.99),
    goal: "at most 1.3 times the ideal queue's",
    met: (ours, peer) => ours <= 1.3 * peer(IDEAL),
  },
  { name: 'handoff-p50', unit: 'ms p50 wait', better: 'less', of: ({ waits }) => median(waits) },
  {
    name: 'handoff-longest',
    unit: 'x mean wait',
    better: 'less',
    of: ({ waits }) => Math.max(...waits) / (sum(waits) / waits.length),
  },
  {
    name: 'handoff-fairness',
    unit: 'Jain index',
    better: 'more',
    of: ({ counts }) => jain(counts),
    goal: 'at least 0.99',
    met: (ours) => ours >= 0.99,
  },
  {
    name: 'handoff-idle',
    unit: '% of capacity idle',
    better: 'less',
    of: ({ heldMs, lastedMs }) => 100 * (1 - heldMs / (LEASES * lastedMs)),
  },
  {
    name: 'handoff-operations',
    unit: 'commands a grant',
    better: 'less',
    of: ({ counts, commands }) => commands / sum(counts),
    goal: 'at most 3',
    met: (ours) => ours <= 3,
  },
  {
    name: 'handoff-throughput',
    unit: 'grants a second',
    better: 'more',
    of: ({ counts, lastedMs }) => (sum(counts) * 1_000) / lastedMs,
    goal: `not below ${SEMAPHORE}'s`,
    met: (ours, peer) => ours >= peer(SEMAPHORE),
  },
];

const summarize = (rounds: ReadonlyMap<string, readonly Round[]>): Result[] =>
  FIGURES.map(({ of, ...goal }) => {
    const values = new Map([...rounds].map(([side, all]) => [side, median(all.map(of))]));
    const waits = idealWaits(CALLERS, LEASES, HOLD_MS, ROUND_MS);
    if (goal.name === 'handoff') values.set(IDEAL, quantile(waits, 0.99));
    if (goal.name === 'handoff-p50') values.set(IDEAL, median(waits));
    return toResult(values, goal);
  });

/** Makes one caller of a fleet, with a Redis connection of its own; what one fleet left behind must not be in the way of the next. */
type Make = (client: Redis, fleet: string) => Limiter | Promise<Limiter>;

/** Many callers that all want one of few leases, again and again for a moment. */
export const handoff = async (): Promise<Result[]> => {
  const server = await startRedis();
  const sides: readonly (readonly [string, Make])[] = [
    [OURS, leaseLimiter],
    [SEMAPHORE, (client, fleet) => semaphoreLimiter(client, fleet, LEASES)],
    [BOTTLENECK, (client, fleet) => bottleneckLimiter(client, fleet, LEASES)],
  ];
  try {
    const rounds = new Map<string, Round[]>(sides.map(([name]) => [name, []]));
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      for (const [name, make] of sides) {
        const done = await oneRound(server.url, (client) =>
          make(client, `${server.namespace}-${round + WARM_UP_ROUNDS}`),
        );
        if (round >= 0) rounds.get(name)?.push(done);
      }
    }
    return summarize(rounds);
  } finally {
    await server.stop();
  }
};

const oneRound = async (url: string, make: (client: Redis) => Limiter | Promise<Limiter>): Promise<Round> => {
  const clients = Array.from({ length: CALLERS }, () => new Redis(url));
  await Promise.all(clients.map((client) => client.ping()));
  const limiters = await Promise.all(clients.map(make));
  let commands = 0;
  for (const client of clients) {
    countCommands(client, () => {
      commands += 1;
    });
  }
  try {
    return await runRound(limiters, HOLD_MS, ROUND_MS, () => commands);
  } finally {
    await Promise.all(limiters.map((limiter) => limiter.close()));
    for (const client of clients) client.disconnect();
  }
};
