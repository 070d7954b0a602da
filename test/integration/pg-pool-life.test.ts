import { inspect } from 'node:util';
import { isNativeError } from 'node:util/types';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import pg from 'pg';
import { type LeasedPgPool, type LeasedPgPoolConfig, leasedPgPool } from '../../lib/facade/pg-pool.ts';
import { isLeaseholdError, LeaseholdError } from '../../lib/index.ts';
import { leasehold } from '../../lib/lambda/middleware.ts';
import { withLeases } from '../../lib/lambda/with-leases.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/kept-process.ts';
import { contextFor, LeasedWorld, lambdaContext } from '../support/lambda.ts';
import { PgPools } from '../support/pg-pools.ts';

let pools: PgPools;

beforeEach(async () => {
  pools = await PgPools.open(4);
});

afterEach(async () => {
  await pools[Symbol.asyncDispose]();
});

type PgError = Error & { readonly code?: string; readonly cause?: unknown };

const errorOf = async (work: Promise<unknown>): Promise<PgError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isNativeError(error)) throw new Error(`Not an error: ${inspect(error)}`);
  return error;
};

const EVENTS = ['connect', 'acquire', 'release', 'remove', 'error'] as const;

/** Every event of a pool, with its arguments, in order. */
const heard = (pool: pg.Pool, names: readonly (typeof EVENTS)[number][] = EVENTS): unknown[][] => {
  const events: unknown[][] = [];
  for (const name of names) pool.on(name, (...values: unknown[]) => events.push([name, ...values]));
  return events;
};

describe('events', () => {
  it('tells of a client’s life in the order and with the arguments of pg.Pool', async () => {
    const pool = await pools.pool();
    const events = heard(pool);
    const client = await pool.connect();
    client.release();
    (await pool.connect()).release();
    await pool.end();
    expect(events).toEqual([
      ['connect', client],
      ['acquire', client],
      ['release', undefined, client],
      ['acquire', client],
      ['release', undefined, client],
      ['remove', client],
    ]);
  });

  it('sends what a listener of connect asks before the borrower’s own statements', async () => {
    const pool = await pools.pool({ max: 1 });
    pool.on('connect', (client) => void client.query("SET search_path = 'pg_catalog'"));
    const { rows } = await pool.query('SHOW search_path');
    expect(rows).toEqual([{ search_path: 'pg_catalog' }]);
  });

  it('tells of an idle client that dies under a protected lease: error, then remove', async () => {
    const pool = await pools.pool();
    const events = heard(pool, ['error', 'remove']);
    const client = await pool.connect();
    client.release();
    await pools.endBackends();
    await eventually(() => events.length === 2);
    expect(events).toEqual([
      ['error', expect.objectContaining({ code: '57P01' }), client],
      ['remove', client],
    ]);
    expect(pool.totalCount).toBe(0);
  });

  it('does not end the process over an idle client that nobody listens for', async () => {
    const pool = await pools.pool();
    await pool.query('SELECT 1');
    await pools.endBackends();
    await eventually(() => pool.totalCount === 0);
    expect((await pool.query('SELECT 1')).rowCount).toBe(1);
  });

  it('tells only the removal of an idle client whose place the fleet has given to somebody else', async () => {
    await using world = await LeasedWorld.open(2);
    const lease = { resource: 'orders', capacity: 2, registry: world.registry, protectMs: 1_000 };
    const connectionString = world.role.url;
    const one = leasedPgPool(pg, { connectionString, max: 1, idleTimeoutMillis: 0, lease });
    const other = leasedPgPool(pg, { connectionString, max: 1, lease });
    await world.registry.configure('orders', one.leases.config, true);
    const events = heard(one, ['error', 'remove']);
    await one.query('SELECT 1');
    // Nobody uses it, and nobody asks whether it still wants the place.
    expect((await other.query('SELECT 1')).rowCount).toBe(1);
    await eventually(() => events.length > 0);
    expect(events).toEqual([['remove', expect.any(pg.Client)]]);
    await Promise.all([one.end(), other.end()]);
  });
});

