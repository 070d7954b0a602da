import { inspect } from 'node:util';
import { isNativeError } from 'node:util/types';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg, * as pgNamespace from 'pg';
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import { type LeasedPgPool, leasedPgPool } from '../../lib/facade/pg-pool.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import { eventually } from '../support/eventually.ts';
import { PgPools } from '../support/pg-pools.ts';

let pools: PgPools;

beforeEach(async () => {
  pools = await PgPools.open(4);
});

afterEach(async () => {
  await pools[Symbol.asyncDispose]();
});

const errorOf = async (work: Promise<unknown>): Promise<Error & Record<string, unknown>> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isNativeError(error)) throw new Error(`Not an error: ${inspect(error)}`);
  return error as Error & Record<string, unknown>;
};

type EventName = 'connect' | 'acquire' | 'release' | 'remove' | 'error';

/** Every event of a pool, with its arguments, in order. */
const heard = (pool: pg.Pool, ...names: EventName[]): [EventName, ...unknown[]][] => {
  const events: [EventName, ...unknown[]][] = [];
  for (const name of names.length > 0
    ? names
    : (['connect', 'acquire', 'release', 'remove', 'error'] as const))
    pool.on(name, (...values: unknown[]) => events.push([name, ...values]));
  return events;
};

/** The answer to a callback: everything that it was called with. */
const called = (call: (callback: (...values: never[]) => void) => unknown): Promise<unknown[]> =>
  new Promise((resolve) => {
    expect(call((...values: never[]) => resolve(values))).toBeUndefined();
  });

describe('what it is', () => {
  it('is an instance of the user’s own pg.Pool, by class and by name', async () => {
    const pool: pg.Pool = await pools.pool();
    expect(pool).toBeInstanceOf(pg.Pool);
    expect(pool.constructor.name).toBe('LeasedPool');
  });

  it('takes the module however it was imported', async () => {
    const pool: pg.Pool = leasedPgPool(pgNamespace, {
      connectionString: pools.role.url,
      lease: { resource: 'orders', capacity: 2, registry: memoryRegistry() },
    });
    expect(pool).toBeInstanceOf(pgNamespace.Pool);
    await pool.end();
  });

  it('lends instances of the user’s own pg.Client, or of the class that the options name', async () => {
    class OwnClient extends pg.Client {}
    const client = await (await pools.pool()).connect();
    const own = await (
      await pools.pool({ Client: OwnClient as unknown as new () => pg.ClientBase })
    ).connect();
    expect(client).toBeInstanceOf(pg.Client);
    expect(own).toBeInstanceOf(OwnClient);
    client.release();
    own.release();
  });

  it('has the options of pg.Pool, secrets not enumerable, and nothing of the lease', async () => {
    const ssl = { rejectUnauthorized: false, key: ['k', 'ey'].join('') };
    const pool = leasedPgPool(pg, {
      ...{ host: 'localhost', password: 'password', ssl, maxUses: 3 },
      lease: { resource: 'orders', capacity: 2, registry: memoryRegistry() },
    });
    expect(pool.options).toMatchObject({ max: 10, min: 0, maxUses: 3, idleTimeoutMillis: 10_000 });
    expect(pool.options.password).toBe('password');
    expect(Object.keys(pool.options)).not.toContain('password');
    expect(inspect(pool, { depth: 9 })).not.toMatch(/'password'|'key'/);
    expect(pool.options).not.toHaveProperty('lease');
    await pool.end();
  });

  it('takes one lease of the fleet for each connection', async () => {
    const pool = await pools.pool();
    const clients = await Promise.all([pool.connect(), pool.connect()]);
    expect(await pools.report()).toMatchObject({ held: 2 });
    expect(await pools.backends()).toHaveLength(2);
    for (const client of clients) client.release();
  });
});

