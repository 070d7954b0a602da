import { rm } from 'node:fs/promises';
import { Redis } from 'ioredis';
import { freePort, type KeptProcess, makeFolder, startKept } from './kept-process.ts';
import { redisBinary, untilRedisAnswers } from './redis.ts';

const HOST = '127.0.0.1';
const TRIES = 3;

/** The command line of one server, given its port, a second free port, and its folder. */
export type NodeArguments = (port: number, sparePort: number, folder: string) => Promise<string[]> | string[];

/** The replicas' own login at their primary, so that they can be shut out. */
const REPLICA_USER = 'replica';

/** What every server of a test has: no file that outlives it, and no pause before a replica gets its first copy. */
export const plainArguments = (port: number, folder: string): string[] => [
  ...['--port', String(port), '--bind', HOST, '--save', '', '--appendonly', 'no', '--dir', folder],
  ...['--repl-diskless-sync-delay', '0', '--masteruser', REPLICA_USER, '--masterauth', 'unused'],
];

/** One of several Redis processes that know each other; its folder, and with it its identity in a cluster, outlives a restart. */
export class RedisNode {
  readonly host = HOST;
  readonly port: number;
  readonly sparePort: number;
  readonly #folder: string;
  readonly #command: readonly string[];
  #kept: KeptProcess;

  static async start(more: NodeArguments, tries = TRIES): Promise<RedisNode> {
    const binary = await redisBinary();
    const [port, sparePort] = [await freePort(), await freePort()];
    const folder = await makeFolder('redis-node');
    try {
      const command = [binary, ...(await more(port, sparePort, folder))];
      const kept = await startKept(folder, command, 'KILL');
      await untilRedisAnswers(port, kept);
      return new RedisNode(port, sparePort, folder, command, kept);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      // Somebody else may have taken the port meanwhile.
      if (tries <= 1) throw error;
      return RedisNode.start(more, tries - 1);
    }
  }

  private constructor(
    port: number,
    sparePort: number,
    folder: string,
    command: readonly string[],
    kept: KeptProcess,
  ) {
    this.port = port;
    this.sparePort = sparePort;
    this.#folder = folder;
    this.#command = command;
    this.#kept = kept;
  }

  get address(): string {
    return `${HOST}:${this.port}`;
  }

  /** One command over a connection of its own. */
  async call(command: string, ...args: (string | number)[]): Promise<unknown> {
    const client = new Redis(this.port, HOST, { maxRetriesPerRequest: 0, retryStrategy: () => null });
    client.on('error', () => undefined);
    try {
      return await client.call(command, ...args);
    } finally {
      client.disconnect();
    }
  }

  /** One field of INFO, CLUSTER INFO and their like. */
  async field(name: string, command: string, ...args: string[]): Promise<string | undefined> {
    const text = String(await this.call(command, ...args));
    return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(text)?.[1];
  }

  /** Has to be said once before replicas can follow, and again after `shutOutReplicas`. */
  async admitReplicas(): Promise<void> {
    await this.call('ACL', 'SETUSER', REPLICA_USER, 'on', 'nopass', '~*', '&*', '+@all');
  }

  /** From now on nothing reaches its replicas: what it is told afterwards, they will never have heard. */
  async shutOutReplicas(): Promise<void> {
    await this.call('ACL', 'SETUSER', REPLICA_USER, 'off');
    await this.call('CLIENT', 'KILL', 'USER', REPLICA_USER);
  }

  /** Ends it without warning. */
  kill(): Promise<void> {
    return this.#kept.end({ keepFolder: true });
  }

  /** Starts it again, with an empty memory. */
  async startAgain(): Promise<void> {
    this.#kept = await startKept(this.#folder, this.#command, 'KILL');
    await untilRedisAnswers(this.port, this.#kept);
  }

  /** One that was killed has left its folder. */
  async stop(): Promise<void> {
    await this.#kept.end();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Starts all of them, or none. */
export const startNodes = async (all: readonly NodeArguments[]): Promise<RedisNode[]> => {
  const nodes = await Promise.allSettled(all.map((more) => RedisNode.start(more)));
  const started = nodes.flatMap((node) => (node.status === 'fulfilled' ? [node.value] : []));
  const failed = nodes.find((node) => node.status === 'rejected');
  if (failed === undefined) return started;
  await Promise.all(started.map((node) => node.stop()));
  throw failed.reason;
};
