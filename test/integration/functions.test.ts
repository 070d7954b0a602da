import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import pg from 'pg';
import type { Order } from '../../functions/order.ts';
import { handler as orders, ordersHandler } from '../../functions/orders.ts';
import { handler as sweep, sweeperHandler } from '../../functions/sweeper.ts';
import { wire, wiring } from '../../functions/wiring.ts';
import { settingsOf } from '../../lib/core/config.ts';
import { isLeaseholdError, type LeaseholdError } from '../../lib/index.ts';
import { eventually } from '../support/eventually.ts';
import { contextFor, httpEvent, lambdaContext, scheduledEvent } from '../support/lambda.ts';
import type { PostgresRole } from '../support/postgres.ts';
import { freshNamespace, freshRoleAndDatabase, postgresAdmin, redisUrl } from '../support/servers.ts';

const CAPACITY = 4;
const VARIABLES = ['REDIS_URL', 'DATABASE_URL', 'LEASEHOLD_RESOURCE', 'LEASEHOLD_CAPACITY'] as const;

let role: PostgresRole;
let env: Record<string, string>;
const written: jest.SpiedFunction<typeof process.stdout.write>[] = [];

beforeAll(async () => {
  role = await freshRoleAndDatabase(CAPACITY);
  const owner = new pg.Client({ connectionString: role.url });
  await owner.connect();
  await owner.query(`CREATE SCHEMA AUTHORIZATION "${role.user}"`);
  await owner.query(await readFile(new URL('../../functions/orders.sql', import.meta.url), 'utf8'));
  await owner.end();
  env = {
    AWS_LAMBDA_FUNCTION_NAME: 'orders-api',
    REDIS_URL: redisUrl(),
    DATABASE_URL: role.url,
    LEASEHOLD_RESOURCE: 'orders',
    LEASEHOLD_CAPACITY: String(CAPACITY),
    LEASEHOLD_NAMESPACE: freshNamespace(),
  };
  // As the platform does before it loads the function; the wiring reads it at the first invocation. A run of tests has
  // variables of its own (a seed, a server), and a function refuses what it does not know.
  for (const name of Object.keys(process.env)) if (name.startsWith('LEASEHOLD_')) delete process.env[name];
  Object.assign(process.env, env);
  // Logger and metrics write what they have to say.
  for (const stream of [process.stdout, process.stderr])
    written.push(jest.spyOn(stream, 'write').mockReturnValue(true));
});

afterAll(async () => {
  await wiring().close();
  for (const spy of written) spy.mockRestore();
  for (const name of Object.keys(env)) delete process.env[name];
});

const output = (): string => written.flatMap((spy) => spy.mock.calls.map(([line]) => String(line))).join('');

const forget = (): void => {
  for (const spy of written) spy.mockClear();
};

const bodyOf = <Body>({ body }: APIGatewayProxyStructuredResultV2): Body => JSON.parse(body ?? '') as Body;

const post = (body: string, isBase64Encoded = false): Promise<APIGatewayProxyStructuredResultV2> =>
  orders(httpEvent('POST /orders', { body, isBase64Encoded }), lambdaContext());

const postWithKey = (order: object, key: string): Promise<APIGatewayProxyStructuredResultV2> =>
  orders(
    httpEvent('POST /orders', { body: JSON.stringify(order), headers: { 'idempotency-key': key } }),
    lambdaContext(),
  );

const get = (id: string): Promise<APIGatewayProxyStructuredResultV2> =>
  orders(httpEvent('GET /orders/{id}', { id }), lambdaContext());

const ORDER = {
  customer: 'Ada',
  items: [
    { sku: 'tea', quantity: 2 },
    { sku: 'cup', quantity: 1 },
  ],
};

const sessions = async (user: string): Promise<number> =>
  (await postgresAdmin().query('SELECT pid FROM pg_stat_activity WHERE usename = $1', [user])).length;