describe('hooks', () => {
  it('waits for onConnect, once for each client, before the first loan', async () => {
    let calls = 0;
    const onConnect = async (client: pg.ClientBase): Promise<void> => {
      calls += 1;
      await client.query('SET statement_timeout = 1234');
    };
    const pool = await pools.pool({ max: 1, onConnect });
    for (let uses = 0; uses < 2; uses += 1)
      expect((await pool.query('SHOW statement_timeout')).rows).toEqual([{ statement_timeout: '1234ms' }]);
    expect(calls).toBe(1);
  });

  it('rejects with what onConnect has thrown, and closes that client without a word', async () => {
    const failure = new Error('not this one');
    const pool = await pools.pool({
      max: 1,
      onConnect: () => {
        throw failure;
      },
    });
    const events = heard(pool);
    expect(await errorOf(pool.connect())).toBe(failure);
    await eventually(async () => (await pools.backends()).length === 0);
    expect(events).toEqual([]);
    expect(pool.totalCount).toBe(0);
  });

  it('rejects with the error of verify, and closes that client', async () => {
    const failure = new Error('not fit');
    const pool = await pools.pool({ verify: (_client, done) => done(failure) });
    const events = heard(pool, ['release', 'remove']);
    expect(await errorOf(pool.query('SELECT 1'))).toBe(failure);
    await eventually(() => events.length === 2);
    expect(events).toEqual([
      ['release', failure, expect.any(pg.Client)],
      ['remove', expect.any(pg.Client)],
    ]);
  });

  it('lends a client that verify has found fit, and asks it once', async () => {
    let calls = 0;
    const verify = (_client: pg.PoolClient, done: (error?: Error) => void): void => {
      calls += 1;
      done();
    };
    const pool = await pools.pool({ max: 1, verify });
    await pool.query('SELECT 1');
    await pool.query('SELECT 1');
    expect(calls).toBe(1);
  });

  it('asks a password function at each connect, and logs to the function that it was given', async () => {
    await pools.pool();
    const { hostname, port, username, password, pathname } = new URL(pools.role.url);
    const [asked, logged]: [number[], unknown[]] = [[], []];
    const parts = { host: hostname, port: Number(port), user: username, database: pathname.slice(1) };
    const pool = leasedPgPool(pg, {
      ...parts,
      password: async () => {
        asked.push(1);
        return password;
      },
      log: (...messages) => logged.push(...messages),
      lease: { resource: 'orders', capacity: 4, registry: pools.registry },
    });
    const clients = await Promise.all([pool.connect(), pool.connect()]);
    for (const client of clients) client.release();
    await pool.end();
    expect(asked).toHaveLength(2);
    expect(logged.length).toBeGreaterThan(0);
  });

  it('answers with promises of the class that the options name', async () => {
    class OwnPromise<Result> extends Promise<Result> {}
    const pool = await pools.pool({ Promise: OwnPromise });
    const connecting = pool.connect();
    expect(connecting).toBeInstanceOf(OwnPromise);
    (await connecting).release();
    expect(pool.query('SELECT 1')).toBeInstanceOf(OwnPromise);
    expect(pool.end()).toBeInstanceOf(OwnPromise);
  });
});

