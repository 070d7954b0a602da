import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';
import type pg from 'pg';
import type { Environment } from '../lib/core/environment.ts';
import type { Driver } from '../lib/driver/driver.ts';
import { createPool, type Pool } from '../lib/index.ts';
import { memoryRegistry } from '../lib/registry/memory.ts';
import { redisRegistry } from '../lib/registry/redis/redis-registry.ts';
import type { Registry } from '../lib/registry/registry.ts';
import { openDatabase } from './database.ts';
import { openRedis } from './redis-client.ts';
import { type FunctionSettings, readSettings } from './settings.ts';

/** Everything that a function is made of. Nothing of it has connected anywhere. */
export interface Wiring {
  readonly env: Environment;
  readonly settings: FunctionSettings;
  readonly registry: Registry;
  readonly driver: Driver<pg.Client>;
  readonly pool: Pool<pg.Client>;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** For tests and other processes that end in good order. */
  close(): Promise<void>;
}

/** @throws LeaseholdError CONFIG_INVALID with every problem of the environment at once. */
export const wire = (env: Environment): Wiring => {
  const settings = readSettings(env);
  const serviceName = env['POWERTOOLS_SERVICE_NAME'] ?? 'leasehold';
  const logger = new Logger({ serviceName });
  const metrics = new Metrics({ serviceName, namespace: env['POWERTOOLS_METRICS_NAMESPACE'] ?? 'leasehold' });
  const driver = openDatabase(settings.database);
  const { registry, disconnect } = openRegistry(settings, logger);
  const pool = createPool({ registry, driver, env, logger });
  const close = async (): Promise<void> => {
    await pool.close();
    disconnect();
  };
  return { env, settings, registry, driver, pool, logger, metrics, close };
};

let wired: Wiring | undefined;

/** The wiring of this module instance, made at the first call: a snapshot of a loaded module is restored many times. */
export const wiring = (): Wiring => {
  wired ??= wire(process.env);
  return wired;
};

const openRegistry = ({ redis, namespace }: FunctionSettings, logger: Logger) => {
  const options = namespace === undefined ? {} : { namespace };
  if (redis === undefined) {
    logger.warn('No REDIS_URL: leases are kept in memory, and the capacity holds for this process alone.');
    return { registry: memoryRegistry(options), disconnect: () => undefined };
  }
  const { client, close } = openRedis(redis, logger);
  // Behind the endpoint of a serverless cache any server may answer.
  const watchPrimary = redis.iam?.isServerless !== true;
  return { registry: redisRegistry(client, { ...options, watchPrimary }), disconnect: close };
};