describe('a deploy’s first step', () => {
  it('configures the resource as new, so that nobody waits for the registry to learn', async () => {
    expect(await sweep({ isNew: true }, lambdaContext())).toEqual({
      resource: 'orders',
      kind: 'created',
      learningMs: 0,
      isNew: true,
    });
    expect(await sweep({ isNew: true }, lambdaContext())).toMatchObject({ kind: 'exists', learningMs: 0 });
    expect(await sessions(role.user)).toBe(0);
  });
});

describe('the orders API', () => {
  it('writes an order and reads it again', async () => {
    const posted = await post(JSON.stringify(ORDER));
    expect(posted).toMatchObject({ statusCode: 201, headers: { 'Content-Type': 'application/json' } });
    const order = bodyOf<Order>(posted);
    expect(order).toMatchObject(ORDER);
    expect(posted.headers?.['Location']).toBe(`/orders/${order.id}`);
    const got = await get(order.id);
    expect(got.statusCode).toBe(200);
    expect(bodyOf(got)).toEqual(order);
    expect(await sessions(role.user)).toBe(1);
    expect(wiring().pool.status()).toMatchObject({ max: 1, idle: 1, group: 'orders-api' });
  });

  it('takes a body in base64', async () => {
    expect((await post(Buffer.from(JSON.stringify(ORDER)).toString('base64'), true)).statusCode).toBe(201);
  });

  it.each([
    ['no JSON', '{', 'The body is not JSON.'],
    [
      'nothing in it',
      '{}',
      'The order is not valid. customer: 1 to 100 characters; items: a list of 1 to 100.',
    ],
    ['null', 'null', 'The order is not valid. customer: 1 to 100 characters; items: a list of 1 to 100.'],
    [
      'wrong items',
      JSON.stringify({ customer: 'Ada', items: [{ sku: 'tea', quantity: 0 }, { quantity: 1 }] }),
      'The order is not valid. items[0].quantity: a whole number from 1 to 10000; items[1].sku: 1 to 100 characters.',
    ],
    [
      'a text that PostgreSQL cannot store',
      JSON.stringify({ ...ORDER, customer: 'A\u0000da' }),
      'The order is not valid. customer: 1 to 100 characters.',
    ],
    [
      'half a character, which would come back as another one',
      JSON.stringify({ ...ORDER, customer: 'Ada \ud800' }),
      'The order is not valid. customer: 1 to 100 characters.',
    ],
  ])('answers 400 to %s', async (_name, body, message) => {
    const answer = await post(body);
    expect(answer.statusCode).toBe(400);
    expect(bodyOf(answer)).toEqual({ message });
  });

  it('answers 400 to an id that is none, and 404 to one that nobody has, and to a route that is none', async () => {
    expect((await get('1 OR 1=1')).statusCode).toBe(400);
    expect((await get('999999')).statusCode).toBe(404);
    expect((await orders(httpEvent('DELETE /orders'), lambdaContext())).statusCode).toBe(404);
  });

  it('answers 503 with Retry-After when every connection is taken, and says nothing of the inside', async () => {
    const full = wire({ ...env, LEASEHOLD_NAMESPACE: freshNamespace(), LEASEHOLD_CAPACITY: '2' });
    const holder = wire({ ...full.env, LEASEHOLD_MAX: '2' });
    await sweeperHandler(full)({ isNew: true }, lambdaContext());
    const lent = await holder.pool.acquire();
    const handler = ordersHandler(full);
    const answer = await handler(
      httpEvent('GET /orders/{id}', { id: '1' }),
      contextFor(handler, { timeoutMs: 1_000 }),
    );
    expect(answer).toMatchObject({
      statusCode: 503,
      headers: { 'Retry-After': '1' },
      body: '{"message":"The service is busy. Please try again."}',
    });
    await lent.giveBack();
    await Promise.all([full.close(), holder.close()]);
  });

  it('answers 500 to a fault of its own, says nothing of the inside, and rolls back', async () => {
    const owner = new pg.Client({ connectionString: role.url });
    await owner.connect();
    await owner.query('ALTER TABLE order_items RENAME TO order_items_away');
    const before = await owner.query<{ n: string }>('SELECT count(*) AS n FROM orders');
    const answer = await post(JSON.stringify(ORDER));
    expect(answer).toMatchObject({ statusCode: 500, body: '{"message":"Something went wrong."}' });
    const after = await owner.query<{ n: string }>('SELECT count(*) AS n FROM orders');
    expect(after.rows).toEqual(before.rows);
    await owner.query('ALTER TABLE order_items_away RENAME TO order_items');
    await owner.end();
    expect((await post(JSON.stringify(ORDER))).statusCode).toBe(201);
  });

  const deep = '['.repeat(100_000);
  it.each([
    ['a list', '[]', 400],
    ['a number', '1e400', 400],
    ['an endless list', deep, 400],
    ['a deep list', `${deep}${']'.repeat(100_000)}`, 400],
    ['5 MB of a name', JSON.stringify({ ...ORDER, customer: 'x'.repeat(5_000_000) }), 400],
    ['100,000 items', JSON.stringify({ ...ORDER, items: Array(100_000).fill(ORDER.items[0]) }), 400],
    [
      'a quantity beyond an integer',
      JSON.stringify({ ...ORDER, items: [{ sku: 'tea', quantity: 2 ** 53 }] }),
      400,
    ],
    ['a prototype', '{"__proto__":{"customer":"Ada","items":[{"sku":"tea","quantity":1}]}}', 400],
    [
      'a length instead of a list',
      '{"customer":"Ada","items":{"length":1,"0":{"sku":"tea","quantity":1}}}',
      400,
    ],
    ['SQL', JSON.stringify({ customer: "'); DROP TABLE orders; --", items: ORDER.items }), 201],
    ['more than was asked for', JSON.stringify({ ...ORDER, id: '1', createdAt: 'yesterday' }), 201],
  ])('an attacker who sends %s gets an answer, and breaks nothing', async (_name, body, statusCode) => {
    expect(await post(body)).toMatchObject({ statusCode });
    expect((await post(JSON.stringify(ORDER))).statusCode).toBe(201);
  });

  it.each([
    ['', 400],
    ['0', 400],
    ['-1', 400],
    ['9223372036854775808', 400],
    ['１', 400],
    ['1\u0000', 400],
    ['999999999999999999', 404],
  ])('an order of id %j is answered %i', async (id, statusCode) => {
    expect((await get(id)).statusCode).toBe(statusCode);
  });

  it('answers what is no request of an HTTP API', async () => {
    for (const event of [
      {},
      null,
      { routeKey: 'POST /orders' },
      { ...httpEvent('POST /orders'), body: null },
    ])
      expect((await orders(event as never, lambdaContext())).statusCode).toBeGreaterThanOrEqual(400);
  });

  it('answers 400 with what is wrong with body and key together', async () => {
    const { statusCode, body } = await postWithKey({ ...ORDER, items: [] }, 'ключ');
    expect(statusCode).toBe(400);
    expect(JSON.parse(body ?? '')).toEqual({
      message:
        'The order is not valid. items: a list of 1 to 100; Idempotency-Key: 1 to 100 visible characters of ASCII.',
    });
    expect((await postWithKey(ORDER, 'k'.repeat(101))).statusCode).toBe(400);
    expect((await postWithKey(ORDER, '')).statusCode).toBe(400);
  });

  it('an order that is sent again with its key is the same order, and is counted once', async () => {
    forget();
    const first = await postWithKey(ORDER, 'a retry after a time-out'.replaceAll(' ', '-'));
    const second = await postWithKey(ORDER, 'a retry after a time-out'.replaceAll(' ', '-'));
    expect(first.statusCode).toBe(201);
    expect(second).toEqual(first);
    expect(output().match(/"OrdersPlaced":1/g)).toHaveLength(1);
    expect(bodyOf<Order>(await postWithKey(ORDER, 'another-key')).id).not.toBe(bodyOf<Order>(first).id);
  });

  it('many at once with one key make one order', async () => {
    const several = wire({ ...env, LEASEHOLD_MAX: '4' });
    const handler = ordersHandler(several);
    const body = JSON.stringify(ORDER);
    const event = httpEvent('POST /orders', { body, headers: { 'idempotency-key': 'at-once' } });
    const answers = await Promise.all(Array.from({ length: 12 }, () => handler(event, contextFor(handler))));
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([201]));
    expect(new Set(answers.map((each) => bodyOf<Order>(each).id)).size).toBe(1);
    await several.close();
  });

  it('a key that was used for another order is refused, and nothing is written', async () => {
    const first = await postWithKey(ORDER, 'taken');
    const other = await postWithKey({ ...ORDER, customer: 'Bob' }, 'taken');
    expect(other.statusCode).toBe(422);
    expect(bodyOf<Order>(await get(bodyOf<Order>(first).id)).customer).toBe('Ada');
  });

  describe('whose connection is cut off in the middle', () => {
    /** Posts while somebody else holds the table, and ends the session that waits for it. */
    const cutOff = async (request: () => Promise<APIGatewayProxyStructuredResultV2>) => {
      const owner = new pg.Client({ connectionString: role.url });
      await owner.connect();
      await owner.query('BEGIN');
      await owner.query('LOCK TABLE orders IN ACCESS EXCLUSIVE MODE');
      const answering = request();
      await eventually(async () => {
        const ended = await postgresAdmin().query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE usename = $1 AND wait_event_type = 'Lock'`,
          [role.user],
        );
        return ended.length > 0;
      });
      const answer = await answering;
      await owner.query('ROLLBACK');
      await owner.end();
      return answer;
    };

    it('answers 503 where the request may be sent again without harm: a GET, or a POST with a key', async () => {
      const retry = {
        statusCode: 503,
        headers: { 'Retry-After': '1' },
        body: '{"message":"Please try again."}',
      };
      expect(await cutOff(() => get('1'))).toMatchObject(retry);
      expect(await cutOff(() => postWithKey(ORDER, 'cut-off'))).toMatchObject(retry);
      expect((await postWithKey(ORDER, 'cut-off')).statusCode).toBe(201);
    });

    it('answers 500 where another try might make a second order', async () => {
      expect((await cutOff(() => post(JSON.stringify(ORDER)))).statusCode).toBe(500);
    });
  });

  it('logs with the request’s id, and nothing of a body, also where the database quotes it', async () => {
    const owner = new pg.Client({ connectionString: role.url });
    await owner.connect();
    await owner.query("ALTER TABLE orders ADD CONSTRAINT nobody CHECK (customer <> 'Eve the secret')");
    forget();
    const body = JSON.stringify({ ...ORDER, customer: 'Eve the secret' });
    const event = httpEvent('POST /orders', { body });
    expect((await orders(event, lambdaContext())).statusCode).toBe(500);
    expect((await post(JSON.stringify({ ...ORDER, customer: 'Mallory' }))).statusCode).toBe(201);
    await owner.query('ALTER TABLE orders DROP CONSTRAINT nobody');
    await owner.end();
    const lines = output().split('\n').filter(Boolean);
    const failed = JSON.parse(lines.find((line) => line.includes('An order failed')) ?? '');
    expect(failed).toMatchObject({
      correlation_id: event.requestContext.requestId,
      error: { code: '23514', message: expect.stringContaining('violates check constraint') },
    });
    expect(output()).toContain('"message":"Placed an order"');
    expect(output()).not.toMatch(/Eve|Mallory/);
  });

  it('writes its metrics in the embedded format', async () => {
    forget();
    await get('1');
    expect(output()).toContain('"PoolSize":1');
    expect(output()).toContain('"AcquireWait"');
  });
});

describe('the sweeper function', () => {
  it('sweeps on a schedule, reports, logs and measures', async () => {
    forget();
    const report = await sweep(scheduledEvent(), lambdaContext());
    expect(report).toMatchObject({ resource: 'orders', isKnown: true, revoking: 0, lookedThrough: 'none' });
    expect(output()).toContain('"FleetRevoking":0');
    expect(output()).toContain('"message":"Swept"');
  });

  it('does not believe that a resource is new whose leased sessions the database shows', async () => {
    const control = await postgresAdmin().createRole(`${role.user}_n`, 1, { database: role.database });
    await postgresAdmin().query(`GRANT "${role.user}" TO "${control.user}"`);
    const wired = wire({ ...env, LEASEHOLD_CONTROL_URL: control.url, LEASEHOLD_NAMESPACE: freshNamespace() });
    const handler = sweeperHandler(wired);
    expect(await handler({ isNew: true }, lambdaContext())).toMatchObject({ isNew: true, learningMs: 0 });
    await wired.pool.use((client) => client.query('SELECT 1'));
    // Redis is flushed, and the first step is taken once more.
    await wired.registry.forget('orders');
    expect(await handler({ isNew: true }, lambdaContext())).toMatchObject({
      isNew: false,
      learningMs: expect.any(Number),
    });
    const { learningMs = 0 } = (await wired.registry.inspect('orders')) ?? {};
    expect(learningMs).toBeGreaterThan(0);
    expect(output()).toContain('The database shows 1 leased sessions.');
    await wired.close();
  });

  it('uses a role outside the capacity where one is configured', async () => {
    const control = await postgresAdmin().createRole(`${role.user}_c`, 1, { database: role.database });
    await postgresAdmin().query(`GRANT "${role.user}" TO "${control.user}"`);
    const wired = wire({ ...env, LEASEHOLD_CONTROL_URL: control.url, LEASEHOLD_NAMESPACE: freshNamespace() });
    const handler = sweeperHandler(wired);
    await handler({ isNew: true }, lambdaContext());
    // A lease whose session nobody ever saw: abandoned, with an identity that no server has.
    const { registry } = wired;
    const { settings } = await registry.configure('orders', settingsOf(wired.pool.config), false);
    const ask = {
      resource: 'orders',
      holder: 'h',
      group: 'g',
      settings,
      wait: false,
      again: false,
      stamp: 0,
    };
    const granted = await registry.grant({ ...ask, leaseId: 'AAAAAAAAAAAAAAAA' });
    if (granted.kind !== 'granted') throw new Error(granted.kind);
    const session = `${await serverOf(role.url)}.zzz.zzz`;
    const item = { id: 'AAAAAAAAAAAAAAAA', fence: granted.fence, outcome: 'unseen', session } as const;
    await registry.abandon('orders', 'h', [item]);
    expect(await handler(scheduledEvent(), lambdaContext())).toMatchObject({
      lookedThrough: 'control',
      settled: 1,
      revoking: 0,
    });
    await wired.close();
  });
});

/** The server's own name for itself in a session's identity: its start, in base 36. */
const serverOf = async (url: string): Promise<string> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ at: string }>(
    'SELECT round(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint::text AS at',
  );
  await client.end();
  return BigInt(rows[0]?.at ?? 0).toString(36);
};

describe('the configuration', () => {
  const problemsOf = (given: Record<string, string>): readonly string[] => {
    try {
      wire(given);
    } catch (error) {
      if (isLeaseholdError(error)) return (error as LeaseholdError).details['problems'] as readonly string[];
    }
    throw new Error('Nothing was wrong.');
  };

  it('on Lambda, names every variable that is missing at once, the registry’s first', () => {
    const problems = problemsOf({ AWS_LAMBDA_FUNCTION_NAME: 'orders-api' });
    expect(problems.map((text) => text.split(/[:,]/)[0])).toEqual([...VARIABLES]);
  });

  it('names wrong values by their variables, and repeats no secret', () => {
    const problems = problemsOf({
      ...env,
      REDIS_URL: 'http://user:password@cache',
      DATABASE_URL: 'mysql://user:password@db/orders',
      LEASEHOLD_CONTROL_URL: 'user:password',
      LEASEHOLD_CAPACITY: 'many',
      LEASEHOLD_PROTECT_MS: '5',
      LEASEHOLD_ON_REGISTRY_LOSS: 'hope',
      LEASEHOLD_SHARE_MIN: '2.5',
      LEASEHOLD_SHARE_PRIORITY: 'high',
    });
    expect(problems.map((text) => text.split(':')[0])).toEqual([
      'REDIS_URL',
      'DATABASE_URL',
      'LEASEHOLD_CONTROL_URL',
      'LEASEHOLD_ON_REGISTRY_LOSS',
      'LEASEHOLD_CAPACITY',
      'LEASEHOLD_PROTECT_MS',
      'LEASEHOLD_SHARE_MIN',
      'LEASEHOLD_SHARE_PRIORITY',
    ]);
    expect(problems.join()).not.toContain('password');
  });

  it('a share and what to do without a registry come from the environment, too', () => {
    const more = { LEASEHOLD_SHARE_MIN: '1', LEASEHOLD_SHARE_MAX: '3', LEASEHOLD_ON_REGISTRY_LOSS: 'keep' };
    const { config } = wire({ ...env, ...more }).pool;
    expect(config).toMatchObject({ share: { min: 1, max: 3, priority: 0 }, onRegistryLoss: 'keep' });
    expect(wire({ ...env, LEASEHOLD_SHARE_MIN: ' ' }).pool.config).toMatchObject({
      share: undefined,
      onRegistryLoss: 'refuse',
    });
  });

  it('a typing error in a variable is told, with what may be meant', () => {
    expect(problemsOf({ ...env, LEASEHOLD_PROTECT: '5000', LEASEHOLD_PROFILE: 'test' })).toEqual([
      'LEASEHOLD_PROTECT: no such variable; did you mean LEASEHOLD_PROTECT_MS?',
      'LEASEHOLD_PROFILE: "test" is not development, staging or production',
    ]);
  });

  it('the pool logs through the function’s logger, with its own level', async () => {
    const wired = wire({ ...env, LEASEHOLD_NAMESPACE: freshNamespace(), LEASEHOLD_LOG_LEVEL: 'info' });
    await sweeperHandler(wired)({ isNew: true }, lambdaContext());
    forget();
    await wired.pool.use((client) => client.query('SELECT 1'));
    expect(output()).toContain('"message":"Opened a connection"');
    expect(output()).not.toContain('"message":"Lent a connection"');
    await wired.close();
  });

  it('a wrong configuration fails the invocation with all of it, and a right one then works', async () => {
    const { AWS_LAMBDA_FUNCTION_NAME = '' } = env;
    expect(() => wire({ AWS_LAMBDA_FUNCTION_NAME })).toThrow(/REDIS_URL.*DATABASE_URL.*LEASEHOLD_RESOURCE/s);
  });

  it('outside Lambda leases are kept in memory without a registry’s URL, and it says so', async () => {
    forget();
    const { REDIS_URL: _, AWS_LAMBDA_FUNCTION_NAME: __, ...local } = env;
    const wired = wire(local);
    expect(output().match(/leases are kept in memory/g)).toHaveLength(1);
    await sweeperHandler(wired)({ isNew: true }, lambdaContext());
    const handler = ordersHandler(wired);
    const answer = await handler(httpEvent('GET /orders/{id}', { id: '1' }), contextFor(handler));
    expect(answer.statusCode).toBe(200);
    await wired.close();
  });
});
