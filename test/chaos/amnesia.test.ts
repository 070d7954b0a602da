import { expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { LONG_IDLE, QUIET_MS, SLACK_MS, under } from '../support/disaster.ts';
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

test.concurrent(
  'L13: after FLUSHALL under load holders bring back what is open, nothing is granted before a census, and service is back after the quiet time',
  () =>
    withRedis(async (redis) => {
      await using fleet = await Fleet.start({ capacity: 4, redisUrl: redis.url, options: LONG_IDLE });
      // One always has a statement that runs for a while; the others may be between two uses just then.
      const busy = fleet.pool({ max: 1 });
      let isOver = false;
      const work = async (): Promise<void> => {
        while (!isOver)
          await busy.use((client) => client.query('SELECT pg_sleep(0.3)')).catch(() => undefined);
      };
      const done = work();
      const backMs = await under(fleet, () => flushAll(redis));
      isOver = true;
      await done;

      expect(fleet.heard('leaseForgotten')).toContainEqual({ isKnownAgain: true });
      expect(fleet.heard('waiting')).toContainEqual(expect.objectContaining({ because: 'LEARNING' }));
      expect(fleet.heard('censusDone')).not.toEqual([]);
      expect(backMs).toBeGreaterThan(QUIET_MS - 100);
      expect(backMs).toBeLessThan(QUIET_MS + SLACK_MS);
      expect(fleet.verdict).toEqual(FAIR);
      await fleet.close();
    }),
  TIMEOUT_MS,
);

test.concurrent(
  'L13: a Redis that was killed and came back empty is learning too',
  () =>
    withRedis(async (redis) => {
      await using fleet = await Fleet.start({ capacity: 4, redisUrl: redis.url, options: LONG_IDLE });
      const backMs = await under(fleet, () => redis.restart());

      expect(fleet.heard('waiting')).toContainEqual(expect.objectContaining({ because: 'LEARNING' }));
      expect(fleet.heard('censusDone')).not.toEqual([]);
      expect(backMs).toBeGreaterThan(QUIET_MS - 100);
      expect(backMs).toBeLessThan(QUIET_MS + SLACK_MS);
      expect(fleet.verdict).toEqual(FAIR);
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