describe('the life of a client', () => {
  it('ends after idleTimeoutMillis, but not below min', async () => {
    const pool = await pools.pool({ idleTimeoutMillis: 40, min: 1 });
    const clients = await Promise.all([pool.connect(), pool.connect()]);
    for (const client of clients) client.release();
    expect(pool.idleCount).toBe(2);
    await eventually(() => pool.totalCount === 1);
    expect(pool.idleCount).toBe(1);
  });

  it('ends after maxUses', async () => {
    const pool = await pools.pool({ max: 1, maxUses: 2 });
    const pid = async (): Promise<number> => (await pool.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;
    const pids = [await pid(), await pid(), await pid()];
    expect(pids[1]).toBe(pids[0]);
    expect(pids[2]).not.toBe(pids[0]);
  });

  it('ends after maxLifetimeSeconds, when its borrower has given it back', async () => {
    const pool = await pools.pool({ max: 1, maxLifetimeSeconds: 0.2 });
    const client = await pool.connect();
    await eventually(() => pool.expiredCount === 1);
    client.release();
    await eventually(() => pool.totalCount === 0);
    expect(pool.expiredCount).toBe(0);
  });
});

describe('end', () => {
  it('serves those who wait already, waits for what is lent, and refuses everybody after', async () => {
    const pool = await pools.pool({ max: 1 });
    const client = await pool.connect();
    const waiting = pool.query('SELECT 1 AS one');
    let isEnded = false;
    const ending = pool.end().then(() => {
      isEnded = true;
    });
    expect(pool).toMatchObject({ ending: true, ended: false });
    expect((await errorOf(pool.connect())).message).toBe('Cannot use a pool after calling end on the pool');
    expect((await errorOf(pool.end())).message).toBe('Called end on pool more than once');
    await client.query('SELECT 1');
    expect(isEnded).toBe(false);
    client.release();
    expect((await waiting).rows).toEqual([{ one: 1 }]);
    await ending;
    expect(pool).toMatchObject({ ending: true, ended: true, totalCount: 0 });
    expect((await errorOf(pool.query('SELECT 1'))).message).toMatch(/^Cannot use a pool after/);
    expect(await pools.backends()).toEqual([]);
    expect(await pools.report()).toMatchObject({ held: 0 });
  });

  it('calls back, an unused pool at once', async () => {
    const pool = await pools.pool();
    await new Promise<void>((resolve) => pool.end(resolve));
    expect(pool.ended).toBe(true);
  });
});

describe('a failed connect', () => {
  it.each([
    ['nobody listens', async () => ({ port: String(await freePort()) }), 'ECONNREFUSED', Error],
    ['a wrong password', async () => ({ password: 'another' }), '28P01', pg.DatabaseError],
    ['an unknown database', async () => ({ pathname: '/nowhere' }), '3D000', pg.DatabaseError],
  ])(
    'where %s has the code of pg, at the first attempt, and ours as the cause',
    async (_, wrong, code, type) => {
      await pools.pool();
      const url = Object.assign(new URL(pools.role.url), await wrong());
      const pool = await pools.pool({ connectionString: url.href });
      let failures = 0;
      pool.leases.events.on('connectionFailed', () => {
        failures += 1;
      });
      const error = await errorOf(pool.query('SELECT 1'));
      const native = await errorOf(new pg.Pool({ connectionString: url.href }).query('SELECT 1'));
      expect(error).toBeInstanceOf(type);
      expect(error).toMatchObject({ code, message: native.message });
      expect(error.cause).toMatchObject({ name: 'LeaseholdError', code: 'CONNECT_FAILED' });
      expect(failures).toBe(1);
      const shown = inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error);
      for (const secret of [url.password, url.href]) expect(shown).not.toContain(secret);
    },
  );

  it('that only the registry can explain is a LeaseholdError', async () => {
    const registry = withGrant(() =>
      Promise.reject(new LeaseholdError('REGISTRY_UNREACHABLE', 'It is away.', { retryable: false })),
    );
    const pool = await pools.pool({}, { registry });
    const error = await errorOf(pool.connect());
    expect(isLeaseholdError(error)).toBe(true);
    expect(error).toMatchObject({ code: 'REGISTRY_UNREACHABLE' });
    expect(await errorOf(pool.query('SELECT 1'))).toMatchObject({ code: 'REGISTRY_UNREACHABLE' });
  });
});

const withGrant = (grant: Registry['grant']): Registry =>
  new Proxy(memoryRegistry(), {
    get: (target, name) => (name === 'grant' ? grant : Reflect.get(target, name)),
  });

