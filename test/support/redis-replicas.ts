import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis as Redis6 } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { eventually } from './eventually.ts';
import { plainArguments, RedisNode } from './redis-node.ts';
import type { RedisClientVersion } from './registry-harness.ts';

/** The name under which Sentinel knows the primary. */
const NAME = 'registry';

export interface SentinelWay {
  readonly sentinels: { readonly host: string; readonly port: number }[];
  readonly name: string;
}

export interface RedisReplicas {
  readonly primary: RedisNode;
  readonly replica: RedisNode;
  /** What a client has to know: where Sentinel is. */
  readonly way: SentinelWay;
  /** Through Sentinel, unless the options name another way; disconnected by `stop`. */
  client(version: RedisClientVersion, options?: object): Redis6;
  /** From now on nothing reaches the replica: what the primary is told afterwards, the replica will never have heard. */
  leaveReplicaBehind(): Promise<void>;
  letReplicaFollow(): Promise<void>;
  /** Kills the primary; resolves when the replica has been promoted and Sentinel names it to clients. */
  failOver(): Promise<void>;
  /** Has Sentinel promote the replica while the primary is well; resolves when it has been told to. */
  switchOver(): Promise<void>;
  /** The killed primary comes back, empty, as the replica of the promoted one. */
  rejoin(): Promise<void>;
  stop(): Promise<void>;
}

/** A primary, a replica and a Sentinel, real ones, on this machine. */
export const startRedisReplicas = async (): Promise<RedisReplicas> => {
  const started: RedisNode[] = [];
  const start = async (more: Parameters<typeof RedisNode.start>[0]): Promise<RedisNode> => {
    const node = await RedisNode.start(more);
    started.push(node);
    return node;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((node) => node.stop()));
  };
  try {
    const primary = await start((port, _, folder) => plainArguments(port, folder));
    await primary.admitReplicas();
    const replica = await start((port, _, folder) => [
      ...plainArguments(port, folder),
      ...['--replicaof', primary.host, String(primary.port)],
    ]);
    // For the day when it is the primary itself.
    await replica.admitReplicas();
    await untilFollowed(primary, replica);
    const sentinel = await start((port, _, folder) => sentinelArguments(port, folder, primary));
    await untilSeen(sentinel);
    return replicasOf(primary, replica, sentinel, stop);
  } catch (error) {
    await stop();
    throw error;
  }
};

const sentinelArguments = async (port: number, folder: string, primary: RedisNode): Promise<string[]> => {
  const file = join(folder, 'sentinel.conf');
  const lines = [
    `port ${port}`,
    `bind ${primary.host}`,
    `dir ${folder}`,
    `sentinel monitor ${NAME} ${primary.host} ${primary.port} 1`,
    `sentinel down-after-milliseconds ${NAME} 500`,
    `sentinel failover-timeout ${NAME} 3000`,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  return [file, '--sentinel'];
};

/** What its servers say of the link between them runs ahead of it; a word that has come through does not. */
const untilFollowed = async (primary: RedisNode, replica: RedisNode): Promise<void> => {
  const word = String(performance.now());
  const comesThrough = async (): Promise<boolean> => {
    await primary.call('SET', 'word', word, 'PX', 10_000);
    return (await replica.call('GET', 'word')) === word;
  };
  await eventually(comesThrough, { what: 'a replica that follows', timeoutMs: 10_000, everyMs: 20 });
};

/** Sentinel learns of replicas from the primary, every 10 s and once at the start. */
const untilSeen = (sentinel: RedisNode): Promise<unknown> =>
  eventually(async () => ((await sentinel.call('SENTINEL', 'REPLICAS', NAME)) as unknown[]).length === 1, {
    what: 'a Sentinel that knows the replica',
    timeoutMs: 15_000,
    everyMs: 50,
  });

const replicasOf = (
  primary: RedisNode,
  replica: RedisNode,
  sentinel: RedisNode,
  stop: () => Promise<void>,
): RedisReplicas => {
  const clients: Redis6[] = [];
  const way = { sentinels: [{ host: sentinel.host, port: sentinel.port }], name: NAME };
  return {
    primary,
    replica,
    way,
    client: (version, options = {}) => {
      const all = { ...way, ...options };
      const client = version === 6 ? new Redis6(all) : (new Redis5(all) as unknown as Redis6);
      client.on('error', () => undefined);
      clients.push(client);
      return client;
    },
    leaveReplicaBehind: () => primary.shutOutReplicas(),
    letReplicaFollow: async () => {
      await primary.admitReplicas();
      await untilFollowed(primary, replica);
    },
    failOver: async () => {
      await primary.kill();
      await eventually(async () => (await replica.field('role', 'INFO', 'replication')) === 'master', {
        what: 'a promoted replica',
        timeoutMs: 15_000,
        everyMs: 10,
      });
      const named = async (): Promise<boolean> => {
        const address = await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME);
        return (address as string[])[1] === String(replica.port);
      };
      await eventually(named, { what: 'a Sentinel that names the promoted one', everyMs: 10 });
    },
    switchOver: async () => {
      await sentinel.call('SENTINEL', 'FAILOVER', NAME);
    },
    rejoin: async () => {
      await primary.startAgain();
      await primary.call('REPLICAOF', replica.host, replica.port);
      await untilFollowed(replica, primary);
    },
    stop: () => {
      for (const client of clients) client.disconnect();
      return stop();
    },
  };
};
