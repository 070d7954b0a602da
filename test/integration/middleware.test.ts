import { Readable, Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import middy from '@middy/core';
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse';
import pg from 'pg';
import { isLeaseholdError, type LeaseholdError, type Lent, type Pool } from '../../lib/index.ts';
import { leasehold } from '../../lib/lambda/middleware.ts';
import { eventually, pause } from '../support/eventually.ts';
import { contextFor, LeasedWorld, lambdaContext } from '../support/lambda.ts';

// A goodbye behind a running statement takes operationTimeoutMs.
jest.setTimeout(20_000);

interface Event {
  readonly id: string;
}

/** One invocation at a time, as on Lambda. */
const ON_LAMBDA = { AWS_LAMBDA_FUNCTION_NAME: 'orders-api' };

const rejectionOf = async (promise: Promise<unknown>): Promise<LeaseholdError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isLeaseholdError(error)) throw new Error('Not a LeaseholdError', { cause: error });
  return error;
};

let world: LeasedWorld;
beforeEach(async () => {
  world = await LeasedWorld.open(3);
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const pid = async (client: pg.Client): Promise<number> =>
  (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid ?? 0;

const countLeft = (pool: Pool<pg.Client>): { count: number } => {
  const left = { count: 0 };
  pool.events.on('leftLent', ({ count }) => {
    left.count += count;
  });
  return left;
};

describe('the handle on the context', () => {
  it('is lazy: an invocation that never touches the database takes no lease and makes no call', async () => {
    const pool = await world.pool();
    const handler = middy<Event, string>()
      .use(leasehold(pool, { key: 'db' }))
      .handler(async (event, context) => `${event.id} ${typeof context.db.use}`);
    expect(await handler({ id: '1' }, contextFor(handler))).toBe('1 function');
    expect(world.registryCalls).toEqual([]);
    expect(await world.sessions()).toBe(0);
  });

  it('lends a real client, and the lease stays with the process for the next invocation', async () => {
    const pool = await world.pool();
    const handler = middy<Event, number>()
      .use(leasehold(pool))
      .handler(async (_event, context) =>
        context.db.use((client) => {
          expect(client).toBeInstanceOf(pg.Client);
          return pid(client);
        }),
      );
    const first = await handler({ id: '1' }, contextFor(handler));
    await eventually(() => world.registryCalls.includes('renew'));
    world.registryCalls.length = 0;
    expect(await handler({ id: '2' }, contextFor(handler))).toBe(first);
    expect(world.registryCalls).toEqual([]);
    expect(pool.status()).toMatchObject({ idle: 1, lent: 0 });
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1 });
  });

  it('is of no use after its invocation', async () => {
    const pool = await world.pool();
    const handler = middy<Event, object>()
      .use(leasehold(pool))
      .handler(async (_event, context) => ({ db: context.db }));
    const { db } = (await handler({ id: '1' }, contextFor(handler))) as { db: Pool<pg.Client> };
    expect(await rejectionOf(db.use(pid))).toMatchObject({ code: 'USED_AFTER_RETURN' });
    expect(await rejectionOf(db.acquire())).toMatchObject({ code: 'USED_AFTER_RETURN' });
    expect(pool.status()).toMatchObject({ idle: 0, lent: 0, opening: 0 });
  });
});

describe('the end of an invocation', () => {
  it('takes back what a handler has forgotten to give back, and nobody else gets that client', async () => {
    const pool = await world.pool({ max: 1 });
    const left = countLeft(pool);
    const kept: Lent<pg.Client>[] = [];
    const handler = middy<Event, number>()
      .use(leasehold(pool))
      .handler(async (event, context) => {
        const lent = await context.db.acquire();
        if (event.id === 'forgets') kept.push(lent);
        const answer = await pid(lent.connection);
        if (event.id !== 'forgets') await lent.giveBack();
        return answer;
      });
    const first = await handler({ id: 'forgets' }, contextFor(handler));
    expect(left.count).toBe(1);
    expect(() => kept[0]?.connection).toThrow('given back');
    const second = await handler({ id: 'well-behaved' }, contextFor(handler));
    expect(second).not.toBe(first);
    await kept[0]?.giveBack();
    expect(pool.status()).toMatchObject({ idle: 1, lent: 0 });
    expect(left.count).toBe(1);
    expect(await world.sessions()).toBe(1);
  });

  it('gives back when the handler throws, and the error passes through unchanged', async () => {
    const pool = await world.pool({ max: 1 });
    const failure = new Error('its own');
    const handler = middy<Event, number>()
      .use(leasehold(pool))
      .handler(async (_event, context) => {
        await context.db.use((client) => client.query('BEGIN'));
        await context.db.acquire();
        throw failure;
      });
    await expect(handler({ id: '1' }, contextFor(handler))).rejects.toBe(failure);
    expect(pool.status()).toMatchObject({ lent: 0 });
    await pool.use(pid, { timeoutMs: 2_000 });
  });

  it('takes a connection back from work that middy has timed out, and the next invocation is served', async () => {
    const pool = await world.pool({ max: 1, env: ON_LAMBDA });
    const left = countLeft(pool);
    const handler = middy<Event, unknown>()
      .use(leasehold(pool, { reserveMs: 50 }))
      .handler(async (event, context) =>
        context.db.use((client) => client.query(event.id === 'slow' ? 'SELECT pg_sleep(20)' : 'SELECT 1')),
      );
    await expect(handler({ id: 'slow' }, contextFor(handler, { timeoutMs: 1_500 }))).rejects.toThrow(
      'aborted',
    );
    expect(left.count).toBe(1);
    const since = performance.now();
    await handler({ id: 'quick' }, contextFor(handler));
    // The goodbye waits behind the statement, at most operationTimeoutMs.
    expect(performance.now() - since).toBeLessThan(5_000);
    expect(pool.status()).toMatchObject({ idle: 1, lent: 0 });
  });

  it('cuts off what nobody has awaited, and the process lives on', async () => {
    const pool = await world.pool({ max: 1 });
    const handler = middy<Event, string>()
      .use(leasehold(pool))
      .handler(async (_event, context) => {
        await context.db.use(pid);
        void context.db.use((client) => client.query('SELECT pg_sleep(20)'));
        return 'answered';
      });
    const accidents: unknown[] = [];
    const onAccident = (reason: unknown): unknown => accidents.push(reason);
    process.on('unhandledRejection', onAccident);
    expect(await handler({ id: '1' }, contextFor(handler))).toBe('answered');
    await eventually(() => pool.status().closing === 0, { what: 'the end of the statement' });
    await pause(10);
    process.off('unhandledRejection', onAccident);
    expect(accidents).toEqual([]);
    expect(pool.status()).toMatchObject({ lent: 0 });
  });

  it('at the next before, cleans up what an early return has left behind', async () => {
    const pool = await world.pool({ max: 1, env: ON_LAMBDA });
    const left = countLeft(pool);
    const handler = middy<Event, string>()
      .use(leasehold(pool))
      .before(async ({ event, context }) => {
        if (event.id !== 'early') return undefined;
        await context.db.acquire();
        return 'early';
      })
      .handler(async (_event, context) => `served by ${typeof (await context.db.use(pid))}`);
    expect(await handler({ id: 'early' }, contextFor(handler))).toBe('early');
    expect(pool.status()).toMatchObject({ lent: 1 });
    expect(left.count).toBe(0);
    expect(await handler({ id: 'next' }, contextFor(handler))).toBe('served by number');
    expect(left.count).toBe(1);
    expect(await handler({ id: 'another' }, contextFor(handler))).toBe('served by number');
    expect(left.count).toBe(1);
  });

  it('where invocations run at once, cleans up only those whose time is up', async () => {
    const pool = await world.pool({ max: 2 });
    const left = countLeft(pool);
    const handler = middy<Event, string>()
      .use(leasehold(pool))
      .before(async ({ event, context }) => {
        if (event.id === 'plain') return undefined;
        await context.db.acquire();
        return 'early';
      })
      .handler(async (_event, context) => `served by ${typeof (await context.db.use(pid))}`);
    await handler({ id: 'early' }, contextFor(handler, { timeoutMs: 1_000 }));
    await handler({ id: 'plain' }, contextFor(handler));
    expect(left.count).toBe(0);
    expect(pool.status()).toMatchObject({ lent: 1 });
    await pause(1_050);
    await handler({ id: 'plain' }, contextFor(handler));
    expect(left.count).toBe(1);
    expect(pool.status()).toMatchObject({ lent: 0 });
  });

  it('leaves a body that is still being streamed what it needs, until the stream closes', async () => {
    const chunks: string[] = [];
    const sink = (): Writable =>
      new Writable({
        write: (chunk, _encoding, done) => {
          chunks.push(String(chunk));
          done();
        },
      });
    Reflect.set(globalThis, 'awslambda', {
      streamifyResponse:
        (wrapped: (event: unknown, stream: Writable, context: unknown) => Promise<void>) =>
        (event: unknown, context: unknown) =>
          wrapped(event, sink(), context),
    });
    const pool = await world.pool({ max: 1 });
    const handler = middy<Event, Readable>({ executionMode: executionModeStreamifyResponse })
      .use(leasehold(pool))
      .handler(async (_event, context) =>
        Readable.from(
          (async function* () {
            const lent = await context.db.acquire();
            yield `${typeof (await pid(lent.connection))} `;
            await pause(20);
            yield `${typeof (await pid(lent.connection))}`;
          })(),
        ),
      );
    await handler({ id: '1' }, contextFor(handler));
    Reflect.deleteProperty(globalThis, 'awslambda');
    expect(chunks.join('')).toBe('number number');
    await eventually(() => pool.status().lent === 0, { what: 'taking back at the end of the stream' });
  });
});

describe('the deadline', () => {
  /** Somebody else has all there is, and keeps it. */
  const takeAll = async (): Promise<void> => {
    const other = await world.pool({ max: 3 });
    await other.acquire();
    await other.acquire();
  };

  it('ends a wait in time for an answer: 503 with Retry-After', async () => {
    await takeAll();
    const pool = await world.pool();
    const handler = middy<Event, number>()
      .use(leasehold(pool, { reserveMs: 400 }))
      .handler(async (_event, context) => context.db.use(pid));
    const since = performance.now();
    const error = await rejectionOf(handler({ id: '1' }, contextFor(handler, { timeoutMs: 1_200 })));
    const elapsedMs = performance.now() - since;
    expect(error).toMatchObject({ code: 'ACQUIRE_TIMEOUT', statusCode: 503, expose: true });
    expect(error.headers).toEqual({ 'Retry-After': '1' });
    expect(elapsedMs).toBeGreaterThan(700);
    expect(elapsedMs).toBeLessThan(1_190);
  });

  it('reaches pool.use inside the handler, also behind a middleware that awaits', async () => {
    await takeAll();
    const pool = await world.pool();
    const handler = middy<Event, number>()
      .before(() => pause(20))
      .use(leasehold(pool, { reserveMs: 400 }))
      .before(() => pause(20))
      .handler(async () => {
        await pause(20);
        return pool.use(pid);
      });
    const since = performance.now();
    await rejectionOf(handler({ id: '1' }, contextFor(handler, { timeoutMs: 1_200 })));
    expect(performance.now() - since).toBeLessThan(1_190);
  });

  it('on Lambda, holds also where the framework loses the asynchronous context, as middy 6 does', async () => {
    await takeAll();
    const pool = await world.pool({ env: ON_LAMBDA });
    const ours = leasehold(pool, { reserveMs: 400 });
    const context = lambdaContext({ timeoutMs: 1_200 }) as Parameters<typeof ours.before>[0]['context'];
    const request = { event: {}, context, response: undefined, error: undefined, internal: {} };
    const runBefores = async (): Promise<void> => {
      await pause(20);
      ours.before(request);
    };
    await runBefores();
    const since = performance.now();
    await rejectionOf(pool.use(pid));
    expect(performance.now() - since).toBeLessThan(1_190);
    await ours.after(request);
  });

  it('is each invocation’s own: concurrent ones disturb each other neither in time nor in connections', async () => {
    await takeAll();
    const pool = await world.pool({ max: 10 });
    const handler = middy<Event, number>()
      .before(() => pause(5))
      .use(leasehold(pool, { reserveMs: 100 }))
      .handler(() => pool.use(pid));
    const waits = await Promise.all(
      [400, 2_000, 1_200].map(async (timeoutMs) => {
        const since = performance.now();
        await rejectionOf(handler({ id: '1' }, contextFor(handler, { timeoutMs })));
        return performance.now() - since;
      }),
    );
    for (const [at, expected] of [300, 1_900, 1_100].entries()) {
      expect(waits[at]).toBeGreaterThan(expected - 60);
      expect(waits[at]).toBeLessThan(expected + 250);
    }
  });

  it('leaves a concurrent invocation its connection when another one ends', async () => {
    const pool = await world.pool({ max: 2 });
    const left = countLeft(pool);
    const handler = middy<Event, number>()
      .use(leasehold(pool))
      .handler(async (event, context) => {
        const lent = await context.db.acquire();
        if (event.id === 'long') await pause(200);
        const answer = await pid(lent.connection);
        if (event.id === 'long') await lent.giveBack();
        return answer;
      });
    const [long] = await Promise.all([
      handler({ id: 'long' }, contextFor(handler)),
      handler({ id: 'short' }, contextFor(handler)),
    ]);
    expect(typeof long).toBe('number');
    expect(left.count).toBe(1);
  });
});

describe('what web layers see', () => {
  /** What @middy/http-error-handler 7.9 does with an error; it runs before or after ours. */
  const httpErrorHandler = () => ({
    onError: (request: { error: unknown; response: unknown }): void => {
      const { statusCode, expose, message, headers } = request.error as LeaseholdError;
      request.response = expose && statusCode ? { statusCode, body: message, headers } : { statusCode: 500 };
    },
  });

  it.each(['before', 'after'])(
    'a LeaseholdError becomes 503 with Retry-After without help, %s ours',
    async (order) => {
      const pool = await world.pool({ driver: world.driver('postgresql://nobody@127.0.0.1:9/nothing') });
      const ours = leasehold(pool, { reserveMs: 400 });
      const wrapped = middy<Event, unknown>();
      const handler = (
        order === 'before'
          ? wrapped.use(httpErrorHandler()).use(ours)
          : wrapped.use(ours).use(httpErrorHandler())
      ).handler(async (_event, context) => context.db.use(pid));
      const response = await handler({ id: '1' }, contextFor(handler, { timeoutMs: 1_200 }));
      expect(response).toMatchObject({
        statusCode: 503,
        headers: { 'Retry-After': expect.stringMatching(/^[1-9]\d*$/) },
      });
    },
  );
});

describe('options', () => {
  it('are refused with every problem at once', () => {
    const wrong = { key: '', reserveMs: -1, metrics: {}, kye: 'db' };
    // @ts-expect-error wrong on purpose
    expect(() => leasehold(undefined, wrong)).toThrow(/pool:.*kye:.*reserveMs:.*metrics:.*key:/s);
  });
});

/** Checked by tsc, never run. */
const typesAreInferred = (pool: Pool<pg.Client>, stock: Pool<{ readonly shelves: number }>, name: string) => {
  // @ts-expect-error the key is one literal, or nobody knows what the handler finds where
  leasehold(pool, { key: name });
  // @ts-expect-error the key is not one that Lambda's own context has
  leasehold(pool, { key: 'awsRequestId' });
  return middy<Event, number>()
    .use(leasehold(pool, { key: 'db' }))
    .use(leasehold(stock, { key: 'stock' }))
    .handler(async (event, context) => {
      const rows = await context.db.use((client) => client.query<{ n: number }>('SELECT $1', [event.id]));
      const shelves: number = await context.stock.use((connection) => connection.shelves);
      // @ts-expect-error never a connection
      context.db.query;
      // @ts-expect-error nothing else is there
      context.pool;
      const id: string = context.awsRequestId;
      return (rows.rows[0]?.n ?? shelves) + id.length;
    });
};

describe('types', () => {
  it('are inferred through middy without an annotation', () => {
    expect(typesAreInferred).toBeInstanceOf(Function);
  });
});
