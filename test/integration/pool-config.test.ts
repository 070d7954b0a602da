import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import pg from 'pg';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { createPool, isLeaseholdError, type LeaseholdError } from '../../lib/index.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import { lambdaRedisOptions, redisRegistry } from '../../lib/registry/redis/redis-registry.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { freePort } from '../support/kept-process.ts';
import { startRedis } from '../support/redis.ts';
import { freshNamespace, freshRole, redisUrl } from '../support/servers.ts';

const SECRET = ['s3cr', 'et-w0rd'].join('');
const BOUND_MS = 1_500;

const driverTo = (url: string) => postgresDriver(pg, { connectionString: url });
const aDriver = driverTo('postgresql://127.0.0.1:1/nowhere');

const caughtFrom = (build: () => unknown): LeaseholdError => {
  try {
    build();
  } catch (error) {
    if (isLeaseholdError(error)) return error;
    throw error;
  }
  throw new Error('Nothing was thrown.');
};

const problemsOf = (options: Readonly<Record<string, unknown>>): readonly string[] => {
  const error = caughtFrom(() => createPool(options as never));
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', retryable: false, statusCode: 500 });
  const problems = error.details['problems'] as string[];
  for (const problem of problems) expect(error.message).toContain(problem);
  return problems;
};

const GOOD = { resource: 'orders', capacity: 10, registry: memoryRegistry(), driver: aDriver };

test.each([
  ['an unknown key', { protectMS: 5_000 }, /^protectMS: no such option; did you mean protectMs\?$/],
  ['capacity 0', { capacity: 0 }, /^capacity: 0 is not a whole number/],
  ['a protection that is too long', { protectMs: 60_001 }, /^protectMs: 60001 is not .* to 60000$/],
  [
    'a connect timeout of half the protection',
    { protectMs: 4_000, connectTimeoutMs: 2_000 },
    /^connectTimeoutMs: 2000 is not below half/,
  ],
  ['a wrong resource name', { resource: 'My Orders' }, /^resource: "My Orders" is not/],
  ['no registry', { registry: undefined }, /^registry: is missing/],
  ['no driver', { driver: undefined }, /^driver: is missing/],
  ['a Redis client in the place of the registry', { registry: {} }, /^registry: is missing or is none/],
])('%s is one clear error', (_what, wrong, right) => {
  expect(problemsOf({ ...GOOD, ...wrong })).toEqual([expect.stringMatching(right)]);
});

test('every problem of a configuration is in one error', () => {
  const wrong = { resource: 'My Orders', capacity: 0, protectMs: 99_999, colour: 'red' };
  expect(problemsOf(wrong)).toHaveLength(6);
});

test('a wrong setting never repeats what may be a secret', () => {
  const wrong = `postgresql://me:${SECRET}@db/orders`;
  const error = caughtFrom(() => createPool({ ...GOOD, resource: wrong }));
  expectNoSecret([error], SECRET);
  const malformed = `postgresql://me:${SECRET}@db:port/orders`;
  expectNoSecret([caughtFrom(() => driverTo(malformed))], SECRET);
});

const role = await freshRole(2);

/** The error of a first use, and everything a pool tells while it fails. */
const failure = async (
  registry: Registry,
  url: string,
): Promise<{ error: LeaseholdError; told: unknown[] }> => {
  const options = { resource: 'orders', capacity: 2, protectMs: 1_000, idleMs: 1_000, acquireTimeoutMs: 600 };
  await using pool = createPool({ ...options, registry, driver: driverTo(url) });
  await registry.configure('orders', pool.config as never, true).catch(() => undefined);
  const told: unknown[] = [];
  pool.events.onAny((name, event) => told.push({ name, event }));
  const start = performance.now();
  const error: unknown = await pool.use(() => 'served').catch((thrown: unknown) => thrown);
  expect(performance.now() - start).toBeLessThan(BOUND_MS);
  if (!isLeaseholdError(error)) throw new Error(`Not an error of ours: ${inspect(error)}`);
  return { error, told };
};

/** Loggers print and serialise whatever they find, hidden properties and causes included. */
const expectNoSecret = (told: readonly unknown[], ...secrets: readonly string[]): void => {
  for (const one of told) {
    const shown = inspect(one, { depth: 9, showHidden: true, getters: true }) + JSON.stringify(one);
    for (const secret of secrets) expect(shown).not.toContain(secret);
  }
};

const withRedis = async <T>(url: string, work: (registry: Registry) => Promise<T>): Promise<T> => {
  const redis = new Redis(url, lambdaRedisOptions);
  redis.on('error', () => undefined);
  try {
    return await work(redisRegistry(redis, { namespace: freshNamespace(), timeoutMs: 300 }));
  } finally {
    redis.disconnect();
  }
};

test('an unreachable Redis is one clear error, in time, without secrets', async () => {
  const url = `redis://me:${SECRET}@127.0.0.1:${await freePort()}`;
  const { error, told } = await withRedis(url, (registry) => failure(registry, role.url));
  expect(error).toMatchObject({ code: 'REGISTRY_UNREACHABLE', retryable: true, statusCode: 503 });
  expect(error.message).toContain('the lease registry');
  expectNoSecret([error, ...told], SECRET, role.password);
});

test('a Redis URL that leads nowhere is one clear error, in time, without secrets', async () => {
  const url = `redis://me:${SECRET}@no-such-host.invalid:6379`;
  const { error, told } = await withRedis(url, (registry) => failure(registry, role.url));
  expect(error).toMatchObject({ code: 'REGISTRY_UNREACHABLE', retryable: true });
  expectNoSecret([error, ...told], SECRET, role.password);
});

test('a wrong Redis password is one clear error that no retry mends, without secrets', async () => {
  const server = await startRedis({ args: ['--requirepass', 'another-one'] });
  try {
    const url = `redis://:${SECRET}@${server.host}:${server.port}`;
    const { error, told } = await withRedis(url, (registry) => failure(registry, role.url));
    expect(error).toMatchObject({ code: 'REGISTRY_UNREACHABLE', retryable: false, statusCode: 500 });
    expectNoSecret([error, ...told], SECRET, role.password);
  } finally {
    await server.stop();
  }
});

test.each([
  ['an unreachable database', async () => withUrl({ port: String(await freePort()) }), true, 'unreachable'],
  ['a wrong database password', async () => withUrl({ password: SECRET }), false, 'auth'],
  ['an unknown database', async () => withUrl({ pathname: '/no-such-database' }), false, 'rejected'],
])('%s is one clear error, in time, without secrets', async (_what, url, retryable, reason) => {
  const wrong = await url();
  const { error, told } = await withRedis(redisUrl(), (registry) => failure(registry, wrong));
  expect(error).toMatchObject({ code: 'CONNECT_FAILED', retryable, details: { failure: reason } });
  expect(error.message).toContain('127.0.0.1');
  expectNoSecret([error, ...told], SECRET, role.password);
});

const withUrl = (parts: Partial<Pick<URL, 'port' | 'password' | 'pathname'>>): string =>
  Object.assign(new URL(role.url), parts).href;
