import { expect, test } from '@jest/globals';
import type { Cluster, Redis } from 'ioredis';
import { keysOf, namespaceTag } from '../../lib/registry/redis/keys.ts';
import type { PrimaryChange } from '../../lib/registry/redis/primary-watch.ts';
import {
  lambdaClusterOptions,
  lambdaRedisOptions,
  type RedisRegistryOptions,
  redisRegistry,
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

/** A registry over a client of its own, and the changes that it was told of. */
const watched = (client: Redis | Cluster) => {
  const told: [string, PrimaryChange][] = [];
  const registry = redisRegistry(client, {
    namespace: NAMESPACE,
    onPrimaryChange: async (resource, change) => {
      told.push([resource, change]);
    },
  });
  return { registry, told };
};

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
  const client = servers.client(version, lambdaRedisOptions);
  await work(redisRegistry(client, { namespace: NAMESPACE, ...options }));
};

test.concurrent(
  'a promoted replica is told of before the first script reaches it, to every client',
  () =>
    withReplicas(async (servers) => {
      const clients = VERSIONS.map((version) => servers.client(version, lambdaRedisOptions));
      const registries = clients.map(watched);
      for (const { registry } of registries) await registry.configure('orders', SETTINGS, true);
      await grant(registries[0]?.registry as Registry, 'a');
      // Its look comes beside the first script; here it has to be over.
      for (const { registry } of registries) await registry.inspect('orders');
      await servers.failOver();
      for (const { registry, told } of registries) {
        await eventually(() => registry.inspect('orders'), { timeoutMs: 10_000 });
        expect(told).toEqual([['orders', expect.objectContaining({ kind: 'promoted' })]]);
        await registry.inspect('orders');
        expect(told).toHaveLength(1);
      }
    }),
  TIMEOUT_MS,
);

test.concurrent(
  'a primary that was restarted is told of as replaced; a lost connection alone is no change',
  () =>
    withReplicas(async ({ primary, client: connect }) => {
      const client = connect(6, { ...lambdaRedisOptions });
      const { registry, told } = watched(client);
      await registry.configure('orders', SETTINGS, true);
      await registry.inspect('orders');
      await primary.call('CLIENT', 'KILL', 'TYPE', 'normal');
      await eventually(() => registry.inspect('orders'));
      expect(told).toEqual([]);
      await primary.kill();
      await primary.startAgain();
      await eventually(async () => (await registry.inspect('orders').catch(() => null)) !== null);
      expect(told).toEqual([['orders', expect.objectContaining({ kind: 'replaced' })]]);
    }),
  TIMEOUT_MS,
);

test.concurrent(
  'in a cluster the promotion of a replica is told of by the resource whose slot it serves, not by others',
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
      const registries = clients.map(watched);
      for (const { registry } of registries)
        for (const resource of [hit, spared, hit, spared]) await registry.configure(resource, SETTINGS, true);
      await primary?.kill();
      await eventually(async () => (await replica?.field('role', 'INFO', 'replication')) === 'master', {
        timeoutMs: 15_000,
      });
      for (const { registry, told } of registries) {
        await eventually(() => registry.inspect(hit), { timeoutMs: 10_000 });
        await eventually(() => registry.inspect(spared), { timeoutMs: 10_000 });
        await eventually(() => told.length > 0);
        expect(told).toEqual([[hit, expect.objectContaining({ kind: 'promoted' })]]);
      }
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
      withRegistry(servers, { replicas, replicaTimeoutMs: 500 }, async (registry) => {
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
