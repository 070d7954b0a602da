import type { RedisOptions, SentinelAddress } from 'ioredis';
import { configError } from '../../core/config.ts';
import { type LoginOptions, tokenLogin } from './token-login.ts';

/**
 * ioredis options that suit a frozen and thawed process, without the commands that serverless Redis services refuse. A lost
 * reply is then one failed call, not a command sent twice, and a dead socket is replaced at once. For Redis and Valkey by
 * themselves, and for services that speak their protocol over TCP: `new Redis('rediss://…', lambdaRedisOptions)`.
 */
export const lambdaRedisOptions = {
  lazyConnect: true,
  maxRetriesPerRequest: 0,
  enableReadyCheck: false,
  disableClientInfo: true,
  connectTimeout: 1_000,
  retryStrategy: (attempt: number): number => (attempt <= 1 ? 0 : Math.min(50 * attempt, 1_000)),
} as const;

/** The same for `new Cluster(nodes, lambdaClusterOptions)`. What ioredis repeats by itself while a slot moves is over within a third of a second. */
export const lambdaClusterOptions = {
  lazyConnect: true,
  enableReadyCheck: false,
  redisOptions: lambdaRedisOptions,
  clusterRetryStrategy: lambdaRedisOptions.retryStrategy,
  retryDelayOnFailover: 0,
  retryDelayOnTryAgain: 20,
  retryDelayOnClusterDown: 20,
} as const;

/**
 * `lambdaRedisOptions` through Sentinel: `new Redis(sentinelOptions('mymaster', sentinels))`. A planned failover leaves the old
 * primary writable for ten seconds; `failoverDetector` makes ioredis leave it at once.
 */
export const sentinelOptions = (name: string, sentinels: Partial<SentinelAddress>[]) => ({
  ...lambdaRedisOptions,
  ...{ name, sentinels, role: 'master' as const, failoverDetector: true },
  sentinelRetryStrategy: lambdaRedisOptions.retryStrategy,
});

/** How to log in. Neither: with no user at all, where the service allows that. */
export interface ElastiCacheAccess {
  readonly username?: string;
  /** A user's own password. */
  readonly password?: string;
  /** Makes an IAM token; called before each connect, because one is good for 15 minutes only. Needs `username`. */
  readonly token?: () => Promise<string>;
  /** What Node's `tls.connect` takes beyond the defaults; `false`: no TLS, for a test. */
  readonly tls?: NonNullable<RedisOptions['tls']> | false;
}

/**
 * Options of `new Redis({ host, port: 6379, ...elastiCacheNodeOptions(access) })` for ElastiCache with cluster mode disabled: TLS,
 * and IAM tokens if wanted. With those, see `keepAuthenticated` for the cut after 12 hours.
 *
 * @throws LeaseholdError CONFIG_INVALID.
 */
export const elastiCacheNodeOptions = (access: ElastiCacheAccess = {}) => ({
  ...lambdaRedisOptions,
  ...(access.tls === false ? {} : { tls: access.tls ?? {} }),
  ...loginOf(access),
});

/**
 * Options of `new Cluster([{ host, port: 6379 }], elastiCacheOptions(access))` for ElastiCache Serverless, ElastiCache in cluster
 * mode, and MemoryDB: the same, with host names kept as they are, because the certificate is for them.
 *
 * @throws LeaseholdError CONFIG_INVALID.
 */
export const elastiCacheOptions = (access: ElastiCacheAccess = {}) => ({
  ...lambdaClusterOptions,
  dnsLookup: (address: string, callback: (error: null, address: string) => void): void =>
    callback(null, address),
  redisOptions: elastiCacheNodeOptions(access),
});

const loginOf = ({ username, password, token }: ElastiCacheAccess): LoginOptions => {
  const problems = [
    ...(token !== undefined && username === undefined
      ? ['username: is missing; an IAM token is for a user']
      : []),
    ...(token !== undefined && password !== undefined
      ? ['password: is given beside token; give one of them']
      : []),
  ];
  if (problems.length > 0) throw configError(problems);
  if (token !== undefined && username !== undefined) return tokenLogin(username, token);
  return { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
};
