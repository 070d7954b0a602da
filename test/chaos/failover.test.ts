import { expect, test } from '@jest/globals';
import { keysOf } from '../../lib/registry/redis/keys.ts';
import { LONG_IDLE, QUIET_MS, SLACK_MS, under } from '../support/disaster.ts';
import { eventually, pause } from '../support/eventually.ts';
import { FAIR, Fleet, type FleetOptions } from '../support/fleet.ts';
import type { FleetPool } from '../support/fleet-member.ts';
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import { type RedisReplicas, startRedisReplicas } from '../support/redis-replicas.ts';

/** A Redis primary dies, and Sentinel promotes a replica that had been left behind; the database is the judge. */
const TIMEOUT_MS = 28_000;
/** The longest pause of a client between two attempts, after so short an outage. */
const RECONNECT_MS = 600;

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
  'L13: after a failover to a replica left behind, under load, the registry learns, nothing is over-committed, and a census ends it',
  () =>
    withFleet({ options: LONG_IDLE }, async (fleet, servers) => {
      const backMs = await under(fleet, () => lateFailover(servers));

      expect(fleet.heard('waiting')).toContainEqual(expect.objectContaining({ because: 'LEARNING' }));
      expect(fleet.heard('censusDone')).not.toEqual([]);
      expect(backMs).toBeLessThan(QUIET_MS + RECONNECT_MS + SLACK_MS);
      expect(fleet.verdict).toEqual(FAIR);
      await fleet.close();
    }),
  TIMEOUT_MS,
);

test.concurrent(
  'L1: where every grant waits for a replica, a failover over-commits nothing without learning; service is back with a replica',
  () =>
    withFleet({ registryOptions: () => ({ replicas: 1, watchPrimary: false }) }, async (fleet, servers) => {
      const backMs = await under(fleet, async () => {
        await lateFailover(servers);
        await servers.rejoin();
      });

      expect(backMs).toBeLessThan(QUIET_MS + RECONNECT_MS + SLACK_MS);
      expect(fleet.heard('waiting')).not.toContainEqual(expect.objectContaining({ because: 'LEARNING' }));
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
      await using fleet = await Fleet.start({ capacity: 4, ...way, options: LONG_IDLE });
      const backMs = await under(fleet, () => lateClusterFailover(fleet, cluster));

      expect(fleet.heard('waiting')).toContainEqual(expect.objectContaining({ because: 'LEARNING' }));
      expect(fleet.heard('censusDone')).not.toEqual([]);
      expect(backMs).toBeLessThan(QUIET_MS + RECONNECT_MS + SLACK_MS);
      expect(fleet.verdict).toEqual(FAIR);
      await fleet.close();
    } finally {
      await cluster.stop();
    }
  },
  TIMEOUT_MS,
);

const LONG = { protectMs: 20_000, idleMs: 20_000, connectTimeoutMs: 1_000 } as const;

/** Three leases are in use of which the promoted replica has never heard; then three others ask, of which it has never heard either. */
const forgottenGrants = async (fleet: Fleet, servers: RedisReplicas): Promise<void> => {
  await servers.leaveReplicaBehind();
  const running = threePools(fleet).map((pool) => pool.use((client) => client.query('SELECT pg_sleep(5)')));
  await pause(500);
  await servers.failOver();
  const ask = (pool: FleetPool): Promise<unknown> =>
    pool.use((client) => client.query('SELECT 1'), { timeoutMs: 2_500 }).catch(() => undefined);
  // Each a process that meets Redis for the first time.
  await Promise.all(threePools(fleet).map(ask));
  await Promise.allSettled(running);
};

const threePools = (fleet: Fleet): FleetPool[] => [1, 2, 3].map(() => fleet.pool({ max: 1 }));

test.concurrent(
  'grants that a failover forgot are not given a second time, to processes that begin after it neither',
  () =>
    withFleet({ options: LONG }, async (fleet, servers) => {
      await forgottenGrants(fleet, servers);
      // Who cannot wait for the quiet time hears so at once.
      const held = [...fleet.heard('waiting'), ...fleet.heard('leaseDenied')];
      expect(held).toContainEqual(expect.objectContaining({ because: 'LEARNING' }));
      expect(fleet.verdict).toEqual(FAIR);
    }),
  TIMEOUT_MS,
);

test.concurrent(
  'where nobody looks at the primary they are given a second time, and the database refuses: the residue',
  () =>
    withFleet({ options: LONG, registryOptions: () => ({ watchPrimary: false }) }, async (fleet, servers) => {
      await forgottenGrants(fleet, servers);
      expect(fleet.verdict.refusals).not.toEqual([]);
    }),
  TIMEOUT_MS,
);
