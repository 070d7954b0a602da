import { expect, test } from '@jest/globals';
import type { CloudFormationCustomResourceEvent } from 'aws-lambda';
import { type FirstStepParts, firstStepHandler, readFirstStep } from '../../functions/first-step.ts';
import { FakeClock } from '../support/fake-clock.ts';

const ENV = {
  FIRST_STEP_SWEEPER: 'orders-sweeper',
  FIRST_STEP_CLUSTER_ARN: 'cluster',
  FIRST_STEP_SECRET_ARN: 'secret',
  FIRST_STEP_DATABASE: 'orders',
  FIRST_STEP_SQL:
    'CREATE ROLE app;\n-- Tables.\nCREATE TABLE a (\n  b text -- a; b\n);\n\nCREATE TABLE c (d text);\n',
};

const eventOf = (RequestType: string, properties: object = {}): CloudFormationCustomResourceEvent =>
  ({
    RequestType,
    ResponseURL: 'https://answer.example.com',
    StackId: 'stack',
    RequestId: 'request',
    LogicalResourceId: 'FirstStep',
    ResourceProperties: { ServiceToken: 'x', ClusterArn: 'cluster', ...properties },
    ...(RequestType === 'Update' ? { OldResourceProperties: { ClusterArn: 'cluster' } } : {}),
  }) as unknown as CloudFormationCustomResourceEvent;

/** A world in which the first step is taken: what was done, and the answer that CloudFormation got. */
const firstStep = (faults: Partial<FirstStepParts> = {}, env: Record<string, string> = ENV) => {
  const did: string[] = [];
  const answers: Record<string, unknown>[] = [];
  const clock = new FakeClock();
  const handler = firstStepHandler({
    settings: readFirstStep(env),
    execute: async (sql) => did.push(sql),
    invoke: async (name, event) => {
      did.push(`${name} ${JSON.stringify(event)}`);
      return undefined;
    },
    answer: async (url, body) => answers.push({ url, ...JSON.parse(body) }),
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    clock,
    ...faults,
  });
  const run = (event: CloudFormationCustomResourceEvent, remainingMs = 240_000): Promise<void> => {
    const startMs = clock.wallMs();
    return handler(event, { getRemainingTimeInMillis: () => remainingMs - (clock.wallMs() - startMs) });
  };
  return { did, answers, clock, run };
};

const SUCCESS = {
  url: 'https://answer.example.com',
  Status: 'SUCCESS',
  PhysicalResourceId: 'FirstStep',
  StackId: 'stack',
  RequestId: 'request',
  LogicalResourceId: 'FirstStep',
};

test('a new stack: the database statement by statement, then the word to the sweeper', async () => {
  const { did, answers, run } = firstStep();
  await run(eventOf('Create'));
  expect(did).toEqual([
    'CREATE ROLE app',
    'CREATE TABLE a (\n  b text -- a; b\n)',
    'CREATE TABLE c (d text)',
    'orders-sweeper {"isNew":true}',
  ]);
  expect(answers).toEqual([SUCCESS]);
});

test('a database of somebody else is left alone', async () => {
  const { did, answers, run } = firstStep({}, { ...ENV, FIRST_STEP_CLUSTER_ARN: '' });
  await run(eventOf('Create', { ClusterArn: '' }));
  expect(did).toEqual(['orders-sweeper {"isNew":true}']);
  expect(answers).toEqual([SUCCESS]);
});

test.each(['Update', 'Delete'])('%s of a stack does nothing, for its resource is not new', async (type) => {
  const { did, answers, run } = firstStep();
  await run(eventOf(type));
  expect(did).toEqual([]);
  expect(answers).toEqual([SUCCESS]);
});

test('a stack that gets another database has it prepared; its resource is not new', async () => {
  const { did, answers, run } = firstStep();
  await run(eventOf('Update', { ClusterArn: 'another' }));
  expect(did).toHaveLength(3);
  expect(did).not.toContain('orders-sweeper {"isNew":true}');
  expect(answers).toEqual([SUCCESS]);
});

test('who invokes the function chooses neither the statements nor whom they are for', async () => {
  const { did, run } = firstStep();
  await run(eventOf('Create', { Statements: ['DROP TABLE orders'], Sweeper: 'another', Database: 'others' }));
  expect(did.join()).not.toMatch(/DROP|another|others/);
  expect(did).toHaveLength(4);
});

test('a database that cannot be prepared fails the deployment, and the registry is told nothing', async () => {
  const { did, answers, run } = firstStep({
    execute: async () => {
      throw new Error('permission denied');
    },
  });
  await run(eventOf('Create'));
  expect(did).toEqual([]);
  expect(answers).toMatchObject([
    { Status: 'FAILED', Reason: 'The database could not be prepared: permission denied' },
  ]);
});

const resuming = (): Error => Object.assign(new Error('resuming'), { name: 'DatabaseResumingException' });

test('a database that has paused is waited for', async () => {
  let asked = 0;
  const { answers, clock, run } = firstStep({
    execute: async () => {
      asked += 1;
      if (asked <= 5) throw resuming();
    },
  });
  const done = run(eventOf('Create'));
  await clock.advanceAsync(15_000);
  await done;
  expect(asked).toBe(8);
  expect(answers).toEqual([SUCCESS]);
});

test('but no longer than there is time for the sweeper and the answer', async () => {
  const { answers, clock, run } = firstStep({ execute: async () => Promise.reject(resuming()) });
  const done = run(eventOf('Create'), 240_000);
  await clock.advanceAsync(170_000);
  await done;
  expect(answers).toMatchObject([{ Status: 'FAILED' }]);
});

test.each<[string, FirstStepParts['invoke']]>([
  ['answers with an error', async () => 'Unhandled: no REDIS_URL'],
  ['cannot be invoked', async () => Promise.reject(new Error('throttled'))],
])('a sweeper that %s fails no deployment: the registry learns by itself', async (_, invoke) => {
  const { answers, run } = firstStep({ invoke });
  await run(eventOf('Create'));
  expect(answers).toEqual([SUCCESS]);
});
