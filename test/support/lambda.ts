import { randomUUID } from 'node:crypto';
import type { APIGatewayProxyEventV2, Context, ScheduledEvent } from 'aws-lambda';
import { Redis } from 'ioredis';
import pg from 'pg';
import { settingsOf } from '../../lib/core/config.ts';
import type { Driver } from '../../lib/driver/driver.ts';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { createPool, type Pool, type PoolOptions } from '../../lib/index.ts';
import { lambdaRedisOptions, redisRegistry } from '../../lib/registry/redis/redis-registry.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import type { PostgresRole } from './postgres.ts';
import { freshNamespace, freshRoleAndDatabase, postgresAdmin, redisUrl } from './servers.ts';

/** What Lambda hands to a handler; its time runs. */
export const lambdaContext = ({ timeoutMs = 30_000 }: { readonly timeoutMs?: number } = {}): Context => {
  const endsAt = performance.now() + timeoutMs;
  const requestId = randomUUID();
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: 'orders-api',
    functionVersion: '$LATEST',
    invokedFunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:orders-api',
    memoryLimitInMB: '256',
    awsRequestId: requestId,
    logGroupName: '/aws/lambda/orders-api',
    logStreamName: '2026/06/01/[$LATEST]0123456789abcdef',
    getRemainingTimeInMillis: () => Math.max(0, Math.round(endsAt - performance.now())),
    done: () => undefined,
    fail: () => undefined,
    succeed: () => undefined,
  };
};

/** The same, typed as a handler wants it that finds more on its context: a middleware puts it there. */
export const contextFor = <Handler extends (event: never, context: never) => unknown>(
  _handler: Handler,
  options?: { readonly timeoutMs?: number },
): Parameters<Handler>[1] => lambdaContext(options) as Parameters<Handler>[1];

export interface HttpRequest {
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
  readonly id?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** As long as a real one, and nobody's. */
const ACCOUNT = '0'.repeat(12);

/** An event of API Gateway's HTTP API, payload format 2.0. */
export const httpEvent = (
  routeKey: string,
  { body, isBase64Encoded, id, headers }: HttpRequest = {},
): APIGatewayProxyEventV2 => {
  const [method = 'GET', pattern = '/'] = routeKey.split(' ');
  const path = pattern.replace('{id}', id ?? '');
  return {
    version: '2.0',
    routeKey,
    rawPath: path,
    rawQueryString: '',
    headers: { 'content-type': 'application/json', host: 'api.example.com', ...headers },
    requestContext: {
      accountId: ACCOUNT,
      apiId: 'api',
      domainName: 'api.example.com',
      domainPrefix: 'api',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'test' },
      requestId: randomUUID(),
      routeKey,
      stage: '$default',
      time: '01/Jun/2026:00:00:00 +0000',
      timeEpoch: 1_780_272_000_000,
    },
    ...(body === undefined ? {} : { body }),
    ...(id === undefined ? {} : { pathParameters: { id } }),
    isBase64Encoded: isBase64Encoded ?? false,
  };
};

export const scheduledEvent = (): ScheduledEvent => ({
  version: '0',
  id: randomUUID(),
  'detail-type': 'Scheduled Event',
  source: 'aws.events',
  account: ACCOUNT,
  time: '2026-06-01T00:00:00Z',
  region: 'eu-central-1',
  resources: [`arn:aws:events:eu-central-1:${ACCOUNT}:rule/sweep`],
  detail: {},
});

type GivenOptions = Partial<Omit<PoolOptions<pg.Client>, 'registry'>>;

/** A database role of its own that refuses the (capacity + 1)-th connection, a registry of its own, and pools on both. */
export class LeasedWorld implements AsyncDisposable {
  readonly role: PostgresRole;
  readonly namespace = freshNamespace();
  readonly registry: Registry;
  /** Calls of the registry so far, by name. */
  readonly registryCalls: string[] = [];
  readonly capacity: number;
  readonly #redis = new Redis(redisUrl(), lambdaRedisOptions);
  readonly #pools: Pool<pg.Client>[] = [];

  private constructor(role: PostgresRole, capacity: number) {
    this.role = role;
    this.capacity = capacity;
    this.registry = counted(redisRegistry(this.#redis, { namespace: this.namespace }), this.registryCalls);
  }

  static async open(capacity: number): Promise<LeasedWorld> {
    return new LeasedWorld(await freshRoleAndDatabase(capacity), capacity);
  }

  #isToBeConfigured = true;

  driver(url: string = this.role.url): Driver<pg.Client> {
    return postgresDriver(pg, { connectionString: url });
  }

  /** The first pool's settings become the resource's. */
  async pool(options: GivenOptions = {}): Promise<Pool<pg.Client>> {
    const { capacity, registry } = this;
    const pool = createPool({ resource: 'orders', capacity, registry, driver: this.driver(), ...options });
    this.#pools.push(pool);
    if (this.#isToBeConfigured) await registry.configure('orders', settingsOf(pool.config), true);
    this.#isToBeConfigured = false;
    this.registryCalls.length = 0;
    return pool;
  }

  /** The database's own word on how many sessions the role has. */
  async sessions(): Promise<number> {
    const rows = await postgresAdmin().query<{ pid: number }>(
      'SELECT pid FROM pg_stat_activity WHERE usename = $1',
      [this.role.user],
    );
    return rows.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.close({ timeoutMs: 100 })));
    this.#redis.disconnect();
  }
}

const counted = (registry: Registry, calls: string[]): Registry =>
  new Proxy(registry, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        calls.push(String(name));
        return Reflect.apply(value, target, args);
      };
    },
  });
