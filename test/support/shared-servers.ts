import { type PostgresServer, startPostgres } from './postgres.ts';
import { type RedisServer, startRedis } from './redis.ts';

/**
 * One Redis and one PostgreSQL for a whole run. Jest may call its global hooks once per project that names them, in module
 * instances of their own: the servers hang on globalThis and are counted.
 */
interface SharedServers {
  users: number;
  readonly started: Promise<readonly [RedisServer, PostgresServer]>;
}

const KEY = Symbol.for('leasehold.test.servers');

const shared = (): SharedServers | undefined => Reflect.get(globalThis, KEY);

/** Not with the library's prefix: a function under test refuses variables that it does not know. */
export const REDIS_URL_VARIABLE = 'TEST_RUN_REDIS_URL';
export const POSTGRES_URL_VARIABLE = 'TEST_RUN_POSTGRES_URL';

export const acquireServers = async (): Promise<void> => {
  const servers: SharedServers = shared() ?? { users: 0, started: startBoth() };
  Reflect.set(globalThis, KEY, servers);
  servers.users += 1;
  const [redis, postgres] = await servers.started;
  process.env[REDIS_URL_VARIABLE] = redis.url;
  process.env[POSTGRES_URL_VARIABLE] = postgres.adminUrl;
};

const startBoth = async (): Promise<readonly [RedisServer, PostgresServer]> => {
  const [redis, postgres] = await Promise.allSettled([startRedis(), startPostgres()]);
  if (redis.status === 'fulfilled' && postgres.status === 'fulfilled') return [redis.value, postgres.value];
  if (redis.status === 'fulfilled') await redis.value.stop();
  if (postgres.status === 'fulfilled') await postgres.value.stop();
  throw redis.status === 'rejected' ? redis.reason : (postgres as PromiseRejectedResult).reason;
};

export const releaseServers = async (): Promise<void> => {
  const servers = shared();
  if (!servers) return;
  servers.users -= 1;
  if (servers.users > 0) return;
  Reflect.deleteProperty(globalThis, KEY);
  await Promise.all((await servers.started).map((server) => server.stop()));
};
