import { Redis } from 'ioredis';
import pg from 'pg';
import type { ConfigInput } from '../../lib/core/config.ts';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { createPool, type Pool } from '../../lib/index.ts';
import {
  lambdaRedisOptions,
  type RedisRegistryOptions,
  redisRegistry,
} from '../../lib/registry/redis/redis-registry.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import type { SentinelWay } from './redis-replicas.ts';

export type FleetPool = Pool<pg.Client>;

/** What one process of a fleet needs to know; plain data, so that it can be handed to a child process. */
export interface MemberSettings {
  readonly redisUrl: string;
  /** Asks Sentinel for the primary instead. */
  readonly redisWay?: SentinelWay | undefined;
  readonly namespace: string;
  /** Bound of one registry call, in ms. */
  readonly registryTimeoutMs: number;
  readonly database: pg.ClientConfig;
  readonly options: ConfigInput;
}

/** One process of a fleet: a Redis connection, a registry over it, and pools that share them. */
export class Member {
  readonly redis: Redis;
  readonly registry: Registry;
  readonly #settings: MemberSettings;

  constructor(settings: MemberSettings, more: RedisRegistryOptions = {}) {
    this.#settings = settings;
    const { redisUrl, redisWay } = settings;
    this.redis = redisWay
      ? new Redis({ ...lambdaRedisOptions, ...redisWay })
      : new Redis(redisUrl, lambdaRedisOptions);
    this.redis.on('error', () => undefined);
    this.registry = redisRegistry(this.redis, {
      namespace: settings.namespace,
      timeoutMs: settings.registryTimeoutMs,
      ...more,
    });
  }

  pool(options: Partial<ConfigInput> = {}, registry: Registry = this.registry): FleetPool {
    const { database } = this.#settings;
    const driver = postgresDriver(pg, database);
    return createPool({ ...this.#settings.options, ...options, registry, driver });
  }

  leave(): void {
    this.redis.disconnect();
  }
}
