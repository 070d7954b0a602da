import { expect, test } from '@jest/globals';
import { Cluster, Redis } from 'ioredis';
import { redisRegistry } from '../../lib/registry/redis/redis-registry.ts';
import { acknowledgedBy, type PipelineClient } from '../../lib/registry/redis/replica-wait.ts';

type Results = Awaited<ReturnType<ReturnType<PipelineClient['pipeline']>['exec']>>;

const over = (results: Results) => {
  const sent: string[] = [];
  const pipeline: ReturnType<PipelineClient['pipeline']> = {
    evalsha: (sha1, keyCount, ...args) => note(`evalsha ${sha1} ${keyCount} ${args}`),
    eval: (script, keyCount, ...args) => note(`eval ${script} ${keyCount} ${args}`),
    wait: (replicas, timeoutMs) => note(`wait ${replicas} ${timeoutMs}`),
    exec: async () => results,
  };
  const note = (what: string) => {
    sent.push(what);
    return pipeline;
  };
  return { sent, client: acknowledgedBy({ pipeline: () => pipeline }, 1, 50) };
};

const GRANTED = ['granted', 1];

test('a grant that the replicas have is the answer, with WAIT in the same round trip', async () => {
  const { sent, client } = over([
    [null, GRANTED],
    [null, 1],
  ]);
  expect(await client.evalsha('sha', 1, 'k', 'a')).toBe(GRANTED);
  expect(sent).toEqual(['evalsha sha 1 k,a', 'wait 1 50']);
});

test.each([
  ['in full', GRANTED],
  ['by its fence alone', 7],
  ['by its fence alone, under pressure', -7],
])('a grant that too few replicas have is no answer, told %s', async (_, granted) => {
  const { client } = over([
    [null, granted],
    [null, 0],
  ]);
  await expect(client.eval('text', 1, 'k')).rejects.toThrow('0 of 1 replicas have the grant after 50 ms');
});

test('a denial needs no replica', async () => {
  const { client } = over([
    [null, ['denied', 'FULL', 5]],
    [new Error('ERR WAIT cannot be used'), undefined],
  ]);
  expect(await client.evalsha('sha', 1, 'k')).toEqual(['denied', 'FULL', 5]);
});

test.each<[string, Results]>([
  [
    'the script',
    [
      [new Error('boom'), undefined],
      [null, 1],
    ],
  ],
  [
    'WAIT',
    [
      [null, GRANTED],
      [new Error('boom'), undefined],
    ],
  ],
])('an error of %s is the answer', async (_, results) => {
  await expect(over(results).client.evalsha('sha', 1, 'k')).rejects.toThrow('boom');
});

test('a pipeline without answers is an error', async () => {
  await expect(over(null).client.evalsha('sha', 1, 'k')).rejects.toThrow('not answered');
});

test('replicas are refused for Cluster and beyond their bounds, with all problems at once', () => {
  const cluster = new Cluster([], { lazyConnect: true });
  const redis = new Redis({ lazyConnect: true });
  expect(() => redisRegistry(cluster, { replicas: 1, replicaTimeoutMs: 1_000 })).toThrow(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      details: {
        problems: [expect.stringContaining('replicaTimeoutMs'), expect.stringContaining('Cluster')],
      },
    }),
  );
  expect(() => redisRegistry(redis, { replicas: 1.5 })).toThrow('replicas is 1.5');
  expect(redisRegistry(redis, { replicas: 1, replicaTimeoutMs: 999 })).toBeDefined();
  expect(redisRegistry(cluster)).toBeDefined();
});
