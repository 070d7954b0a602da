import { type MariadbServer, startMariadb } from './mariadb.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { type RedisServer, startRedis } from './redis.ts';

/**
 * One Redis, one PostgreSQL and one MariaDB for a whole run. Jest may call its global hooks once per project that names them,
 * in module instances of their own: the servers hang on globalThis and are counted. Where there is no MariaDB, only the tests
 * that need it fail, with the reason.
 */
interface SharedServers {
  users: number;
  readonly started: Promise<Servers>;
}

type Servers = readonly [RedisServer, PostgresServer, MariadbServer | Error];

const KEY = Symbol.for('leasehold.test.servers');

const shared = (): SharedServers | undefined => Reflect.get(globalThis, KEY);

/** Not with the library's prefix: a function under test refuses variables that it does not know. */
export const REDIS_URL_VARIABLE = 'TEST_RUN_REDIS_URL';
export const POSTGRES_URL_VARIABLE = 'TEST_RUN_POSTGRES_URL';
export const MARIADB_URL_VARIABLE = 'TEST_RUN_MARIADB_URL';
/** Why there is none. */
export const MARIADB_REASON_VARIABLE = 'TEST_RUN_NO_MARIADB';

export const acquireServers = async (): Promise<void> => {
  const servers: SharedServers = shared() ?? { users: 0, started: startAll() };
  Reflect.set(globalThis, KEY, servers);
  servers.users += 1;
  const [redis, postgres, mariadb] = await servers.started;
  process.env[REDIS_URL_VARIABLE] = redis.url;
  process.env[POSTGRES_URL_VARIABLE] = postgres.adminUrl;
  if ('adminUrl' in mariadb) process.env[MARIADB_URL_VARIABLE] = mariadb.adminUrl;
  else process.env[MARIADB_REASON_VARIABLE] = mariadb.message;
};

/** All, or none and the first reason. */
const startAll = async (): Promise<Servers> => {
  const started = [startRedis(), startPostgres(), startMariadb().catch(asError)] as const;
  try {
    return await Promise.all(started);
  } catch (error) {
    const settled = await Promise.allSettled(started);
    await Promise.all(settled.map((each) => (each.status === 'fulfilled' ? stop(each.value) : undefined)));
    throw error;
  }
};

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

const stop = async (server: Servers[number]): Promise<void> => {
  if ('stop' in server) await server.stop();
};

export const releaseServers = async (): Promise<void> => {
  const servers = shared();
  if (!servers) return;
  servers.users -= 1;
  if (servers.users > 0) return;
  Reflect.deleteProperty(globalThis, KEY);
  await Promise.all((await servers.started).map(stop));
};
