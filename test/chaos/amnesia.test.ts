import { expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { LEARNING_MS, SLACK_MS, under } from '../support/disaster.ts';
import { eventually, pause } from '../support/eventually.ts';
import { FAIR, Fleet } from '../support/fleet.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const TIMEOUT_MS = 20_000;

/** A Redis of its own, which a test may flush, restart or stop. */
const withRedis = async (work: (redis: RedisServer) => Promise<void>): Promise<void> => {
  const redis = await startRedis({ own: true });
  try {
    await work(redis);
  } finally {
    await redis.stop();
  }
};

const flushAll = async ({ url }: RedisServer): Promise<void> => {
  const redis = new Redis(url);
  await redis.flushall();
  redis.disconnect();
};

/** Holders have brought back what they use, one look at the database told the rest, and nobody was refused. */
const expectRecovery = (fleet: Fleet): void => {
  expect(fleet.heard('leaseForgotten')).toContainEqual({ isKnownAgain: true });
  expect(fleet.heard('censusDone')).toContainEqual(expect.objectContaining({ foreign: 0 }));
  expect(fleet.verdict).toEqual(FAIR);
};

test.concurrent(
  'L13: after FLUSHALL under load connections in use stay in use, and everybody is served again after a census',
  () =>
    withRedis(async (redis) => {
      await using fleet = await Fleet.start({ capacity: 4, redisUrl: redis.url });
      const backMs = await under(fleet, () => flushAll(redis));
      expect(backMs).toBeLessThan(LEARNING_MS + SLACK_MS);
      expectRecovery(fleet);
      await fleet.close();
    }),
  TIMEOUT_MS,
);

test.concurrent(
  'L13: a Redis that was killed and came back empty learns the same way',
  () =>
    withRedis(async (redis) => {
      await using fleet = await Fleet.start({ capacity: 4, redisUrl: redis.url });
      const backMs = await under(fleet, () => redis.restart());
      expect(backMs).toBeLessThan(LEARNING_MS + SLACK_MS);
      expectRecovery(fleet);
      await fleet.close();
    }),
  TIMEOUT_MS,
);

test.concurrent(
  'L6: while Redis is silent beyond a protection nothing is sent unprotected; afterwards everything goes on',
  () =>
    withRedis(async (redis) => {
      const options = { capacity: 4, redisUrl: redis.url, registryTimeoutMs: 300 };
      await using fleet = await Fleet.start({ ...options, options: { idleMs: 10_000 } });
      const pool = fleet.pool({}, { database: true });
      await pool.use(async (client) => {
        await client.query('SELECT 1');
        redis.pause();
        await pause(1_100);
        const sent = fleet.databaseProxy.counters.bytesUp;
        await expect(client.query('SELECT 2')).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' });
        expect(fleet.databaseProxy.counters.bytesUp).toBe(sent);
        await pause(700);
        redis.resume();
        // Nobody has taken the lease meanwhile.
        await eventually(() => client.query('SELECT 3'));
      });
      await fleet.pool().use((client) => client.query('SELECT 1'));
      expect(fleet.heard('leaseLost')).toEqual([]);
      expect(fleet.verdict).toEqual(FAIR);
      await fleet.close();
    }),
  TIMEOUT_MS,
);
