import { expect, test } from '@jest/globals';
import { LIMITS } from '../../lib/core/limits.ts';
import { Batch, type ScriptClient } from '../../lib/registry/redis/batch.ts';

type Replies = readonly (readonly [Error | null, unknown])[];

/** A client that tells how its calls came, and answers each with its own first argument. */
class TellingClient implements ScriptClient {
  readonly sent: string[] = [];
  answer = async (names: readonly string[]): Promise<Replies | null> => names.map((name) => [null, name]);

  async evalsha(_sha1: string, _keyCount: number, _key = '', name = ''): Promise<unknown> {
    this.sent.push(name);
    return name;
  }

  async eval(): Promise<unknown> {
    return undefined;
  }

  pipeline() {
    const names: string[] = [];
    return {
      evalsha: (_sha1: string, _keyCount: number, _key = '', name = '') => names.push(name),
      exec: () => {
        this.sent.push(names.join('+'));
        return this.answer(names);
      },
    };
  }
}

const open = () => {
  const client = new TellingClient();
  const batch = new Batch(client);
  const call = (name: string, key = 'one') => batch.evalsha('abc', [key], [name]);
  return { client, call };
};

test('a single call is sent at once, as it is', async () => {
  const { client, call } = open();
  const answer = call('a');
  expect(client.sent).toEqual(['a']);
  expect(await answer).toBe('a');
});

test('the calls of one turn that follow the first are sent together, each with its own answer', async () => {
  const { client, call } = open();
  expect(await Promise.all(['a', 'b', 'c'].map((name) => call(name)))).toEqual(['a', 'b', 'c']);
  expect(client.sent).toEqual(['a', 'b+c']);
  expect(await call('d')).toBe('d');
  expect(client.sent).toEqual(['a', 'b+c', 'd']);
});

test('what is sent together is of one resource: two may live on two nodes', async () => {
  const { client, call } = open();
  await Promise.all([call('a'), call('b'), call('x', 'two'), call('c'), call('y', 'two')]);
  expect(client.sent).toEqual(['a', 'b+c', 'x+y']);
});

test(`no more than ${LIMITS.pageMax} calls are sent together (L11)`, async () => {
  const { client, call } = open();
  await Promise.all(Array.from({ length: LIMITS.pageMax + 3 }, (_, at) => call(String(at))));
  expect(client.sent.map((text) => text.split('+').length)).toEqual([1, LIMITS.pageMax, 2]);
});

test('the error of one call is not that of its neighbour', async () => {
  const { client, call } = open();
  client.answer = async () => [
    [new Error('NOSCRIPT'), undefined],
    [null, 'fine'],
  ];
  const [, b, c] = await Promise.allSettled([call('a'), call('b'), call('c')]);
  expect(b).toMatchObject({ status: 'rejected', reason: { message: 'NOSCRIPT' } });
  expect(c).toMatchObject({ status: 'fulfilled', value: 'fine' });
});

test.each([
  ['refuses', async () => Promise.reject(new Error('no'))],
  ['answers nothing', async () => null],
  [
    'throws',
    () => {
      throw new TypeError('no');
    },
  ],
])('every call is told where the client %s', async (_, answer) => {
  const { client, call } = open();
  client.answer = answer;
  const [a, b, c] = await Promise.allSettled([call('a'), call('b'), call('c')]);
  expect([a?.status, b?.status, c?.status]).toEqual(['fulfilled', 'rejected', 'rejected']);
});

test('a client without pipelines is sent every call by itself', async () => {
  const sent: string[] = [];
  const evalsha = async (...args: readonly unknown[]) => sent.push(String(args[3]));
  const batch = new Batch({ evalsha, eval: evalsha });
  await Promise.all(['a', 'b'].map((name) => batch.evalsha('abc', ['one'], [name])));
  expect(sent).toEqual(['a', 'b']);
});
