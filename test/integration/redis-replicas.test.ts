import { expect, test } from '@jest/globals';
import type { Cluster, Redis } from 'ioredis';
import { keysOf, namespaceTag } from '../../lib/registry/redis/keys.ts';
import {
  lambdaClusterOptions,
  lambdaRedisOptions,
  type RedisRegistryOptions,
  redisRegistry,
  sentinelOptions,
} from '../../lib/registry/redis/redis-registry.ts';
import type { GrantReply, Registry } from '../../lib/registry/registry.ts';
import { eventually } from '../support/eventually.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { type RedisReplicas, startRedisReplicas } from '../support/redis-replicas.ts';
import { idOf, type RedisClientVersion, SETTINGS } from '../support/registry-harness.ts';

/** What a failover does to a registry: a primary and a replica under a Sentinel, and a cluster; both real. */
const TIMEOUT_MS = 25_000;
const NAMESPACE = 'failover';
const VERSIONS = [6, 5] as const;

const grant = (registry: Registry, name: string, again = false): Promise<GrantReply> =>
  registry.grant({
    resource: 'orders',
    leaseId: idOf(name),
    again,
    stamp: 0,
    holder: `holder-${name}`,
    group: 'checkout',
    wait: false,
    settings: SETTINGS,
  });

const over = (client: Redis | Cluster, options: RedisRegistryOptions = {}): Registry =>
  redisRegistry(client, { namespace: NAMESPACE, ...options });

const LEARNING = { kind: 'denied', reason: 'LEARNING' };

/** What its first answered ask is told. */
const firstAsk = (registry: Registry, name: string): Promise<GrantReply> =>
  eventually(() => grant(registry, name), { timeoutMs: 10_000 });

const withReplicas = async (work: (servers: RedisReplicas) => Promise<void>): Promise<void> => {
  const servers = await startRedisReplicas();
  try {
    await work(servers);
  } finally {
    await servers.stop();
  }
};

const withRegistry = async (
  servers: RedisReplicas,
  options: RedisRegistryOptions,
  work: (registry: Registry) => Promise<void>,
  version: RedisClientVersion = 6,
): Promise<void> => {
  const { name, sentinels } = servers.way;
  await work(over(servers.client(version, sentinelOptions(name, sentinels)), options));
};

test.concurrent(
  'L13: a promoted replica learns before the first script runs there, whoever comes first, and once',
  () =>
    withReplicas(async (servers) => {
      const registries = VERSIONS.map((version) => over(servers.client(version, lambdaRedisOptions)));
      const [first] = registries as [Registry];
      for (const registry of registries) await registry.configure('orders', SETTINGS, true);
      await grant(first, 'a');
      await eventually(async () => (await servers.primary.call('WAIT', 1, 100)) === 1);
      await servers.failOver();
      const epochs: unknown[] = [];
      for (const [at, registry] of registries.entries()) {
        expect(await firstAsk(registry, `b${at}`)).toMatchObject(LEARNING);
        epochs.push((await registry.inspect('orders'))?.epoch);
      }
      expect(epochs[1]).toBe(epochs[0]);
      expect(await first.inspect('orders')).toMatchObject({ held: 0 });
    }),
  TIMEOUT_MS,
);

test.concurrent.each(VERSIONS)(
  'L13: so does one that only a process meets which has never known the other (ioredis %i)',
  (version) =>
    withReplicas(async (servers) => {
      const old = over(servers.client(version, lambdaRedisOptions));
      await old.configure('orders', SETTINGS, true);
      await grant(old, 'a');
      await eventually(async () => (await servers.primary.call('WAIT', 1, 100)) === 1);
      await servers.failOver();
      const cold = over(servers.client(version, lambdaRedisOptions));
      expect(await firstAsk(cold, 'b')).toMatchObject(LEARNING);
    }),
  TIMEOUT_MS,
);

test.concurrent(
  'L13: so does a primary that comes back with older data; a lost connection alone, or a switch of the client, is no change',
  () =>
    withReplicas(async ({ primary, client: connect }) => {
      const registry = over(connect(6, lambdaRedisOptions));
      await registry.configure('orders', SETTINGS, true);
      await registry.inspect('orders');
      await primary.call('CLIENT', 'KILL', 'TYPE', 'normal');
      await eventually(() => registry.inspect('orders'));
      await over(connect(5, lambdaRedisOptions)).inspect('orders');
      expect(await registry.inspect('orders')).toMatchObject({ learningMs: 0 });
      await primary.call('SAVE');
      expect(await grant(registry, 'a')).toMatchObject({ kind: 'granted' });
      await primary.kill();
      await primary.startAgain();
      expect(await firstAsk(registry, 'b')).toMatchObject(LEARNING);
    }),
  TIMEOUT_MS,
);

test.concurrent(
  'a primary that is not watched goes on with what it knows',
  () =>
    withReplicas((servers) =>
      withRegistry(servers, { watchPrimary: false }, async (registry) => {
        await registry.configure('orders', SETTINGS, true);
        await eventually(async () => (await servers.primary.call('WAIT', 1, 100)) === 1);
        await servers.failOver();
        expect(await firstAsk(registry, 'a')).toMatchObject({ kind: 'granted' });
      }),
    ),
  TIMEOUT_MS,
);

