import Bottleneck from 'bottleneck';
import type { Redis } from 'ioredis';
import { Semaphore } from 'redis-semaphore';

/** A limit on how much happens at once in a whole fleet, as one process of it sees it. */
export interface Limiter {
  /** Runs `work` as soon as the limit allows it. */
  use(work: () => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

export const SEMAPHORE = 'redis-semaphore';
export const BOTTLENECK = 'bottleneck';

const LONG_MS = 600_000;

/** With its own defaults, save for what would cost it time here: a timer that refreshes, and giving up. */
export const newSemaphore = (client: Redis, key: string, limit: number): Semaphore =>
  new Semaphore(client, key, limit, { lockTimeout: LONG_MS, acquireTimeout: LONG_MS, refreshInterval: 0 });

export const semaphoreLimiter = (client: Redis, key: string, limit: number): Limiter => {
  const semaphore = newSemaphore(client, key, limit);
  return {
    use: async (work) => {
      await semaphore.acquire();
      try {
        await work();
      } finally {
        await semaphore.release();
      }
    },
    close: async () => undefined,
  };
};

/** In its clustered mode, which makes a second connection of `client` to listen. */
export const bottleneckLimiter = async (client: Redis, id: string, limit: number): Promise<Limiter> => {
  const connection = new Bottleneck.IORedisConnection({ client });
  const limiter = new Bottleneck({ id, connection, maxConcurrent: limit });
  await limiter.ready();
  return {
    use: (work) => limiter.schedule(work),
    close: async () => {
      await limiter.disconnect(false);
      await connection.disconnect(false);
    },
  };
};
