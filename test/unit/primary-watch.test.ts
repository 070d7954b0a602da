import { expect, test } from '@jest/globals';
import {
  type PrimaryChange,
  PrimaryWatch,
  type WatchedClient,
} from '../../lib/registry/redis/primary-watch.ts';

const ZEROS = '0'.repeat(40);
const A = ['master', 'a1', 'ha', ZEROS];
const B = ['master', 'b1', 'hb', 'ha'];

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A client whose server says what the test tells it to. */
class TalkingClient implements WatchedClient {
  status = 'ready';
  /** Keys that were looked at. */
  readonly asked: string[] = [];
  answer: unknown = A;
  readonly #listeners = new Map<string, (() => void)[]>();

  eval(_script: string, _count: number, key = ''): Promise<unknown> {
    this.asked.push(key);
    return this.answer instanceof Error ? Promise.reject(this.answer) : Promise.resolve(this.answer);
  }

  on(event: string, listener: () => void): void {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
  }

  emit(event: string): void {
    for (const listener of this.#listeners.get(event) ?? []) listener();
  }

  reconnect(answer: unknown): void {
    this.emit('close');
    this.answer = answer;
  }
}

const open = async () => {
  const client = new TalkingClient();
  const told: [string, PrimaryChange][] = [];
  const held: { until: Promise<void> } = { until: Promise.resolve() };
  const watch = new PrimaryWatch(client, (key, change) => {
    told.push([key, change]);
    return held.until;
  });
  expect(watch.before('k')).toBeUndefined();
  await turn();
  return { client, told, watch, held };
};

test('the first script waits for nothing; the look goes beside it, once', async () => {
  const { client, told, watch } = await open();
  expect(client.asked).toEqual(['k']);
  expect(watch.before('k')).toBeUndefined();
  await turn();
  expect(client.asked).toEqual(['k']);
  expect(told).toEqual([]);
});

test('the look is sent behind the script that caused it', () => {
  const client = new TalkingClient();
  const watch = new PrimaryWatch(client, async () => undefined);
  expect(watch.before('k')).toBeUndefined();
  expect(client.asked).toEqual([]);
});

test('after a lost connection scripts wait for one look; the same primary is no news', async () => {
  const { client, told, watch } = await open();
  client.reconnect(A);
  await Promise.all([watch.before('k'), watch.before('k')]);
  expect(client.asked).toEqual(['k', 'k']);
  expect(watch.before('k')).toBeUndefined();
  expect(told).toEqual([]);
});

test('a replica that was promoted is told of, once, and scripts wait until the listener is done', async () => {
  const { client, told, watch, held } = await open();
  let isDone = (): void => undefined;
  held.until = new Promise((resolve) => {
    isDone = resolve;
  });
  client.reconnect(B);
  let isFree = false;
  const waiting = watch.before('k')?.then(() => {
    isFree = true;
  });
  await turn();
  expect(isFree).toBe(false);
  isDone();
  await waiting;
  await watch.before('k');
  expect(told).toEqual([['k', { kind: 'promoted', from: 'a1.ha', to: 'b1.hb' }]]);
});

test.each([
  ['a restart is a change', ['master', 'a2', 'h2', ZEROS], 'replaced'],
  ['a primary that was a replica in between is a change', ['master', 'a1', 'h3', 'hb'], 'replaced'],
  ['a history that begins anew with the first replica is none', ['master', 'a1', 'h2', ZEROS], undefined],
])('%s', async (_, answer, kind) => {
  const { client, told, watch } = await open();
  client.reconnect(answer);
  await watch.before('k');
  expect(told.map(([, change]) => change.kind)).toEqual(kind === undefined ? [] : [kind]);
});

test('each resource is told of its own', async () => {
  const { client, told, watch } = await open();
  watch.before('other');
  await turn();
  client.reconnect(B);
  await Promise.all([watch.before('k'), watch.before('other')]);
  expect(told.map(([key]) => key)).toEqual(['k', 'other']);
});

test('a listener that failed is told again before the next script', async () => {
  const { client, told, watch, held } = await open();
  held.until = Promise.reject(new Error('not now'));
  client.reconnect(B);
  await expect(watch.before('k')).rejects.toThrow('not now');
  held.until = Promise.resolve();
  await watch.before('k');
  expect(told).toHaveLength(2);
  expect(watch.before('k')).toBeUndefined();
});

test('a connection that was lost again during the look is looked at again', async () => {
  const { client, told, watch } = await open();
  client.reconnect(A);
  const waiting = watch.before('k');
  client.reconnect(B);
  await waiting;
  expect(client.asked).toEqual(['k', 'k', 'k']);
  expect(told).toHaveLength(1);
});

test('a connection that is not ready holds scripts back although no event has come yet', async () => {
  const { client, watch } = await open();
  client.status = 'close';
  client.answer = new Error('Connection is closed.');
  await expect(watch.before('k')).rejects.toThrow('closed');
});

test('a replica is not taken for a primary: scripts are not sent there', async () => {
  const { client, told, watch } = await open();
  client.reconnect(['slave', 'b1', 'ha', ZEROS]);
  await expect(watch.before('k')).rejects.toThrow('primary');
  expect(told).toEqual([]);
});

test('a service that does not tell who it is is left in peace', async () => {
  const client = new TalkingClient();
  client.answer = ['', '', '', ''];
  const watch = new PrimaryWatch(client, async () => undefined);
  watch.before('k');
  await turn();
  client.reconnect(B);
  expect(watch.before('k')).toBeUndefined();
  await turn();
  expect(client.asked).toEqual(['k']);
});

test('a first look that failed is made again beside the next script', async () => {
  const client = new TalkingClient();
  client.answer = new Error('LOADING');
  const watch = new PrimaryWatch(client, async () => undefined);
  watch.before('k');
  await turn();
  expect(watch.before('k')).toBeUndefined();
  await turn();
  expect(client.asked).toEqual(['k', 'k']);
});

test('in a cluster a lost node is a lost connection; new slots are looked at beside', async () => {
  const { client, told, watch } = await open();
  client.emit('refresh');
  client.answer = B;
  expect(watch.before('k')).toBeUndefined();
  await turn();
  expect(told).toHaveLength(1);
  client.emit('-node');
  expect(watch.before('k')).toBeInstanceOf(Promise);
});
