import { expect, test } from '@jest/globals';
import { PrimaryWatch, type WatchedClient } from '../../lib/registry/redis/primary-watch.ts';

const SCRIPT = { sha1: 'sha', text: 'text' };
const KEYS = ['k', 'times'];
const OTHERS = ['other', 'times'];

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const noScript = (): Error =>
  Object.assign(new Error('NOSCRIPT No matching script.'), { name: 'ReplyError' });

/** A client whose server says what the test tells it to. */
class TalkingClient implements WatchedClient {
  status = 'ready';
  /** What was sent, with its first key. */
  readonly sent: string[] = [];
  /** What scripts by hash are answered; scripts by text are always known. */
  answer: unknown = ['done', 'known'];
  readonly #listeners = new Map<string, (() => void)[]>();

  evalsha(sha1: string, count: number, ...keys: string[]): Promise<unknown> {
    this.sent.push(`${sha1} ${count} ${keys}`);
    return this.answer instanceof Error ? Promise.reject(this.answer) : Promise.resolve(this.answer);
  }

  eval(text: string, count: number, ...keys: string[]): Promise<unknown> {
    this.sent.push(`${text} ${count} ${keys}`);
    return Promise.resolve(['done', 'known']);
  }

  on(event: string, listener: () => void): void {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
  }

  emit(event: string): void {
    for (const listener of this.#listeners.get(event) ?? []) listener();
  }
}

const LOOK = 'sha 2 k,times';

const open = async () => {
  const client = new TalkingClient();
  const watch = new PrimaryWatch(client, SCRIPT);
  expect(watch.before(KEYS)).toBeUndefined();
  await turn();
  return { client, watch };
};

test('the first look is sent before the script that caused it, which waits for nothing; there is one', async () => {
  const client = new TalkingClient();
  const watch = new PrimaryWatch(client, SCRIPT);
  expect(watch.before(KEYS)).toBeUndefined();
  expect(client.sent).toEqual([LOOK]);
  expect(watch.before(KEYS)).toBeUndefined();
  await turn();
  expect(watch.before(KEYS)).toBeUndefined();
  expect(client.sent).toEqual([LOOK]);
});

test('a server that does not know the script is sent its text', async () => {
  const client = new TalkingClient();
  client.answer = noScript();
  const watch = new PrimaryWatch(client, SCRIPT);
  watch.before(KEYS);
  await turn();
  expect(client.sent).toEqual([LOOK, 'text 2 k,times']);
  expect(watch.before(KEYS)).toBeUndefined();
  expect(client.sent).toHaveLength(2);
});

test.each([
  ['known', ['done', 'known']],
  ['learning', ['done', 'learning']],
  ['kept by a newer version, as the next script will tell', ['upgrade', 9]],
])('after a lost connection scripts wait for one look; then the resource is %s', async (_, answer) => {
  const { client, watch } = await open();
  client.emit('close');
  client.answer = answer;
  await Promise.all([watch.before(KEYS), watch.before(KEYS)]);
  expect(client.sent).toEqual([LOOK, LOOK]);
  expect(watch.before(KEYS)).toBeUndefined();
});

test('each resource is looked at for itself', async () => {
  const { client, watch } = await open();
  expect(watch.before(OTHERS)).toBeUndefined();
  await turn();
  client.emit('close');
  await watch.before(OTHERS);
  expect(client.sent).toEqual([LOOK, 'sha 2 other,times', 'sha 2 other,times']);
  await watch.before(KEYS);
  expect(client.sent.at(-1)).toBe(LOOK);
});

test('a look that failed is made again before the next script', async () => {
  const { client, watch } = await open();
  client.emit('close');
  client.answer = new Error('LOADING');
  await expect(watch.before(KEYS)).rejects.toThrow('LOADING');
  client.answer = ['done', 'known'];
  await watch.before(KEYS);
  expect(watch.before(KEYS)).toBeUndefined();
});

test('a connection that was lost again during the look is looked at again', async () => {
  const { client, watch } = await open();
  client.emit('close');
  const waiting = watch.before(KEYS);
  client.emit('close');
  await waiting;
  expect(client.sent).toEqual([LOOK, LOOK, LOOK]);
});

test('a connection that is not ready holds scripts back although no event has come yet', async () => {
  const { client, watch } = await open();
  client.status = 'close';
  client.answer = new Error('Connection is closed.');
  await expect(watch.before(KEYS)).rejects.toThrow('closed');
});

test('a replica is not taken for a primary: scripts are not sent there', async () => {
  const { client, watch } = await open();
  client.emit('close');
  client.answer = ['done', 'replica'];
  await expect(watch.before(KEYS)).rejects.toThrow('primary');
});

test('a service that does not tell who it is is left in peace', async () => {
  const client = new TalkingClient();
  client.answer = ['done', 'blind'];
  const watch = new PrimaryWatch(client, SCRIPT);
  watch.before(KEYS);
  await turn();
  client.emit('close');
  expect(watch.before(KEYS)).toBeUndefined();
  expect(client.sent).toEqual([LOOK]);
});

test('a first look that failed is made again with the next script', async () => {
  const client = new TalkingClient();
  client.answer = new Error('LOADING');
  const watch = new PrimaryWatch(client, SCRIPT);
  watch.before(KEYS);
  await turn();
  expect(watch.before(KEYS)).toBeUndefined();
  expect(client.sent).toEqual([LOOK, LOOK]);
});

test('in a cluster a lost node is a lost connection; new slots are looked at, and nobody waits', async () => {
  const { client, watch } = await open();
  client.emit('refresh');
  expect(watch.before(KEYS)).toBeUndefined();
  await turn();
  expect(client.sent).toEqual([LOOK, LOOK]);
  expect(watch.before(KEYS)).toBeUndefined();
  client.emit('-node');
  expect(watch.before(KEYS)).toBeInstanceOf(Promise);
});