describe('a wrong configuration', () => {
  const problemsOf = (config: unknown): readonly string[] => {
    try {
      leasedPgPool(pg, config as LeasedPgPoolConfig);
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
      return (error as LeaseholdError).details['problems'] as string[];
    }
    throw new Error('Nothing was thrown.');
  };

  it('is one error with every problem, by the names that the user wrote', () => {
    const problems = problemsOf({
      ...{ max: -1, idleTimeoutMillis: 'soon', min: 3, port: 99_999 },
      lease: { resource: 'My Orders', capacity: 0, min: 2, protectMS: 5, driver: {} },
    });
    const right = [
      /^lease\.min: min says the same/,
      /^lease\.driver: is made from/,
      /^`port` must be/,
      /^lease\.registry: is missing/,
      /^lease\.protectMS: no such option; did you mean protectMs/,
      /^lease\.resource: "My Orders" is not/,
      /^lease\.capacity: 0 is not/,
      /^max: -1 is not/,
      /^idleTimeoutMillis: "soon" is not/,
    ];
    for (const each of right) expect(problems).toContainEqual(expect.stringMatching(each));
    expect(problems).toHaveLength(right.length);
  });

  it('of the environment is told by the variable, which overrules what pg does by itself', () => {
    const lease = { registry: memoryRegistry(), resource: 'orders' };
    const env = { LEASEHOLD_CAPACITY: 'many', LEASEHOLD_IDLE_TIMEOUT_MS: '1500' };
    expect(problemsOf({ lease: { ...lease, env } })).toEqual([
      expect.stringMatching(/^LEASEHOLD_CAPACITY: "many"/),
    ]);
    const right = { ...lease, env: { ...env, LEASEHOLD_CAPACITY: '4' } };
    expect(leasedPgPool(pg, { lease: right }).leases.config).toMatchObject({
      ...{ capacity: 4, idleTimeoutMs: 1_500, maxLifetimeMs: 0, retryConnects: false },
    });
    const { config } = leasedPgPool(pg, { idleTimeoutMillis: 0, lease: right }).leases;
    expect(config.idleTimeoutMs).toBeGreaterThan(config.idleMs);
  });

  it('names the lease that is missing, and a module that is none', () => {
    expect(problemsOf({ connectionString: 'postgresql://localhost/orders' })).toEqual([
      expect.stringMatching(/^lease: is missing/),
    ]);
    expect(() => leasedPgPool({} as typeof pg, {} as LeasedPgPoolConfig)).toThrow(
      /`Pool`.*lease: is missing/s,
    );
  });
});

describe('in a function', () => {
  const one = async (pool: LeasedPgPool): Promise<number> =>
    (await pool.query('SELECT 1 AS one')).rows[0].one;

  it('is taken by the wrapper of plain handlers, which bounds its waits and takes back what was left', async () => {
    const pool = await pools.pool({ max: 1 });
    const left: pg.PoolClient[] = [];
    const handler = withLeases(pool, async (isForgetful: boolean, _context: Context) => {
      if (isForgetful) left.push(await pool.connect());
      return isForgetful ? errorOf(pool.connect()) : one(pool);
    });
    const error = await handler(true, lambdaContext({ timeoutMs: 400 }));
    expect(error).toMatchObject({
      message: expect.stringMatching(/^timeout exceeded when trying to connect/),
    });
    expect(await handler(false, lambdaContext())).toBe(1);
    // Late, but no fault of the next invocation.
    expect(() => left[0]?.release()).not.toThrow();
    await expect(left[0]?.query('SELECT 1')).rejects.toThrow();
  });

  it('is taken by the middleware, whose handle has the same connections', async () => {
    const pool = await pools.pool({ max: 1 });
    const handler = middy<string, number>()
      .use(leasehold(pool, { key: 'db' }))
      .handler(async (_event, context) => {
        const { rows } = await context.db.use((client) => client.query('SELECT 1 AS one'));
        return rows[0].one + (await one(pool));
      });
    expect(await handler('', contextFor(handler))).toBe(2);
    expect(await pools.backends()).toHaveLength(1);
  });

  it('has one connection where its environment shows AWS Lambda', async () => {
    const pool = await pools.pool({}, { env: { AWS_LAMBDA_FUNCTION_NAME: 'orders-api' } });
    expect(pool.options.max).toBe(1);
    expect(await one(pool)).toBe(1);
  });
});
