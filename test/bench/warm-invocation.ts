import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { leasehold } from '../../lib/lambda/middleware.ts';
import { compare, type Result } from './measure.ts';
import { noopPool } from './noop-pool.ts';

const ROUNDS = 9;
const COUNT = 10_000;
const GOAL_US = 20;

const context = (): Context => ({
  callbackWaitsForEmptyEventLoop: false,
  functionName: 'bench',
  functionVersion: '1',
  invokedFunctionArn: 'arn:aws:lambda:eu-west-1:000000000000:function:bench',
  memoryLimitInMB: '128',
  awsRequestId: 'r',
  logGroupName: 'g',
  logStreamName: 's',
  getRemainingTimeInMillis: () => 30_000,
  done: () => undefined,
  fail: () => undefined,
  succeed: () => undefined,
});

/** A middy handler with the middleware and a warm lease, against the same handler with a bare cached client. */
export const warmInvocation = async (): Promise<Result> => {
  const { pool, registryCalls } = await noopPool();
  const client = {};
  const query = async (used: object): Promise<object> => used;
  const ours = middy<object, object>()
    .use(leasehold(pool, { key: 'db' }))
    .handler((_, { db }) => db.use(query));
  const bare = middy<object, object>().handler(() => query(client));
  const micros = await compare(
    [
      {
        name: 'leasehold',
        run: async (count) => {
          for (let done = 0; done < count; done += 1) await Reflect.apply(ours, undefined, [{}, context()]);
        },
      },
      {
        name: 'bare client',
        run: async (count) => {
          for (let done = 0; done < count; done += 1) await Reflect.apply(bare, undefined, [{}, context()]);
        },
      },
    ],
    ROUNDS,
    COUNT,
  );
  const calls = registryCalls();
  await pool.close();
  const with_ = micros.get('leasehold') ?? Number.NaN;
  const without = micros.get('bare client') ?? Number.NaN;
  const added = with_ - without;
  return {
    name: 'warm-invocation',
    ours: with_,
    unit: 'us',
    peers: [{ name: 'bare client', value: without }],
    ratio: without / with_,
    goal: `at most ${GOAL_US} us added (${added.toFixed(1)} in this run, ${calls} registry calls)`,
    met: added <= GOAL_US && calls === 0,
  };
};
