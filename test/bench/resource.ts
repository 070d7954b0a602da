import type { Redis } from 'ioredis';
import type { ResourceSettings } from '../../lib/core/lease.ts';
import { systemRandom } from '../../lib/core/random.ts';
import { redisRegistry } from '../../lib/registry/redis/redis-registry.ts';
import type { GrantReply, Registry } from '../../lib/registry/registry.ts';

export interface BenchLease {
  readonly id: string;
  readonly fence: number;
  readonly holder: string;
}

/** In one pipeline, and so that no reply waits for its time. */
const PAGE = 1_000;

const SETTINGS: ResourceSettings = {
  capacity: 1_000,
  headroom: 100,
  protectMs: 60_000,
  idleMs: 3_600_000,
  connectBoundMs: 4_000,
  quantumMs: 200,
  dutyMs: 5_000,
  ticketLivenessMs: 60_000,
  claimMs: 1_000,
  connectsPerSecond: 0,
  connectBurst: 1,
  waitersMax: 100_000,
};

/** One resource in a Redis, used and filled through the registry port. */
export class BenchResource {
  readonly name: string;
  readonly registry: Registry;
  readonly settings: ResourceSettings;

  private constructor(registry: Registry, name: string, settings: ResourceSettings) {
    this.registry = registry;
    this.name = name;
    this.settings = settings;
  }

  static async create(
    client: Redis,
    name: string,
    settings: Partial<ResourceSettings> = {},
  ): Promise<BenchResource> {
    const registry = redisRegistry(client, { namespace: 'bench', timeoutMs: 30_000 });
    const resource = new BenchResource(registry, name, { ...SETTINGS, ...settings });
    await registry.configure(name, resource.settings, true);
    return resource;
  }

  /** One lease; fails if it is not granted. */
  async take(holder: string = systemRandom.id()): Promise<BenchLease> {
    const id = systemRandom.id();
    const reply = await this.#grant(id, holder, false);
    if (reply.kind !== 'granted') throw new Error(`not granted: ${JSON.stringify(reply)}`);
    return { id, fence: reply.fence, holder };
  }

  async giveBack({ id, fence, holder }: BenchLease): Promise<void> {
    const [word] = await this.registry.release(this.name, holder, [{ id, fence, outcome: 'closed' }]);
    if (word !== 'released') throw new Error(`not released: ${word}`);
  }

  /** Tells whose session the lease is for, as every holder does as soon as its connection is open. */
  async bind({ id, fence, holder }: BenchLease, session: string): Promise<void> {
    const item = { id, fence, turn: 1, session, idle: false };
    const { outcomes } = await this.registry.renew(this.name, holder, [item]);
    if (outcomes[0]?.kind !== 'held') throw new Error(`not renewed: ${JSON.stringify(outcomes)}`);
  }

  /** A ticket in the queue, or the poll of one; returns its id. */
  async wait(id?: string, holder: string = systemRandom.id()): Promise<string> {
    const ticket = id ?? systemRandom.id();
    const reply = await this.#grant(ticket, holder, id !== undefined);
    if (reply.kind !== 'queued') throw new Error(`not queued: ${JSON.stringify(reply)}`);
    return ticket;
  }

  #grant(leaseId: string, holder: string, again: boolean): Promise<GrantReply> {
    const { name: resource, settings } = this;
    return this.registry.grant({
      resource,
      leaseId,
      again,
      stamp: 0,
      holder,
      group: 'orders-api',
      wait: true,
      settings,
    });
  }
}

/** Makes `count` of something, as many at once as one pipeline holds well. */
export const makeMany = async <Item>(count: number, make: (at: number) => Promise<Item>): Promise<Item[]> => {
  const items: Item[] = [];
  while (items.length < count) {
    const page = Math.min(PAGE, count - items.length);
    items.push(...(await Promise.all(Array.from({ length: page }, (_, at) => make(items.length + at)))));
  }
  return items;
};