test.concurrent(
  'L13: in a cluster a promoted replica learns for the resources whose slots it serves, not for others',
  async () => {
    const cluster = await startRedisCluster(1);
    const clients = VERSIONS.map((version) => cluster.client(version, lambdaClusterOptions));
    try {
      const [primary, , , replica] = cluster.nodes;
      const owned = async (resource: string): Promise<boolean> => {
        const [key = ''] = keysOf(resource, namespaceTag(NAMESPACE));
        return (await cluster.ownerOf(await cluster.slotOf(key))) === primary;
      };
      const resources = Array.from({ length: 12 }, (_, n) => `orders-${n}`);
      const areOwned = await Promise.all(resources.map(owned));
      const hit = resources.find((_, at) => areOwned[at]) ?? '';
      const spared = resources.find((_, at) => !areOwned[at]) ?? '';
      const registries = clients.map((client) => over(client));
      for (const registry of registries)
        for (const resource of [hit, spared]) await registry.configure(resource, SETTINGS, true);
      await eventually(async () => (await primary?.call('WAIT', 1, 100)) === 1);
      await primary?.kill();
      await eventually(async () => (await replica?.field('role', 'INFO', 'replication')) === 'master', {
        timeoutMs: 15_000,
      });
      const epochs = new Set<unknown>();
      for (const registry of registries) {
        const report = await eventually(() => registry.inspect(hit), { timeoutMs: 10_000 });
        expect(report?.learningMs).toBeGreaterThan(0);
        epochs.add(report?.epoch);
        const other = await eventually(() => registry.inspect(spared), { timeoutMs: 10_000 });
        expect(other).toMatchObject({ learningMs: 0 });
      }
      expect(epochs.size).toBe(1);
    } finally {
      await cluster.stop();
    }
  },
  TIMEOUT_MS,
);

for (const version of VERSIONS) {
  test.concurrent(
    `L3: a grant that no replica has is no answer; asked again with the same id it is the same lease (ioredis ${version})`,
    () =>
      withReplicas((servers) =>
        withRegistry(
          servers,
          { replicas: 1, replicaTimeoutMs: 500 },
          async (registry) => {
            await registry.configure('orders', SETTINGS, true);
            expect(await grant(registry, 'a')).toMatchObject({ kind: 'granted' });
            await servers.leaveReplicaBehind();
            await expect(grant(registry, 'b')).rejects.toMatchObject({
              code: 'REGISTRY_UNREACHABLE',
              retryable: true,
              message: expect.stringContaining('0 of 1 replicas'),
            });
            expect(await registry.inspect('orders', 10)).toMatchObject({ held: 2 });
            expect(await grant(registry, 'c')).toMatchObject({ kind: 'denied' });
            await servers.letReplicaFollow();
            expect(await grant(registry, 'b', true)).toMatchObject({ kind: 'granted' });
            expect(await registry.inspect('orders', 10)).toMatchObject({ held: 2 });
          },
          version,
        ),
      ),
    TIMEOUT_MS,
  );
}

test.concurrent(
  'a primary that takes no writes while no replica is there is a registry that does not answer, for a while',
  () =>
    withReplicas((servers) =>
      withRegistry(servers, {}, async (registry) => {
        await registry.configure('orders', SETTINGS, true);
        await servers.primary.call('CONFIG', 'SET', 'min-replicas-to-write', 1);
        await servers.leaveReplicaBehind();
        await expect(grant(registry, 'a')).rejects.toMatchObject({
          code: 'REGISTRY_UNREACHABLE',
          retryable: true,
          details: { redisError: 'NOREPLICAS' },
        });
        await servers.letReplicaFollow();
        expect(await eventually(() => grant(registry, 'a'))).toMatchObject({ kind: 'granted' });
      }),
    ),
  TIMEOUT_MS,
);

test.concurrent.each([
  [1, 'every grant that was given is known after a failover to a replica that had been left behind'],
  [0, 'without waiting for replicas, a failover forgets grants that were given'],
])(
  'replicas %i: %s',
  (replicas) =>
    withReplicas((servers) =>
      withRegistry(servers, { replicas, replicaTimeoutMs: 500, watchPrimary: false }, async (registry) => {
        await registry.configure('orders', SETTINGS, true);
        await grant(registry, 'a');
        await eventually(async () => (await servers.primary.call('WAIT', 1, 100)) === 1);
        await servers.leaveReplicaBehind();
        const given = await grant(registry, 'b').then(
          () => ['a', 'b'],
          () => ['a'],
        );
        await servers.failOver();
        const known = await eventually(() => registry.inspect('orders', 10), { timeoutMs: 10_000 });
        const names = known.entries.map(({ lease }) => lease.id.replace(/_+$/, ''));
        expect(given.filter((name) => !names.includes(name))).toEqual(replicas === 0 ? ['b'] : []);
      }),
    ),
  TIMEOUT_MS,
);
