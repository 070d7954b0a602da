import type { Logger } from '@aws-lambda-powertools/logger';
import { Cluster, Redis } from 'ioredis';
import {
  elastiCacheNodeOptions,
  elastiCacheOptions,
  keepAuthenticated,
  lambdaClusterOptions,
  lambdaRedisOptions,
} from '../lib/registry/redis/redis-registry.ts';
import { cacheToken } from './cache-token.ts';
import type { RedisSettings } from './settings.ts';

export interface RedisClient {
  readonly client: Redis | Cluster;
  close(): void;
}

const DEFAULT_PORT = 6_379;

/** Nothing is connected before the first command. */
export const openRedis = (settings: RedisSettings, logger: Logger): RedisClient => {
  const { iam } = settings;
  const access = iam && { username: iam.user, token: cacheToken(iam) };
  const client = makeClient(settings, access);
  // ioredis writes to the console what nobody listens for. The commands fail by themselves.
  client.on('error', (error: Error) => logger.debug('Redis connection', { reason: error.message }));
  const keeping = access && keepAuthenticated(client, access);
  const close = (): void => {
    keeping?.[Symbol.dispose]();
    client.disconnect();
  };
  return { client, close };
};

type Access = { readonly username: string; readonly token: () => Promise<string> };

const makeClient = ({ url, isCluster }: RedisSettings, access: Access | undefined): Redis | Cluster => {
  if (!isCluster && access === undefined) return new Redis(url, lambdaRedisOptions);
  const { hostname: host, port, protocol, username, password } = new URL(url);
  const node = { host, port: Number(port || DEFAULT_PORT) };
  if (!isCluster) return new Redis({ ...node, ...elastiCacheNodeOptions(access) });
  const login = access ?? {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
  };
  if (protocol === 'rediss:') return new Cluster([node], elastiCacheOptions(login));
  const redisOptions = elastiCacheNodeOptions({ ...login, tls: false });
  return new Cluster([node], { ...lambdaClusterOptions, redisOptions });
};
