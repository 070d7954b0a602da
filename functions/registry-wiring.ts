import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';
import type { Config } from '../lib/core/config.ts';
import type { Environment } from '../lib/core/environment.ts';
import { memoryRegistry } from '../lib/registry/memory.ts';
import { redisRegistry } from '../lib/registry/redis/redis-registry.ts';
import type { Registry } from '../lib/registry/registry.ts';
import { openRedis } from './redis-client.ts';
import { type RegistrySettings, readRegistrySettings } from './settings.ts';

/** What a function is made of that asks the registry alone. Nothing of it has connected anywhere. */
export interface RegistryWiring {
  readonly env: Environment;
  readonly config: Config;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** For tests and other processes that end in good order. */
  close(): Promise<void>;
}

/** @throws LeaseholdError CONFIG_INVALID with every problem of the environment at once. */
export const wireRegistry = (env: Environment, settings = readRegistrySettings(env)): RegistryWiring => {
  const serviceName = env['POWERTOOLS_SERVICE_NAME'] ?? 'leasehold';
  const logger = new Logger({ serviceName });
  const metrics = new Metrics({ serviceName, namespace: env['POWERTOOLS_METRICS_NAMESPACE'] ?? 'leasehold' });
  const { registry, disconnect } = openRegistry(settings, logger);
  return { env, config: settings.config, registry, logger, metrics, close: async () => disconnect() };
};

const openRegistry = ({ redis, namespace }: RegistrySettings, logger: Logger) => {
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

let wired: RegistryWiring | undefined;

/** The wiring of this module instance, made at the first call. */
export const registryWiring = (): RegistryWiring => {
  wired ??= wireRegistry(process.env);
  return wired;
};
