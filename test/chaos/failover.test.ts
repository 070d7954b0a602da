import { expect, test } from '@jest/globals';
import { keysOf } from '../../lib/registry/redis/keys.ts';
import type { RedisRegistryOptions } from '../../lib/registry/redis/redis-registry.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { LEARNING_MS, SLACK_MS, under } from '../support/disaster.ts';
import { eventually, pause } from '../support/eventually.ts';
import { FAIR, Fleet, type FleetOptions } from '../support/fleet.ts';
import type { FleetPool } from '../support/fleet-member.ts';
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import { type RedisReplicas, startRedisReplicas } from '../support/redis-replicas.ts';

/** A Redis primary dies, and Sentinel promotes a replica that had been left behind; the database is the judge. */
const TIMEOUT_MS = 28_000;
/** The longest pause of a client between two attempts, after so short an outage. */
const RECONNECT_MS = 600;

/** One for all clients of a test: whoever notices a change first makes the registry forget, the others wait for that. */
const forgetting = (registry: Registry): RedisRegistryOptions => {
  const forgotten = new Map<string, Promise<void>>();
  return {
    onPrimaryChange: async (resource, { to }) => {
      const forget = forgotten.get(to) ?? registry.forget(resource);
      forgotten.set(to, forget);
      await forget.catch((error) => {
        forgotten.delete(to);
        throw error;
      });
    },
  };
};

const withFleet = async (
  options: Partial<FleetOptions>,
  work: (fleet: Fleet, servers: RedisReplicas) => Promise<void>,
): Promise<void> => {
  const servers = await startRedisReplicas();
  try {
    const { primary, way } = servers;
    const redis = { redisUrl: `redis://${primary.address}`, redisWay: way };
    await using fleet = await Fleet.start({ capacity: 4, ...redis, ...options });
    await work(fleet, servers);
  } finally {
    await servers.stop();
  }
};

/** It forgets everything that happened in the last second and a half. */
const lateFailover = async (servers: RedisReplicas): Promise<void> => {
  await servers.leaveReplicaBehind();
  await pause(1_500);
  await servers.failOver();
};

test.concurrent(
  'L13: after a failover to a replica left behind, under load, a registry that is made to forget learns, and nothing is over-committed',
  () =>
    withFleet({ registryOptions: forgetting }, async (fleet, servers) => {
      const backMs = await under(fleet, () => lateFailover(servers));

      expect(fleet.heard('leaseDenied')).toContainEqual(expect.objectContaining({ reason: 'LEARNING' }));
      expect(backMs).toBeLessThan(LEARNING_MS + RECONNECT_MS + SLACK_MS);
      expect(fleet.verdict).toEqual(FAIR);
      await fleet.close();
    }),
  TIMEOUT_MS,
);

test.concurrent(
  'L1: where every grant waits for a replica, a failover over-commits nothing without learning; service is back with a replica',
  () =>
    withFleet({ registryOptions: () => ({ replicas: 1 }) }, async (fleet, servers) => {
      const backMs = await under(fleet, async () => {
        await lateFailover(servers);
        await servers.rejoin();
      });

      expect(backMs).toBeLessThan(LEARNING_MS + RECONNECT_MS + SLACK_MS);
      expect(fleet.heard('leaseDenied')).not.toContainEqual(expect.objectContaining({ reason: 'LEARNING' }));
      expect(fleet.verdict).toEqual(FAIR);
      await fleet.close();
    }),
  TIMEOUT_MS,
);

/** The same in a cluster, which looks after itself: the node with the fleet's slot dies. */
const lateClusterFailover = async (fleet: Fleet, cluster: RedisCluster): Promise<void> => {
  const [key = ''] = keysOf('orders', fleet.registry.namespace);
  const slot = await cluster.slotOf(key);
  const owner = await cluster.ownerOf(slot);
  await owner.shutOutReplicas();
  await pause(1_500);
  await owner.kill();
  const heir = cluster.nodes[cluster.nodes.indexOf(owner) + 3];
  await eventually(async () => (await heir?.field('role', 'INFO', 'replication')) === 'master', {
    what: 'a promoted replica',
    timeoutMs: 10_000,
  });
};

test.concurrent(
  'L13: the same holds in a cluster',
  async () => {
    const cluster = await startRedisCluster(3);
    try {
      const way = { redisUrl: `redis://${cluster.nodes[0]?.address}`, redisWay: { nodes: cluster.nodes } };
      await using fleet = await Fleet.start({ capacity: 4, ...way, registryOptions: forgetting });
      const backMs = await under(fleet, () => lateClusterFailover(fleet, cluster));

      expect(fleet.heard('leaseDenied')).toContainEqual(expect.objectContaining({ reason: 'LEARNING' }));
      expect(backMs).toBeLessThan(LEARNING_MS + RECONNECT_MS + SLACK_MS);
      expect(fleet.verdict).toEqual(FAIR);
      await fleet.close();
    } finally {
      await cluster.stop();
    }
  },
  TIMEOUT_MS,
);

const LONG = { protectMs: 20_000, idleMs: 20_000, connectTimeoutMs: 1_000 } as const;

/** Three leases are in use of which the promoted replica has never heard; then three others ask. */
const forgottenGrants = async (fleet: Fleet, servers: RedisReplicas): Promise<void> => {
  await servers.leaveReplicaBehind();
  const [holders, askers] = [threePools(fleet), threePools(fleet)];
  // As a process that has been at work before: the askers have looked at the primary.
  await Promise.all(askers.map(({ registry }) => registry.inspect('orders')));
  const running = holders.map(({ pool }) => pool.use((client) => client.query('SELECT pg_sleep(5)')));
  await pause(500);
  await servers.failOver();
  const ask = ({ pool }: (typeof askers)[number]): Promise<unknown> =>
    pool.use((client) => client.query('SELECT 1'), { timeoutMs: 2_500 }).catch(() => undefined);
  await Promise.all(askers.map(ask));
  await Promise.allSettled(running);
};

const threePools = (fleet: Fleet): { readonly pool: FleetPool; readonly registry: Registry }[] =>
  [1, 2, 3].map(() => {
    let registry = fleet.registry;
    const pool = fleet.pool({ max: 1 }, {}, (inner) => {
      registry = inner;
      return inner;
    });
    return { pool, registry };
  });

test.concurrent(
  'grants that a failover forgot are not given a second time, where the registry is made to forget the rest',
  () =>
    withFleet({ options: LONG, registryOptions: forgetting }, async (fleet, servers) => {
      await forgottenGrants(fleet, servers);
      expect(fleet.heard('leaseDenied')).toContainEqual(expect.objectContaining({ reason: 'LEARNING' }));
      expect(fleet.verdict).toEqual(FAIR);
    }),
  TIMEOUT_MS,
);

test.concurrent(
  'where nobody looks at the primary they are given a second time, and the database refuses: the residue',
  () =>
    withFleet({ options: LONG }, async (fleet, servers) => {
      await forgottenGrants(fleet, servers);
      expect(fleet.verdict.refusals).not.toEqual([]);
    }),
  TIMEOUT_MS,
);
