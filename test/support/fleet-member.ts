import { Cluster, Redis } from 'ioredis';
import pg from 'pg';
import type { ConfigInput } from '../../lib/core/config.ts';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { createPool, type Pool } from '../../lib/index.ts';
import {
  lambdaClusterOptions,
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
  /** Through Sentinel, or into a cluster, instead. */
  readonly redisWay?: RedisWay | undefined;
  readonly namespace: string;
  /** Bound of one registry call, in ms. */
  readonly registryTimeoutMs: number;
  readonly database: pg.ClientConfig;
  readonly options: ConfigInput;
}

/** How else than by its address Redis is reached. */
export type RedisWay =
  | SentinelWay
  | { readonly nodes: readonly { readonly host: string; readonly port: number }[] };

const connect = (url: string, way?: RedisWay): Redis | Cluster => {
  if (way === undefined) return new Redis(url, lambdaRedisOptions);
  if ('nodes' in way) return new Cluster([...way.nodes], lambdaClusterOptions);
  return new Redis({ ...lambdaRedisOptions, ...way });
};

/** One process of a fleet: a Redis connection, a registry over it, and pools that share them. */
export class Member {
  readonly redis: Redis | Cluster;
  readonly registry: Registry;
  readonly #settings: MemberSettings;

  constructor(settings: MemberSettings, more: RedisRegistryOptions = {}) {
    this.#settings = settings;
    this.redis = connect(settings.redisUrl, settings.redisWay);
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
