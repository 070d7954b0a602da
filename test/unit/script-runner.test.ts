import { expect, test } from '@jest/globals';
import type { ScriptClient } from '../../lib/registry/redis/batch.ts';
import { ScriptRunner } from '../../lib/registry/redis/script-runner.ts';
import { FakeClock } from '../support/fake-clock.ts';

const script = { text: 'return 1', sha1: 'abc' };

const replyError = (message: string): Error => Object.assign(new Error(message), { name: 'ReplyError' });

/** A client whose answers the test gives by hand. */
class HandClient implements ScriptClient {
  readonly sent: string[] = [];
  readonly #answers: { resolve(value: unknown): void; reject(error: Error): void }[] = [];

  evalsha(sha1: string): Promise<unknown> {
    return this.#send(`evalsha ${sha1}`);
  }

  eval(text: string): Promise<unknown> {
    return this.#send(`eval ${text}`);
  }

  answer(at: number, value: unknown): void {
    if (value instanceof Error) this.#answers[at]?.reject(value);
    else this.#answers[at]?.resolve(value);
  }

  #send(what: string): Promise<unknown> {
    this.sent.push(what);
    return new Promise((resolve, reject) => {
      this.#answers.push({ resolve, reject });
    });
  }
}

const open = () => {
  const client = new HandClient();
  const clock = new FakeClock();
  return { client, clock, runner: new ScriptRunner(client, clock, 1_000) };
};

test('a script is run by its hash, in one round trip, and leaves no timer behind', async () => {
  const { client, clock, runner } = open();
  const running = runner.run(script, ['k'], ['a']);
  expect(clock.pending.foreground).toBe(1);
  client.answer(0, ['done']);
  expect(await running).toEqual(['done']);
  expect(client.sent).toEqual(['evalsha abc']);
  expect(clock.pending).toEqual({ foreground: 0, background: 0 });
});

test('a server that does not know the script is sent its text', async () => {
  const { client, clock, runner } = open();
  const running = runner.run(script, [], []);
  client.answer(0, replyError('NOSCRIPT No matching script.'));
  await clock.flush();
  client.answer(1, 7);
  expect(await running).toBe(7);
  expect(client.sent).toEqual(['evalsha abc', 'eval return 1']);
});

test('no answer in time is told; a late one changes nothing', async () => {
  const { client, clock, runner } = open();
  const running = runner.run(script, [], []).catch((error: unknown) => error);
  await clock.advanceAsync(1_000);
  expect(await running).toMatchObject({ code: 'REGISTRY_UNREACHABLE', retryable: true });
  client.answer(0, new Error('Connection is closed.'));
  await clock.flush();
  expect(clock.pending.foreground).toBe(0);
});

test('after its time no script is sent any more: the caller has gone on, perhaps to cancel what this would ask for', async () => {
  const { client, clock, runner } = open();
  const running = runner.run(script, [], []).catch((error: unknown) => error);
  await clock.advanceAsync(1_000);
  await running;
  client.answer(0, replyError('NOSCRIPT No matching script.'));
  await clock.flush();
  expect(client.sent).toEqual(['evalsha abc']);
});

test.each([
  ['LOADING Redis is loading', true],
  ["READONLY You can't write", true],
  ['CLUSTERDOWN Hash slot not served', true],
  ['NOREPLICAS Not enough good replicas to write.', true],
  ['OOM command not allowed', true],
  ['NOPERM this user has no permissions', false],
  ['NOAUTH Authentication required.', false],
  ['ERR Error running script', false],
  ['WRONGTYPE Operation against a key', false],
])('%s may pass: %p', async (message, retryable) => {
  const { client, runner } = open();
  const running = runner.run(script, [], []).catch((error: unknown) => error);
  client.answer(0, replyError(message));
  expect(await running).toMatchObject({
    code: 'REGISTRY_UNREACHABLE',
    retryable,
    details: { redisError: message.split(' ')[0] },
  });
});

test('a client that throws, or whose connection is gone, is a registry that did not answer', async () => {
  const clock = new FakeClock();
  const broken = {
    evalsha: () => {
      throw new TypeError('Cannot read properties of undefined');
    },
    eval: () => Promise.resolve(),
  };
  const running = new ScriptRunner(broken, clock, 1_000).run(script, [], []);
  await expect(running).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE', retryable: true });
  expect(clock.pending.foreground).toBe(0);
});

test('a script that has to wait is sent afterwards, and not at all when its time is over', async () => {
  const client = new HandClient();
  const clock = new FakeClock();
  let free = (): void => undefined;
  const before = () =>
    new Promise<void>((resolve) => {
      free = resolve;
    });
  const runner = new ScriptRunner(client, clock, 1_000, before);
  const running = runner.run(script, ['k'], []);
  expect(client.sent).toEqual([]);
  free();
  await clock.flush();
  expect(client.sent).toEqual(['evalsha abc']);
  client.answer(0, 1);
  expect(await running).toBe(1);

  const late = runner.run(script, ['k'], []).catch((error: unknown) => error);
  await clock.advanceAsync(1_000);
  expect(await late).toMatchObject({ code: 'REGISTRY_UNREACHABLE', retryable: true });
  free();
  await clock.flush();
  expect(client.sent).toEqual(['evalsha abc']);
});
