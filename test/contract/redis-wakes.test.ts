import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { redisRegistry } from '../../lib/registry/redis/redis-registry.ts';
import type { Listener, Registry } from '../../lib/registry/registry.ts';
import { eventually, pause } from '../support/eventually.ts';
import { idOf, SETTINGS } from '../support/registry-harness.ts';
import { freshNamespace, redisUrl } from '../support/servers.ts';

/** Wake-ups over a real connection: when they may be counted on, and what becomes of it. */
describe.each([
  [5, (connectionName: string) => new Redis5(redisUrl(), { connectionName }) as unknown as Redis],
  [6, (connectionName: string) => new Redis(redisUrl(), { connectionName })],
] as const)('wake-ups through ioredis %i', (_, connect) => {
  const name = freshNamespace();
  let client: Redis;
  let registry: Registry;
  let namespace: string;
  const listeners: Listener[] = [];

  beforeAll(() => {
    client = connect(name);
  });
  afterAll(() => client.disconnect());
  afterEach(() => {
    for (const listener of listeners.splice(0)) listener[Symbol.dispose]();
  });

  const fresh = (): void => {
    namespace = freshNamespace();
    registry = redisRegistry(client, { namespace });
  };
  const listen = (holder: string, onWake: (leaseId: string) => void): Listener => {
    const listener = registry.listen?.('wakes', holder, onWake);
    if (listener === undefined) throw new Error('This registry pushes nothing.');
    listeners.push(listener);
    return listener;
  };
  const untilReady = (listener: Listener): Promise<unknown> =>
    eventually(async () => listener.isReady || undefined, { what: 'a subscription' });
  /** Looked at in every turn of the loop: it may be over within a few milliseconds. */
  const untilNot = async (listener: Listener): Promise<void> => {
    for (let turns = 0; listener.isReady && turns < 100_000; turns++) await setImmediate();
    expect(listener.isReady).toBe(false);
  };
  const ask = (name: string, holder: string, wait: boolean) =>
    registry.grant({
      resource: 'wakes',
      leaseId: idOf(name),
      again: false,
      stamp: 0,
      holder,
      group: 'g',
      wait,
      listens: wait,
      settings: { ...SETTINGS, capacity: 1, headroom: 0 },
    });

  /** Connections of this namespace's channels, as the server counts them. */
  const subscribers = async (holder: string): Promise<number> => {
    const channel = `leasehold:{wakes.${registry.namespace}}:wake:${holder}`;
    const [, count] = (await client.pubsub('NUMSUB', channel)) as [string, number];
    return Number(count);
  };

  test('a released slot wakes the holder whose ticket it is kept for, and nobody else', async () => {
    fresh();
    await registry.configure('wakes', { ...SETTINGS, capacity: 1, headroom: 0 }, true);
    const heard: string[] = [];
    const first = listen('h1', (leaseId) => heard.push(`h1 ${leaseId}`));
    const second = listen('h2', (leaseId) => heard.push(`h2 ${leaseId}`));
    expect(first.isReady).toBe(false);
    await Promise.all([untilReady(first), untilReady(second)]);
    const held = await ask('a', 'h0', false);
    await ask('b', 'h1', true);
    await ask('c', 'h2', true);
    const fence = held.kind === 'granted' ? held.fence : 0;
    await registry.release('wakes', 'h0', [{ id: idOf('a'), fence, outcome: 'closed' }]);
    await eventually(async () => heard.length > 0 || undefined, { what: 'a wake-up' });
    expect(heard).toEqual([`h1 ${idOf('b')}`]);
    expect(await registry.inspect('wakes')).toMatchObject({ claims: 1, held: 0, waiters: 2 });
    await registry.forget('wakes');
  });

  test('after a disconnect it is not ready until the server has confirmed the subscription anew', async () => {
    fresh();
    const listener = listen('h1', () => undefined);
    await untilReady(listener);
    const list = String(await client.client('LIST'));
    const ours = list.split('\n').filter((line) => line.includes(`name=${name} `) && / sub=[1-9]/.test(line));
    expect(ours).toHaveLength(1);
    const id = /^id=(\d+)/.exec(ours[0] ?? '')?.[1] ?? '';
    await client.call('CLIENT', 'KILL', 'ID', id);
    await untilNot(listener);
    await untilReady(listener);
    expect(await subscribers('h1')).toBe(1);
  });

  test('one that nobody listens on is unsubscribed from at once, and others go on', async () => {
    fresh();
    const first = listen('h1', () => undefined);
    const second = listen('h2', () => undefined);
    await Promise.all([untilReady(first), untilReady(second)]);
    first[Symbol.dispose]();
    expect(first.isReady).toBe(false);
    await eventually(async () => (await subscribers('h1')) === 0 || undefined, { what: 'an end' });
    expect(second.isReady).toBe(true);
    expect(await subscribers('h2')).toBe(1);
  });
});

test('a server that is away makes nobody fail: it is only never ready', async () => {
  const client = new Redis({ port: 1, lazyConnect: true, retryStrategy: () => null });
  client.on('error', () => undefined);
  const listener = redisRegistry(client).listen?.('wakes', 'h1', () => undefined);
  await pause(100);
  expect(listener?.isReady).toBe(false);
  listener?.[Symbol.dispose]();
  client.disconnect();
});

test('a process that listens can end by itself', async () => {
  const script = `
    import { Redis } from 'ioredis';
    import { redisRegistry } from './lib/registry/redis/redis-registry.ts';
    const client = new Redis('${redisUrl()}');
    const listener = redisRegistry(client).listen('wakes', 'h1', () => undefined);
    while (!listener.isReady) await new Promise((resolve) => setTimeout(resolve, 10));
    client.disconnect();
    console.log('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'pipe' });
  let output = '';
  child.stdout.on('data', (data) => {
    output += String(data);
  });
  child.stderr.on('data', (data) => {
    output += String(data);
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  const [code] = await once(child, 'exit');
  clearTimeout(timer);
  expect({ code, output }).toEqual({ code: 0, output: 'ready\n' });
});
