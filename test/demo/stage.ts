import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { parseConfig, settingsOf } from '../../lib/core/config.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import { redisRegistry } from '../../lib/registry/redis/redis-registry.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { startRedis } from '../support/redis.ts';
import type { Arguments } from './arguments.ts';
import { startDatabase } from './engine/database.ts';
import type { Database, EngineName, Judge } from './engine/engine.ts';
import { Fleet } from './fleet.ts';
import type { LeasePlan, RegistryAddress } from './plan.ts';
import type { Screen } from './screen.ts';
import type { Stopping } from './stopping.ts';

type Cleanup = () => Promise<unknown>;

/** Nothing that ends here needs longer; what hangs must not keep the rest from ending. */
const CLEANUP_TIMEOUT_MS = 5_000;

/** All real parts of the demo, running; `close` leaves nothing of them behind. */
export class Stage {
  readonly #cleanups: Cleanup[] = [];
  readonly #arguments: Arguments;
  readonly #stopping: Stopping;
  readonly #screen: Screen;
  #database: Database | undefined;
  #registry: Registry | undefined;
  #fleet: Fleet | undefined;
  #address: RegistryAddress = { kind: 'memory', namespace: 'memory' };

  constructor(arguments_: Arguments, stopping: Stopping, screen: Screen) {
    this.#arguments = arguments_;
    this.#stopping = stopping;
    this.#screen = screen;
  }

  get judge(): Judge {
    return started(this.#database).judge;
  }

  get engine(): EngineName {
    return this.#arguments.engine;
  }

  /** How a person calls the database. */
  get title(): string {
    return started(this.#database).title;
  }

  get fleet(): Fleet {
    return started(this.#fleet);
  }

  /** The demo's own way to the registry. */
  get registry(): Registry {
    return started(this.#registry);
  }

  /** The fleet's way to it. */
  get address(): RegistryAddress {
    return this.#address;
  }

  /** Each part that was started is ended by `close`, also when the next one fails. */
  async open(): Promise<void> {
    const { signal } = this.#stopping;
    const opened = await Promise.allSettled([this.#openDatabase(), this.#openRegistry()]);
    const failed = opened.find((result) => result.status === 'rejected');
    signal.throwIfAborted();
    if (failed !== undefined) throw failed.reason;
    const fleet = new Fleet({
      registry: this.registry,
      crashed: (error) => this.#stopping.because(error),
    });
    this.#fleet = fleet;
    this.#cleanups.push(() => fleet.stop());
    await fleet.start(this.#arguments.environments);
    signal.throwIfAborted();
  }

  /** A role for one phase, whose limit is the capacity: the database itself refuses what is above. Resolves with its address. */
  createRole(name: string): Promise<string> {
    return started(this.#database).createRole(name, this.#arguments.capacity);
  }

  /** The first step of a deploy: tells the registry that the resource is new, so that nobody's first request waits. */
  async createResource(leases: LeasePlan): Promise<void> {
    const settings = settingsOf(parseConfig({ ...leases }, []));
    await this.registry.configure(leases.resource, settings, true);
    this.#cleanups.push(() => this.registry.forget(leases.resource));
  }

  /** In the order opposite to the start; never rejects. */
  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) {
      const late = new AbortController();
      const bound = pause(CLEANUP_TIMEOUT_MS, undefined, { signal: late.signal }).catch(() => undefined);
      await Promise.race([cleanup().catch(() => undefined), bound]);
      late.abort();
    }
  }

  async #openDatabase(): Promise<void> {
    const { engine, capacity, environments, log } = this.#arguments;
    const database = await startDatabase(engine, {
      // Naively, all environments may be at the door at once.
      maxConnections: environments + capacity + 50,
      isLogFull: log !== undefined,
    });
    this.#database = database;
    this.#cleanups.push(
      () => database.stop(),
      () => database.judge.leave(),
    );
    if (log !== undefined) this.#cleanups.push(() => database.judge.keepLog(log));
  }

  async #openRegistry(): Promise<void> {
    const { registry } = this.#arguments;
    if (registry === 'memory') return this.#openMemory('as asked for');
    try {
      await this.#openRedis();
    } catch (error) {
      if (registry === 'redis' || this.#stopping.signal.aborted) throw error;
      this.#openMemory(said(error));
    }
  }

  #openMemory(why: string): void {
    this.#screen.say(
      `The registry is in this process's memory, reached by the fleet over its message channels (${why}).`,
    );
    this.#registry = memoryRegistry();
  }

  async #openRedis(): Promise<void> {
    const server = await startRedis();
    this.#cleanups.push(() => server.stop());
    const { url, namespace } = server;
    const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 1, retryStrategy: () => null });
    let reason: unknown;
    client.on('error', (error) => {
      reason = error;
    });
    this.#cleanups.push(async () => client.disconnect());
    await client.connect().catch((error: unknown) => {
      throw new Error(`Redis at ${server.host}:${server.port} does not answer (${said(reason ?? error)})`);
    });
    this.#registry = redisRegistry(client, { namespace });
    this.#address = { kind: 'redis', url, namespace };
  }
}

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const started = <Part>(part: Part | undefined): Part => {
  if (part === undefined) throw new Error('This part of the stage is not open.');
  return part;
};
