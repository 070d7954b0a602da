import { Redis } from 'ioredis';
import { createPool, type Pool } from '../../lib/index.ts';
import { type InvocationContext, withLeases } from '../../lib/lambda/with-leases.ts';
import { lambdaRedisOptions, redisRegistry } from '../../lib/registry/redis/redis-registry.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { countedRegistry } from './counted-registry.ts';
import { engineClient } from './engine/client.ts';
import type { Environment } from './environment.ts';
import { FUNCTION_TIMEOUT_MS, type LeasePlan, type Plan, type RegistryAddress } from './plan.ts';
import type { TickCounter } from './tick.ts';

/** The same environment with leasehold: a pool in the module variable instead of a client. */
export class LeasedEnvironment implements Environment {
  readonly #redis: Redis | undefined;
  readonly #pool: Pool<unknown>;
  readonly #handler: (event: unknown, context: InvocationContext) => Promise<void>;

  /** `shared`: the registry of the whole process, where each environment has no Redis connection of its own. */
  constructor(plan: Plan, leases: LeasePlan, shared: Registry, counter: TickCounter) {
    const engine = engineClient(plan.engine);
    this.#redis = connectRedis(plan.registry);
    const { namespace } = plan.registry;
    const registry = this.#redis === undefined ? shared : redisRegistry(this.#redis, { namespace });
    this.#pool = createPool({
      ...leases,
      group: plan.process,
      registry: countedRegistry(registry, counter.callRegistry),
      driver: engine.driver(plan.database),
      env: { AWS_LAMBDA_FUNCTION_NAME: 'orders' },
    });
    this.#pool.events.on('connectionFailed', ({ failure }) => {
      if (failure === 'refused') counter.refuse();
    });
    this.#handler = withLeases(this.#pool, () =>
      this.#pool.use((client) => engine.placeOrder(client, plan.process)),
    );
  }

  async invoke(): Promise<void> {
    const startedAt = performance.now();
    const getRemainingTimeInMillis = (): number => FUNCTION_TIMEOUT_MS - (performance.now() - startedAt);
    await this.#handler({}, { getRemainingTimeInMillis });
  }

  async close(): Promise<void> {
    await this.#pool.close({ timeoutMs: 1_000 });
    this.#redis?.disconnect();
  }
}

const connectRedis = (address: RegistryAddress): Redis | undefined => {
  if (address.kind === 'memory') return undefined;
  const redis = new Redis(address.url, lambdaRedisOptions);
  // The registry's own calls fail and say so; the event alone would be printed.
  redis.on('error', () => undefined);
  return redis;
};
