import { Cluster as Cluster6 } from 'ioredis';
import { Cluster as Cluster5 } from 'ioredis5';
import { eventually } from './eventually.ts';
import { plainArguments, type RedisNode, startNodes } from './redis-node.ts';
import type { RedisClientVersion } from './registry-harness.ts';

const PRIMARIES = 3;
const SLOTS = 16_384;

export interface RedisCluster {
  /** Three with a third of the slots each; then the replicas, each of the primary at its place. */
  readonly nodes: readonly RedisNode[];
  /** Disconnected by `stop`. */
  client(version: RedisClientVersion, options?: object): Cluster6;
  slotOf(key: string): Promise<number>;
  /** The node that the first living node believes to serve a slot. */
  ownerOf(slot: number): Promise<RedisNode>;
  stop(): Promise<void>;
}

/** A real cluster of three on this machine, without `redis-cli`. */
export const startRedisCluster = async (replicas = 0, nodeTimeoutMs = 1_000): Promise<RedisCluster> => {
  const nodes = await startNodes(
    Array.from({ length: PRIMARIES + replicas }, () => (port: number, bus: number, folder: string) => [
      ...plainArguments(port, folder),
      ...['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf', '--cluster-port', String(bus)],
      ...['--cluster-node-timeout', String(nodeTimeoutMs), '--cluster-replica-validity-factor', '0'],
    ]),
  );
  try {
    await join(nodes);
  } catch (error) {
    await Promise.all(nodes.map((node) => node.stop()));
    throw error;
  }
  return clusterOf(nodes);
};

const join = async (nodes: readonly RedisNode[]): Promise<void> => {
  const [first] = nodes;
  for (const [at, node] of nodes.entries()) {
    await node.admitReplicas();
    await node.call('CLUSTER', 'SET-CONFIG-EPOCH', at + 1);
    if (at < PRIMARIES) await node.call('CLUSTER', 'ADDSLOTSRANGE', ...range(at));
    if (first && node !== first) await node.call('CLUSTER', 'MEET', first.host, first.port, first.sparePort);
  }
  await each(
    nodes,
    'that all nodes have met',
    async (node) => (await node.field('cluster_known_nodes', 'CLUSTER', 'INFO')) === String(nodes.length),
  );
  for (const [at, node] of nodes.slice(PRIMARIES).entries()) {
    await node.call('CLUSTER', 'REPLICATE', await idOf(nodes[at] ?? node));
  }
  await each(
    nodes,
    'a cluster that serves',
    async (node) => (await node.field('cluster_state', 'CLUSTER', 'INFO')) === 'ok',
  );
  await each(
    nodes.slice(PRIMARIES),
    'that the replicas follow',
    async (node) => (await node.field('master_link_status', 'INFO', 'replication')) === 'up',
  );
};

const range = (at: number): [number, number] => [
  Math.ceil((at * SLOTS) / PRIMARIES),
  Math.ceil(((at + 1) * SLOTS) / PRIMARIES) - 1,
];

const each = async (
  nodes: readonly RedisNode[],
  what: string,
  test: (node: RedisNode) => Promise<boolean>,
): Promise<void> => {
  await Promise.all(
    nodes.map((node) => eventually(() => test(node), { what, timeoutMs: 15_000, everyMs: 50 })),
  );
};

const idOf = async (node: RedisNode): Promise<string> => String(await node.call('CLUSTER', 'MYID'));

type SlotRow = readonly [from: number, to: number, owner: readonly [host: string, port: number]];

const clusterOf = (nodes: readonly RedisNode[]): RedisCluster => {
  const [first] = nodes;
  if (first === undefined) throw new Error('A cluster without nodes.');
  const any = async (command: string, ...args: (string | number)[]): Promise<unknown> => {
    for (const node of nodes.slice(1)) {
      const answer = await node.call(command, ...args).catch(() => undefined);
      if (answer !== undefined) return answer;
    }
    return first.call(command, ...args);
  };
  const clients: Cluster6[] = [];
  return {
    nodes,
    client: (version, options) => {
      const client = connect(nodes, version, options);
      clients.push(client);
      return client;
    },
    slotOf: async (key) => Number(await any('CLUSTER', 'KEYSLOT', key)),
    ownerOf: async (slot) => {
      const rows = (await any('CLUSTER', 'SLOTS')) as SlotRow[];
      const port = rows.find(([from, to]) => from <= slot && slot <= to)?.[2][1];
      return nodes.find((node) => node.port === port) ?? first;
    },
    stop: async () => {
      for (const client of clients) client.disconnect();
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
};

const connect = (
  nodes: readonly RedisNode[],
  version: RedisClientVersion,
  options: object = {},
): Cluster6 => {
  const seeds = nodes.map(({ host, port }) => ({ host, port }));
  const client =
    version === 6 ? new Cluster6(seeds, options) : (new Cluster5(seeds, options) as unknown as Cluster6);
  client.on('error', () => undefined);
  return client;
};

/** Moving one slot from its owner to another node, step by step, as `redis-cli --cluster reshard` does it. */
export class SlotMigration {
  readonly #cluster: RedisCluster;
  readonly #slot: number;
  readonly #from: RedisNode;
  readonly #to: RedisNode;

  static async begin(cluster: RedisCluster, slot: number): Promise<SlotMigration> {
    const from = await cluster.ownerOf(slot);
    const to = cluster.nodes.slice(0, PRIMARIES).find((node) => node !== from) ?? from;
    await to.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await idOf(from));
    await from.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', await idOf(to));
    return new SlotMigration(cluster, slot, from, to);
  }

  private constructor(cluster: RedisCluster, slot: number, from: RedisNode, to: RedisNode) {
    this.#cluster = cluster;
    this.#slot = slot;
    this.#from = from;
    this.#to = to;
  }

  /** Moves up to `count` keys; says how many there were. */
  async move(count: number): Promise<number> {
    const keys = (await this.#from.call('CLUSTER', 'GETKEYSINSLOT', this.#slot, count)) as string[];
    const { host, port } = this.#to;
    if (keys.length > 0) await this.#from.call('MIGRATE', host, port, '', 0, 1_000, 'KEYS', ...keys);
    return keys.length;
  }

  /** The new owner is told first, so that no moment has none. */
  async end(): Promise<RedisNode> {
    const id = await idOf(this.#to);
    const others = this.#cluster.nodes.slice(0, PRIMARIES).filter((node) => node !== this.#to);
    for (const node of [this.#to, this.#from, ...others]) {
      await node.call('CLUSTER', 'SETSLOT', this.#slot, 'NODE', id);
    }
    return this.#to;
  }
}