describe('query', () => {
  it.each([
    ['text', (pool: LeasedPgPool) => pool.query("SELECT 'a' AS it")],
    ['text and values', (pool: LeasedPgPool) => pool.query('SELECT $1::text AS it', ['a'])],
    ['an object', (pool: LeasedPgPool) => pool.query({ text: 'SELECT $1::text AS it', values: ['a'] })],
    ['an object and values', (pool: LeasedPgPool) => pool.query({ text: 'SELECT $1::text AS it' }, ['a'])],
    ['a Submittable', (pool: LeasedPgPool) => pool.query(new pg.Query("SELECT 'a' AS it") as never)],
  ])('resolves for %s', async (_form, ask) => {
    const pool = await pools.pool();
    const { rows } = await (ask(pool) as Promise<pg.QueryResult>);
    expect(rows).toEqual([{ it: 'a' }]);
    expect([pool.totalCount, pool.idleCount]).toEqual([1, 1]);
  });

  it.each([
    ['text', (pool: LeasedPgPool, tell: never) => pool.query("SELECT 'a' AS it", tell)],
    [
      'text and values',
      (pool: LeasedPgPool, tell: never) => pool.query('SELECT $1::text AS it', ['a'], tell),
    ],
    ['an object', (pool: LeasedPgPool, tell: never) => pool.query({ text: "SELECT 'a' AS it" }, tell)],
  ])('calls back for %s, with undefined for an error', async (_form, ask) => {
    const pool = await pools.pool();
    const [error, result] = await called((callback) => ask(pool, callback as never));
    expect(error).toBeUndefined();
    expect((result as pg.QueryResult).rows).toEqual([{ it: 'a' }]);
  });

  it('refuses a function as its first argument, in both forms', async () => {
    const pool = await pools.pool();
    const right = /Passing a function as the first parameter/;
    const [error] = await called((callback) => pool.query(callback as never));
    expect(error).toMatchObject({ message: expect.stringMatching(right) });
  });

  it('keeps the connection after an ordinary SQL error, and says with which error it came back', async () => {
    const pool = await pools.pool();
    const events = heard(pool, 'release', 'remove');
    const error = await errorOf(pool.query('SELECT no_such_column'));
    expect(error).toMatchObject({ code: '42703' });
    expect(error).toBeInstanceOf(pg.DatabaseError);
    expect(await errorOf(pool.query(null as never))).toBeInstanceOf(TypeError);
    expect([pool.totalCount, pool.idleCount]).toEqual([1, 1]);
    expect(events).toEqual([
      ['release', error, expect.any(pg.Client)],
      ['release', expect.any(TypeError), expect.any(pg.Client)],
    ]);
  });

  it('has one connection for one caller, also after errors', async () => {
    const pool = await pools.pool();
    for (let errors = 0; errors < 10; errors += 1)
      await errorOf(pool.query('SELECT $1::text || no_such_column', ['a']));
    expect([pool.totalCount, pool.idleCount]).toEqual([1, 1]);
  });

  it('rejects in time where the client’s own query_timeout is over', async () => {
    const pool = await pools.pool({ query_timeout: 50 });
    const error = await errorOf(pool.query('SELECT pg_sleep(1)'));
    expect(error.message).toBe('Query read timeout');
    expect(await pools.report()).toMatchObject({ held: 1 });
  });

  it('closes the connection that has ended under it, and goes on with another', async () => {
    const pool = await pools.pool();
    const events = heard(pool, 'error', 'remove');
    const error = await errorOf(pool.query('SELECT pg_terminate_backend(pg_backend_pid())'));
    expect(error).toMatchObject({ code: '57P01' });
    await eventually(() => events.length > 0);
    expect(events).toEqual([['remove', expect.any(pg.Client)]]);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('leaves an object that is asked again without its callback', async () => {
    const pool = await pools.pool();
    const statement = { text: 'SELECT 1 AS one' };
    await pool.query(statement);
    expect(statement).toEqual({ text: 'SELECT 1 AS one' });
  });

  it('gives the client back when a stream, a cursor or a statement with its own callback is done', async () => {
    const pool = await pools.pool({ max: 1 });
    const stream = new QueryStream('SELECT generate_series(1, 250) AS n');
    void pool.query(stream);
    const rows = await stream.toArray();
    const cursor = new Cursor<{ n: number }>('SELECT generate_series(1, 3) AS n');
    void pool.query(cursor);
    const read = await cursor.read(10);
    await cursor.close();
    const [, result] = await called(
      (callback) => void pool.query(new pg.Query('SELECT 1', callback as never)),
    );
    expect([rows.length, read.length, (result as pg.QueryResult).rowCount]).toEqual([250, 3, 1]);
    await eventually(() => pool.idleCount === 1);
  });
});

describe('connect', () => {
  it('calls back with a client and its release', async () => {
    const pool = await pools.pool();
    const [error, client, done] = (await called((callback) => pool.connect(callback as never))) as [
      undefined,
      pg.PoolClient,
      (error?: unknown) => void,
    ];
    expect(error).toBeUndefined();
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(done).toBe(client.release);
    done();
    expect(pool.idleCount).toBe(1);
  });

  it('gives the client that came back last to the next', async () => {
    const pool = await pools.pool();
    const [first, second] = await Promise.all([pool.connect(), pool.connect()]);
    second.release();
    first.release();
    const next = await pool.connect();
    expect(next).toBe(first);
    next.release();
  });

  it('counts clients on their way as clients, and callers that wait for one of others as waiting', async () => {
    const pool = await pools.pool({ max: 2 });
    const count = () => [pool.totalCount, pool.idleCount, pool.waitingCount, pool.expiredCount];
    const all = [pool.connect(), pool.connect(), pool.connect(), pool.connect()];
    expect(count()).toEqual([2, 0, 2, 0]);
    const clients = await Promise.all(all.slice(0, 2));
    expect(count()).toEqual([2, 0, 2, 0]);
    for (const client of clients) client.release();
    for (const client of await Promise.all(all.slice(2))) client.release();
    expect(count()).toEqual([2, 2, 0, 0]);
  });

  it('throws at a second release at once, also of the old handle of a client that is lent again', async () => {
    const pool = await pools.pool({ max: 1 });
    const client = await pool.connect();
    const { release } = client;
    release();
    const again = 'Release called on client which has already been released to the pool.';
    expect(() => client.release()).toThrow(again);
    const next = await pool.connect();
    expect(() => release()).toThrow(again);
    next.release();
  });

  it.each([
    ['true', true],
    ['an error', new Error('spoilt')],
  ])('closes a client that is released with %s', async (_what, reason) => {
    const pool = await pools.pool();
    const events = heard(pool, 'release', 'remove', 'error');
    const client = await pool.connect();
    client.release(reason);
    expect(pool.totalCount).toBe(0);
    await eventually(() => events.length === 2);
    expect(events).toEqual([
      ['release', reason, client],
      ['remove', client],
    ]);
    await eventually(async () => (await pools.backends()).length === 0);
    expect(await pools.report()).toMatchObject({ held: 0 });
  });

  it('closes a client that its borrower has ended', async () => {
    const pool = await pools.pool({ max: 1 });
    const client = await pool.connect();
    void client.end();
    client.release();
    expect(pool.totalCount).toBe(0);
    expect((await pool.query('SELECT 1')).rowCount).toBe(1);
  });

  it('ends a transaction that its borrower has left open', async () => {
    const pool = await pools.pool({ max: 1 });
    const client = await pool.connect();
    await client.query('BEGIN');
    client.release();
    const { rows } = await pool.query('SELECT now() = statement_timestamp() AS fresh');
    expect(rows).toEqual([{ fresh: true }]);
  });

  it('waits no longer than connectionTimeoutMillis', async () => {
    const pool = await pools.pool({ max: 1, connectionTimeoutMillis: 500 });
    const client = await pool.connect();
    const error = await errorOf(pool.connect());
    expect(error.message).toMatch(/^timeout exceeded when trying to connect/);
    expect(error).toMatchObject({ code: 'ACQUIRE_TIMEOUT', statusCode: 503 });
    expect(pool.waitingCount).toBe(0);
    client.release();
    (await pool.connect()).release();
  });

  it('without connectionTimeoutMillis is bounded by acquireTimeoutMs only if the lease names it', async () => {
    const bounded = await pools.pool({ max: 1 }, { acquireTimeoutMs: 500 });
    const client = await bounded.connect();
    expect((await errorOf(bounded.connect())).message).toMatch(/^timeout exceeded/);
    client.release();
    await bounded.end();
    const unbounded = await pools.pool({ max: 1, connectionTimeoutMillis: 0 });
    expect(unbounded.leases.config.acquireTimeoutMs).toBe(10_000);
    await unbounded.end();
  });
});
