import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { APIGatewayProxyEventV2, APIGatewayProxyResultV2, Context, Handler } from 'aws-lambda';
import type pg from 'pg';
import { isLeaseholdError, type LeaseholdError, type Lent, type Pool } from '../../lib/index.ts';
import { withLeases } from '../../lib/lambda/with-leases.ts';
import { eventually, pause } from '../support/eventually.ts';
import { LeasedWorld, lambdaContext } from '../support/lambda.ts';

let world: LeasedWorld;
beforeEach(async () => {
  world = await LeasedWorld.open(3);
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const one = async (client: pg.Client): Promise<number> =>
  (await client.query<{ one: number }>('SELECT 1 AS one')).rows[0]?.one ?? 0;

const rejectionOf = async (promise: Promise<unknown>): Promise<LeaseholdError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isLeaseholdError(error)) throw new Error('Not a LeaseholdError', { cause: error });
  return error;
};

const countLeft = (pool: Pool<pg.Client>): { count: number } => {
  const left = { count: 0 };
  pool.events.on('leftLent', ({ count }) => {
    left.count += count;
  });
  return left;
};

describe('withLeases', () => {
  it('makes no call for an invocation that never touches the database', async () => {
    const pool = await world.pool();
    const handler = withLeases(pool, async (event: string) => `${event}!`);
    expect(await handler('a', lambdaContext())).toBe('a!');
    expect(world.registryCalls).toEqual([]);
    expect(await world.sessions()).toBe(0);
  });

  it('takes back what was acquired from the pool itself and not given back', async () => {
    const pool = await world.pool({ max: 1 });
    const left = countLeft(pool);
    const kept: Lent<pg.Client>[] = [];
    const handler = withLeases(pool, async (isForgetful: boolean) => {
      if (!isForgetful) return pool.use(one);
      kept.push(await pool.acquire());
      return 0;
    });
    await handler(true, lambdaContext());
    expect(left.count).toBe(1);
    expect(() => kept[0]?.connection).toThrow('given back');
    expect(await handler(false, lambdaContext())).toBe(1);
    expect(left.count).toBe(1);
  });

  it('lets the handler’s own error through unchanged, thrown at once or later', async () => {
    const pool = await world.pool();
    const failure = new Error('its own');
    const atOnce = withLeases(pool, (): string => {
      throw failure;
    });
    const later = withLeases(pool, async () => {
      await pool.acquire();
      throw failure;
    });
    await expect(atOnce({}, lambdaContext())).rejects.toBe(failure);
    await expect(later({}, lambdaContext())).rejects.toBe(failure);
    expect(pool.status()).toMatchObject({ lent: 0 });
  });

  it('bounds pool.use by what is left of the invocation', async () => {
    const other = await world.pool({ max: 3 });
    await other.acquire();
    await other.acquire();
    const pool = await world.pool();
    const handler = withLeases(pool, () => pool.use(one), { reserveMs: 400 });
    const since = performance.now();
    const error = await rejectionOf(handler({}, lambdaContext({ timeoutMs: 1_200 })));
    expect(error).toMatchObject({ code: 'ACQUIRE_TIMEOUT', statusCode: 503 });
    expect(performance.now() - since).toBeLessThan(1_190);
  });

  it('gives the place up at the end of the invocation when others wait for it', async () => {
    const pool = await world.pool({ max: 1, quantumMs: 0 });
    const other = await world.pool({ max: 2, quantumMs: 0 });
    const handler = withLeases(pool, async () => {
      const answer = await pool.use(one);
      await pause(150);
      return answer;
    });
    const lent = await other.acquire();
    const running = handler({}, lambdaContext());
    await eventually(async () => (await world.sessions()) === 2);
    const waiting = other.acquire({ timeoutMs: 5_000 });
    await eventually(() => other.status().waiting === 1);
    await eventually(async () => ((await world.registry.inspect('orders'))?.waiters ?? 0) === 1);
    expect(await running).toBe(1);
    const second = await waiting;
    await Promise.all([lent.giveBack(), second.giveBack()]);
    expect(await world.sessions()).toBeLessThanOrEqual(world.capacity);
  });

  it('works without a context, as in a test or a container', async () => {
    const pool = await world.pool();
    const handler = withLeases(pool, () => pool.use(one));
    expect(await handler(undefined, undefined as unknown as Context)).toBe(1);
  });

  it('nests: an inner wrapper on the same pool and context leaves the outer one its connections', async () => {
    const pool = await world.pool({ max: 2, env: { AWS_LAMBDA_FUNCTION_NAME: 'orders-api' } });
    const inner = withLeases(pool, () => pool.use(one));
    const outer = withLeases(pool, async (_event: string, context: Context) => {
      const lent = await pool.acquire();
      const answer = (await inner('', context)) + (await one(lent.connection));
      await lent.giveBack();
      return answer;
    });
    expect(await outer('', lambdaContext())).toBe(2);
  });

  it('refuses wrong options with every problem at once', () => {
    const wrong = { reserveMs: 0.5, metrics: {}, reserve: 1 };
    // @ts-expect-error wrong on purpose
    expect(() => withLeases({}, () => 1, wrong)).toThrow(/pool:.*reserve:.*reserveMs:.*metrics:/s);
  });

  it('keeps the types of event, context and result', async () => {
    const pool = await world.pool();
    const handler: Handler<APIGatewayProxyEventV2, APIGatewayProxyResultV2> = withLeases(
      pool,
      async (event: APIGatewayProxyEventV2, context: Context) => ({
        statusCode: 200,
        body: `${event.rawPath} ${context.awsRequestId} ${await pool.use(one)}`,
      }),
    );
    const length: (event: string, context: Context) => Promise<number> = withLeases(
      pool,
      (event: string) => event.length,
    );
    // @ts-expect-error the result is a number
    const wrong: (event: string, context: Context) => Promise<string> = length;
    expect([handler, wrong]).toHaveLength(2);
  });
});
