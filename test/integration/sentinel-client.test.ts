import { expect, test } from '@jest/globals';
import type { Redis } from 'ioredis';
import { redisRegistry, sentinelOptions } from '../../lib/registry/redis/redis-registry.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { eventually } from '../support/eventually.ts';
import { type RedisReplicas, startRedisReplicas } from '../support/redis-replicas.ts';
import { type RedisClientVersion, SETTINGS } from '../support/registry-harness.ts';
import { type ProxyLink, startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

/** When a client under Sentinel has ended, and when it only seems to have; with a real Sentinel behind a proxy that holds its answers back. */
const TIMEOUT_MS = 25_000;
const VERSIONS = [6, 5] as const;

interface Scene {
  readonly servers: RedisReplicas;
  readonly client: Redis;
  readonly registry: Registry;
  readonly proxy: TcpProxy;
  /** Its connection is lost, it asks Sentinel who the primary is, and has no answer until `answer`. */
  lookForPrimary(): Promise<void>;
  answer(): void;
}

/** A client that is connected, and hears Sentinel's announcements on a connection beside. */
const withClient = async (
  version: RedisClientVersion,
  work: (scene: Scene) => Promise<void>,
): Promise<void> => {
  const servers = await startRedisReplicas();
  const held: { readonly link: ProxyLink; readonly data: Buffer }[] = [];
  let lastAnswered = Number.POSITIVE_INFINITY;
  const hold = (data: Buffer, link: ProxyLink): Buffer | undefined => {
    if (link.id <= lastAnswered) return undefined;
    held.push({ link, data });
    return Buffer.alloc(0);
  };
  const [sentinel] = servers.way.sentinels;
  const proxy = await startTcpProxy({ host: '127.0.0.1', port: sentinel?.port ?? 0, onServerData: hold });
  try {
    const client = servers.client(version, sentinelOptions(servers.way.name, [proxy]));
    const registry = redisRegistry(client);
    await registry.configure('orders', SETTINGS, true);
    await eventually(() => proxy.connections() === 1, { what: 'a client that only listens to Sentinel' });
    const lookForPrimary = async (): Promise<void> => {
      lastAnswered = proxy.counters.accepted;
      await servers.primary.call('CLIENT', 'KILL', 'ID', String(await client.call('CLIENT', 'ID')));
      await eventually(() => held.length > 0, { what: 'a client that looks for the primary' });
    };
    const answer = (): void => {
      lastAnswered = Number.POSITIVE_INFINITY;
      for (const { link, data } of held.splice(0)) link.answer(data);
    };
    await work({ servers, client, registry, proxy, lookForPrimary, answer });
  } finally {
    await proxy.stop();
    await servers.stop();
  }
};

test.concurrent.each(VERSIONS)(
  'a failover that is announced while the client looks for the primary does not end it for good (ioredis %i)',
  (version) =>
    withClient(version, async ({ servers, registry, proxy, lookForPrimary, answer }) => {
      await lookForPrimary();
      await servers.switchOver();
      // What hears the announcement calls the connect off, and ends its own connection.
      await eventually(() => proxy.connections() === 1, { what: 'an announced failover', timeoutMs: 15_000 });
      answer();
      const report = await eventually(() => registry.inspect('orders'), { timeoutMs: 10_000 });
      expect(report?.learningMs).toBeGreaterThan(0);
    }),
  TIMEOUT_MS,
);

test.concurrent.each(VERSIONS)(
  'a client that somebody has ended stays ended, also while it looked for the primary (ioredis %i)',
  async (version) => {
    const endings: ((scene: Scene) => unknown)[] = [
      ({ client }) => client.disconnect(),
      ({ client }) => client.quit(),
      async ({ client, lookForPrimary, answer }) => {
        await lookForPrimary();
        client.disconnect();
        answer();
      },
    ];
    for (const end of endings)
      await withClient(version, async (scene) => {
        await end(scene);
        await eventually(() => scene.client.status === 'end');
        await expect(scene.registry.inspect('orders')).rejects.toThrow('Connection is closed');
        expect(scene.client.status).toBe('end');
      });
  },
  TIMEOUT_MS,
);

test.concurrent.each(VERSIONS)(
  'the connection for wake-ups has none beside it to Sentinel, which would outlive it (ioredis %i)',
  (version) =>
    withClient(version, async ({ servers, registry, proxy }) => {
      const before = proxy.counters.accepted;
      using listener = registry.listen?.('orders', 'holder', () => undefined);
      await eventually(() => listener?.isReady, { what: 'a listener' });
      await servers.primary.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await eventually(() => listener?.isReady === false, { what: 'a listener that has noticed' });
      await eventually(() => listener?.isReady, { what: 'a listener again' });
      // Each time it was asked who the primary is.
      expect(proxy.counters.accepted).toBe(before + 2);
    }),
  TIMEOUT_MS,
);
