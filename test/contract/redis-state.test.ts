import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Redis } from 'ioredis';
import { isLeaseholdError } from '../../lib/core/errors.ts';
import { SCHEMA } from '../../lib/core/limits.ts';
import { keysOf, namespaceTag } from '../../lib/registry/redis/keys.ts';
import { redisRegistry, scriptedRegistry } from '../../lib/registry/redis/redis-registry.ts';
import { PARTS } from '../../lib/registry/redis/scripts.generated.ts';
import { embeddedScripts } from '../../lib/registry/redis/scripts.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import {
  idOf,
  type RedisHarness,
  redisHarness,
  Scene,
  SETTINGS,
  scriptsOver,
} from '../support/registry-harness.ts';
import { freshNamespace, redisUrl } from '../support/servers.ts';

/** What only the Redis registry can break: its keys, its scripts, its clock. */
describe('registry in Redis: keys, scripts, clock', () => {
  let harness: RedisHarness;
  let client: Redis;
  let scenes = 0;

  beforeAll(async () => {
    harness = await redisHarness(redisUrl(), freshNamespace());
    client = harness.client;
  });
  afterAll(() => harness.close());

  /** Something of everything: held and protected, revocable, revoking, a ticket. */
  const fullScene = async (): Promise<Scene> => {
    scenes += 1;
    const it = await new Scene(harness, `state-${scenes}`, { capacity: 4 }).start();
    for (const name of ['a', 'b', 'c']) await it.granted(name);
    await it.renew('a', { session: 'server1.1' });
    await it.park('b');
    await it.abandon('c', { session: 'server1.3' });
    await it.granted('d');
    await it.queued('w');
    return it;
  };

  const dump = async (resource: string): Promise<unknown[]> => {
    const keys = harness.keysOf(resource).slice(0, 2);
    const dumps = await Promise.all(keys.map((key) => client.dump(key)));
    return dumps;
  };

  const everyCall = (it: Scene): Readonly<Record<string, () => Promise<unknown>>> => ({
    grant: () => it.ask('new', { wait: true }),
    poll: () => it.poll('w'),
    renew: () => it.renew('a'),
    park: () => it.park('a'),
    release: () => it.release('a'),
    abandon: () => it.abandon('a'),
    settle: () => it.absent('c'),
    sweep: () => it.registry.sweep(it.resource, 2),
    configure: () => it.registry.configure(it.resource, it.settings, true),
    inspect: () => it.registry.inspect(it.resource),
    forget: () => it.registry.forget(it.resource),
  });

  describe('L15 half a memory is no memory', () => {
    test.each([
      ['state', 0],
      ['times', 1],
    ])(
      'L15 without its key `%s` the resource is unknown: it learns, and what was held is lost',
      async (_, at) => {
        const it = await fullScene();
        await client.del(harness.keysOf(it.resource)[at] ?? '');
        expect(await it.ask('a', { again: true })).toEqual({ kind: 'lost', reason: 'unknown' });
        expect(await it.ask('x')).toMatchObject({ kind: 'denied', reason: 'LEARNING', retryAfterMs: 5_000 });
        for (const name of ['a', 'b', 'c', 'd']) expect(await it.renew(name)).toEqual({ kind: 'forgotten' });
        it.advance(1_000);
        expect(await it.poll('w')).toEqual({ kind: 'lost', reason: 'unknown' });
        // It began to learn once: nothing of the old state starts it anew.
        expect(await it.ask('x')).toMatchObject({ reason: 'LEARNING', retryAfterMs: 4_000 });
        it.advance(73_000);
        expect(await it.ask('x')).toMatchObject({ kind: 'granted', duties: [] });
        expect(await it.report()).toMatchObject({ held: 1, revoking: 0, waiters: 0 });
      },
    );

    test.each(['a renewal', 'an inspection', 'a sweep'])(
      'L15 %s that finds half a memory answers as without any',
      async (what) => {
        const it = await fullScene();
        await client.del(harness.keysOf(it.resource)[1] ?? '');
        if (what === 'a renewal') expect(await it.renew('a')).toEqual({ kind: 'forgotten' });
        else if (what === 'a sweep')
          expect(await it.registry.sweep(it.resource, 9)).toMatchObject({ held: 0, duties: [] });
        else expect(await it.registry.inspect(it.resource)).toBeUndefined();
        expect(await it.ask('x')).toMatchObject({ reason: 'LEARNING' });
      },
    );

    test.each(['a lease', 'a ticket', 'what keeps a ticket alive'])(
      'L15 a memory that lacks %s is none',
      async (what) => {
        const it = await fullScene();
        const member = { 'a lease': idOf('a'), 'a ticket': ` ${idOf('w')}` }[what] ?? `  ${idOf('w')}`;
        expect(await client.zrem(harness.keysOf(it.resource)[1] ?? '', member)).toBe(1);
        expect(await it.ask('x')).toMatchObject({ kind: 'denied', reason: 'LEARNING' });
        expect(await it.report()).toMatchObject({ held: 0, revoking: 0, waiters: 0 });
      },
    );

    test('L15 an older layout is no memory', async () => {
      const it = await fullScene();
      const [state = ''] = harness.keysOf(it.resource);
      await client.hset(state, 'schema', SCHEMA - 1);
      expect(await it.ask('x')).toMatchObject({ kind: 'denied', reason: 'LEARNING' });
      expect(await it.report()).toMatchObject({ held: 0, revoking: 0, waiters: 0 });
    });

    test('L15 no key of the state ever expires', async () => {
      const it = await fullScene();
      const ttls = await Promise.all(harness.keysOf(it.resource).map((key) => client.pttl(key)));
      expect(ttls).toEqual(ttls.map(() => -1));
    });

    test('L15 a resource that has become empty is known to be empty', async () => {
      scenes += 1;
      const it = await new Scene(harness, `state-${scenes}`).start();
      await it.granted('a');
      await it.release('a');
      it.advance(30 * 86_400_000);
      expect(await it.ask('b')).toMatchObject({ kind: 'granted' });
    });

    test('L15 forget leaves no key behind but the clock', async () => {
      const it = await fullScene();
      await it.registry.forget(it.resource);
      expect(await client.exists(...harness.keysOf(it.resource).slice(0, 2))).toBe(0);
    });
  });

  describe('L14 isolation', () => {
    test('L14 a newer schema is told from an answer by every script, and nothing is changed', async () => {
      const it = await fullScene();
      const [state = ''] = harness.keysOf(it.resource);
      await client.hset(state, 'schema', SCHEMA + 1);
      const before = await dump(it.resource);
      it.advance(100_000);
      for (const call of Object.values(everyCall(it))) {
        const refusal = await call().catch((error: unknown) => error);
        expect(refusal).toMatchObject({ code: 'REGISTRY_INCOMPATIBLE', retryable: false });
      }
      expect(await dump(it.resource)).toEqual(before);
    });

    test('L14 all keys of a resource share one hash tag, and no two resources or namespaces share a key', () => {
      const tags = ['a', 'b'].map(namespaceTag);
      const all = ['one', 'two', 'one-two'].flatMap((resource) => tags.map((tag) => keysOf(resource, tag)));
      for (const keys of all) {
        expect(new Set(keys).size).toBe(keys.length);
        expect(new Set(keys.map((key) => /^leasehold:\{([^{}]+)\}:/.exec(key)?.[1])).size).toBe(1);
      }
      expect(new Set(all.flat()).size).toBe(all.flat().length);
    });

    test('L14 a namespace becomes six characters of a session label', () => {
      expect(namespaceTag('leasehold')).toMatch(/^[a-z0-9]{6}$/);
      expect(namespaceTag('leasehold')).toBe(namespaceTag('leasehold'));
      expect(namespaceTag('leasehold')).not.toBe(namespaceTag('leasehold2'));
    });
  });

  test('L7 fences rise across a flush', async () => {
    const it = await fullScene();
    const { fence } = it.ref('d');
    await harness.flush();
    it.advance(1);
    await it.start();
    expect((await it.granted('e')).fence).toBeGreaterThan(fence);
  });

  describe('scripts', () => {
    test('a server that has lost its scripts is sent them again, whichever is asked for', async () => {
      const it = await fullScene();
      for (const call of Object.values(everyCall(it))) {
        await client.script('FLUSH');
        await call();
      }
    });

    test('an empty batch is answered with nothing', async () => {
      const it = await fullScene();
      const { registry, resource } = it;
      expect(await registry.release(resource, 'h', [])).toEqual([]);
      expect(await registry.abandon(resource, 'h', [])).toEqual([]);
      expect(await registry.settle(resource, undefined, [])).toEqual([]);
      expect(await registry.renew(resource, 'h', [])).toMatchObject({ outcomes: [], duties: [] });
      expect(await registry.park(resource, 'h', [])).toMatchObject({ outcomes: [] });
    });

    test('the scripts are loaded under the hashes that they are called by', async () => {
      for (const { text, sha1 } of Object.values(embeddedScripts))
        expect(await client.script('LOAD', text)).toBe(sha1);
    });

    test('what Redis refuses is told with its code, and whether a repeat may help', async () => {
      const it = await fullScene();
      const [, times = ''] = harness.keysOf(it.resource);
      await client.del(times);
      await client.set(times, 'not a sorted set');
      const refusal: unknown = await it.renew('a').catch((error: unknown) => error);
      expect(isLeaseholdError(refusal)).toBe(true);
      expect(refusal).toMatchObject({ code: 'REGISTRY_UNREACHABLE', retryable: false });
    });
  });

  describe('the clock', () => {
    const tell = 'return clock()';
    const refusing = PARTS.clock.replace("'TIME'", "'NO-SUCH-COMMAND'");
    const at = async (clock: string, key: string, over: Redis = client): Promise<number> => {
      const keys = ['unused0', 'unused1', `${key}2`];
      return Number(await over.eval(`${clock}\n${tell}`, keys.length, ...keys));
    };

    test('the sentinel tells the same time as TIME, to the millisecond', async () => {
      const key = freshNamespace();
      expect(refusing).not.toBe(PARTS.clock);
      const gaps: number[] = [];
      for (let round = 0; round < 50; round++) {
        const before = await at(PARTS.clock, key);
        const between = await at(refusing, key);
        const after = await at(PARTS.clock, key);
        expect(between).toBeGreaterThanOrEqual(before - 1);
        expect(between).toBeLessThanOrEqual(after + 1);
        gaps.push(between - before);
      }
      expect(Math.abs(gaps.toSorted((a, b) => a - b)[25] ?? 99)).toBeLessThanOrEqual(1);
      expect(Math.abs((await at(PARTS.clock, key)) - Date.now())).toBeLessThan(1_000);
      expect(await client.pttl(`${key}2`)).toBeGreaterThan(0);
      await client.del(`${key}2`);
    });

    test('a sentinel that is missing, or has lost its expiry, is made again', async () => {
      const key = freshNamespace();
      const first = await at(refusing, key);
      await client.del(`${key}2`);
      expect(Math.abs((await at(refusing, key)) - first)).toBeLessThan(1_000);
      await client.persist(`${key}2`);
      expect(Math.abs((await at(refusing, key)) - first)).toBeLessThan(1_000);
      await client.del(`${key}2`);
    });

    test('where TIME is refused by the server itself, every call works, and only the sentinel expires', async () => {
      const user = freshNamespace();
      const namespace = freshNamespace();
      await client.call('ACL', 'SETUSER', user, 'on', 'nopass', '~*', '+@all', '-time');
      const limited = client.duplicate({ username: user, password: 'any' });
      const registry = redisRegistry(limited, { namespace });
      try {
        const keys = keysOf('refused', registry.namespace);
        await registry.configure('refused', SETTINGS, true);
        const request = { resource: 'refused', leaseId: idOf('a'), again: false, stamp: 0 } as const;
        const asker = { holder: 'h', group: 'g', wait: false, settings: SETTINGS } as const;
        expect(await registry.grant({ ...request, ...asker })).toMatchObject({ kind: 'granted' });
        const ttls = await Promise.all(keys.map((key) => client.pttl(key)));
        expect(ttls.map((ttl) => ttl > 0)).toEqual(keys.map((key) => key.endsWith(':clock')));
        const epoch = (await registry.inspect('refused'))?.epoch ?? 0;
        expect(Math.abs(epoch - Date.now())).toBeLessThan(1_000);
        await registry.forget('refused');
        await client.del(...keys);
      } finally {
        limited.disconnect();
        await client.call('ACL', 'DELUSER', user);
      }
    });

    test('a registry may change its clock in flight: TIME one day, the sentinel the next', async () => {
      const namespace = freshNamespace();
      const first = redisRegistry(client, { namespace });
      const second: Registry = scriptedRegistry(client as never, scriptsOver(refusing), { namespace });
      await first.configure('both', SETTINGS, true);
      const request = { resource: 'both', leaseId: idOf('a'), holder: 'h', group: 'g', settings: SETTINGS };
      const asked = await first.grant({ ...request, again: false, stamp: 0, wait: false });
      const repeat = await second.grant({ ...request, again: true, stamp: 0, wait: false });
      expect(repeat).toMatchObject({
        kind: 'granted',
        fence: asked.kind === 'granted' ? asked.fence : undefined,
      });
      const { protectMs } = repeat as { protectMs: number };
      expect(protectMs).toBeGreaterThan(9_000);
      await first.forget('both');
      await client.del(...keysOf('both', first.namespace));
    });
  });
});
