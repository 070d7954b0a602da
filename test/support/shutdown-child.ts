/**
 * A process that borrows a connection, and closes its pool on SIGTERM. It says on its output, a word a line, how far it has
 * come; its settings come in one variable.
 */
import { Worker } from 'node:worker_threads';
import { Redis } from 'ioredis';
import pg from 'pg';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { createPool } from '../../lib/index.ts';
import { closeOnShutdown } from '../../lib/lambda/shutdown.ts';
import { lambdaRedisOptions, redisRegistry } from '../../lib/registry/redis/redis-registry.ts';

export interface ShutdownSettings {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly namespace: string;
  readonly resource: string;
  readonly capacity: number;
  /** What is running when it says `ready`; without one its connection is idle. */
  readonly statement?: string;
  /** What the process does besides: another listener, several closers, none any more, all of it in a worker. */
  readonly act?: 'listens' | 'listens once' | 'closes twice' | 'disposed' | 'a facade' | 'in a worker';
  /** It has nothing more to do: it closes its pool itself. */
  readonly ends?: boolean;
}

const say = (word: string): void => void process.stdout.write(`${word}\n`);

const { statement, act, ends, ...settings } = JSON.parse(
  process.env['LEASEHOLD_SHUTDOWN'] ?? '',
) as ShutdownSettings;
const { redisUrl, databaseUrl, namespace, resource, capacity } = settings;

if (act === 'in a worker') {
  const env = { ...process.env, LEASEHOLD_SHUTDOWN: JSON.stringify({ ...settings, statement }) };
  new Worker(new URL(import.meta.url), { env });
} else {
  await run();
}

async function run(): Promise<void> {
  const redis = new Redis(redisUrl, lambdaRedisOptions);
  const pool = createPool({
    resource,
    capacity,
    registry: redisRegistry(redis, { namespace }),
    driver: postgresDriver(pg, { connectionString: databaseUrl }),
  });
  await pool.use((client) => client.query('SELECT 1'));

  const onError = (error: Error): void => say(`error ${error.message}`);
  const options = { env: process.env, onError };
  if (act === 'listens') process.on('SIGTERM', () => setTimeout(() => process.exit(7), 600));
  if (act === 'listens once') process.once('SIGTERM', () => setTimeout(() => process.exit(7), 600));
  const shutdown = closeOnShutdown(act === 'a facade' ? [{ leases: pool }] : pool, options);
  say(`registered ${await shutdown.registered}`);
  if (act === 'closes twice') say(`registered ${await closeOnShutdown([pool], options).registered}`);
  if (act === 'disposed') shutdown[Symbol.dispose]();

  if (statement !== undefined) void pool.use((client) => client.query(statement)).then(done, failed);
  if (ends) {
    await pool.close();
    redis.disconnect();
  }
  say('ready');
}

function done(): void {
  say('done');
}

function failed(error: unknown): void {
  say(`failed ${String(Reflect.get(Object(error), 'code'))}`);
}
