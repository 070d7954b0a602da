import { createHash } from 'node:crypto';
import { Redis as Redis6 } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import type { LeaseOutcome, LeaseRef, ResourceSettings } from '../../lib/core/lease.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import type { ScriptClient } from '../../lib/registry/redis/batch.ts';
import { keysOf, namespaceTag } from '../../lib/registry/redis/keys.ts';
import { scriptedRegistry } from '../../lib/registry/redis/redis-registry.ts';
import { PRELUDE, SCRIPTS } from '../../lib/registry/redis/scripts.generated.ts';
import type { ScriptName, ScriptSet } from '../../lib/registry/redis/scripts.ts';
import type {
  Duty,
  GrantReply,
  GrantRequest,
  ParkOutcome,
  Registry,
  RenewOutcome,
  RenewReply,
  ResourceReport,
} from '../../lib/registry/registry.ts';
import { FakeClock } from './fake-clock.ts';

/** A registry over a clock that the test sets. */
export interface RegistryHarness {
  readonly registry: Registry;
  /** What the registry's own clock shows, in ms. */
  readonly clockMs: number;
  /** Moves the registry's clock, also backwards. */
  advance(ms: number): void;
  close(): Promise<void>;
}

export interface RedisHarness extends RegistryHarness {
  readonly client: Redis6;
  keysOf(resource: string): string[];
  /** What FLUSHALL does to a Redis that nobody else uses: every key of this harness is gone. */
  flush(): Promise<void>;
}

/** The same moment in every registry, so that two of them can be compared word for word. */
const START_MS = Date.UTC(2026, 5, 1);

export const memoryHarness = async (): Promise<RegistryHarness> => {
  const clock = new FakeClock(START_MS);
  return {
    registry: memoryRegistry({ clock }),
    get clockMs() {
      return clock.read().wallMs;
    },
    advance: (ms) => clock.stepWall(ms),
    close: async () => undefined,
  };
};

/** Every script with another clock in front. */
export const scriptsOver = (clock: string): ScriptSet =>
  Object.fromEntries(
    (Object.keys(SCRIPTS) as ScriptName[]).map((name) => {
      const text = [clock, PRELUDE, SCRIPTS[name].body].join('\n');
      return [name, { text, sha1: createHash('sha1').update(text).digest('hex') }];
    }),
  ) as ScriptSet;

/** The clock is a number in the key that else holds the sentinel. */
const SETTABLE_CLOCK = `local function clock()
  return tonumber(redis.call('GET', KEYS[7]))
end`;

const CLOCK_KEY = 6;

/** Sets the clock's key before the first script that would read an old value; on one connection the order holds. */
class ClockSetter implements ScriptClient {
  clockMs = START_MS;
  readonly #client: Redis6;
  readonly #told = new Map<string, number>();

  constructor(client: Redis6) {
    this.#client = client;
  }

  evalsha(sha1: string, keyCount: number, ...args: string[]): Promise<unknown> {
    this.#tell(args[CLOCK_KEY] ?? '');
    return this.#client.evalsha(sha1, keyCount, ...args);
  }

  eval(script: string, keyCount: number, ...args: string[]): Promise<unknown> {
    return this.#client.eval(script, keyCount, ...args);
  }

  forget(): void {
    this.#told.clear();
  }

  #tell(key: string): void {
    if (this.#told.get(key) === this.clockMs) return;
    this.#told.set(key, this.clockMs);
    this.#client.set(key, this.clockMs).catch(() => undefined);
  }
}

export type RedisClientVersion = 5 | 6;

const connectRedis = (url: string, version: RedisClientVersion = 6): Redis6 =>
  version === 6 ? new Redis6(url) : (new Redis5(url) as unknown as Redis6);

/** The real scripts in a real Redis, over a settable clock. `namespace` must be the test's own. */
export const redisHarness = async (
  url: string,
  namespace: string,
  version?: RedisClientVersion,
): Promise<RedisHarness> => {
  const client = connectRedis(url, version);
  const setter = new ClockSetter(client);
  const scripts = scriptsOver(SETTABLE_CLOCK);
  // Loaded beforehand: a script sent after NOSCRIPT would be overtaken by what a test has sent behind it.
  await Promise.all(Object.values(scripts).map(({ text }) => client.script('LOAD', text)));
  const flush = async (): Promise<void> => {
    const keys = await client.keys(`leasehold:{*.${namespaceTag(namespace)}}:*`);
    if (keys.length > 0) await client.del(...keys);
    setter.forget();
  };
  return {
    client,
    registry: scriptedRegistry(setter, scripts, { namespace, timeoutMs: 30_000 }),
    get clockMs() {
      return setter.clockMs;
    },
    advance: (ms) => {
      setter.clockMs += ms;
    },
    keysOf: (resource) => keysOf(resource, namespaceTag(namespace)),
    flush,
    close: async () => {
      await flush();
      await client.quit();
    },
  };
};

/** Three connections, one of them kept back: the smallest resource that can do everything. */
export const SETTINGS: ResourceSettings = {
  capacity: 3,
  headroom: 1,
  protectMs: 10_000,
  idleMs: 60_000,
  connectBoundMs: 4_000,
  quantumMs: 200,
  dutyMs: 5_000,
  ticketLivenessMs: 1_500,
  waitersMax: 5,
};

/** A lease id out of a short name. */
export const idOf = (name: string): string => name.padEnd(16, '_');

export interface Ask {
  readonly again?: boolean;
  readonly stamp?: number;
  readonly holder?: string;
  readonly group?: string;
  readonly wait?: boolean;
  readonly settings?: ResourceSettings;
}

export type Granted = GrantReply & { readonly kind: 'granted' };

/** One resource as the tests speak of it: leases by short names, each with a holder of its own unless told otherwise. */
export class Scene {
  readonly harness: RegistryHarness;
  readonly resource: string;
  readonly settings: ResourceSettings;
  readonly #fences = new Map<string, number>();
  readonly #turns = new Map<string, number>();

  constructor(harness: RegistryHarness, resource: string, settings: Partial<ResourceSettings> = {}) {
    this.harness = harness;
    this.resource = resource;
    this.settings = { ...SETTINGS, ...settings };
  }

  get registry(): Registry {
    return this.harness.registry;
  }

  /** The operator says that the resource is new: no learning. */
  async start(): Promise<this> {
    await this.registry.configure(this.resource, this.settings, true);
    return this;
  }

  advance(ms: number): void {
    this.harness.advance(ms);
  }

  request(name: string, ask: Ask = {}): GrantRequest {
    return {
      resource: this.resource,
      leaseId: idOf(name),
      again: ask.again ?? false,
      stamp: ask.stamp ?? 0,
      holder: ask.holder ?? holderOf(name),
      group: ask.group ?? 'checkout',
      wait: ask.wait ?? false,
      settings: ask.settings ?? this.settings,
    };
  }

  async ask(name: string, ask: Ask = {}): Promise<GrantReply> {
    const reply = await this.registry.grant(this.request(name, ask));
    if (reply.kind === 'granted') this.#fences.set(name, reply.fence);
    return reply;
  }

  /** A waiter's next ask. */
  poll(name: string, ask: Ask = {}): Promise<GrantReply> {
    return this.ask(name, { again: true, wait: true, ...ask });
  }

  /** An ask that must be granted. */
  async granted(name: string, ask: Ask = {}): Promise<Granted> {
    const reply = await this.ask(name, ask);
    if (reply.kind !== 'granted') throw new Error(`${name} was not granted: ${JSON.stringify(reply)}`);
    return reply;
  }

  /** An ask that must be queued. */
  async queued(name: string, ask: Ask = {}): Promise<GrantReply & { readonly kind: 'queued' }> {
    const reply = await this.ask(name, { wait: true, ...ask });
    if (reply.kind !== 'queued') throw new Error(`${name} was not queued: ${JSON.stringify(reply)}`);
    return reply;
  }

  ref(name: string): LeaseRef {
    return { id: idOf(name), fence: this.#fences.get(name) ?? 0 };
  }

  /** The next turn of a lease, as its holder counts. */
  turn(name: string): number {
    const turn = (this.#turns.get(name) ?? 0) + 1;
    this.#turns.set(name, turn);
    return turn;
  }

  renewAll(name: string, more: Partial<Renewal> = {}): Promise<RenewReply> {
    const { holder = holderOf(name), turn = this.turn(name), idle = false, session, fence } = more;
    const ref = { ...this.ref(name), ...(fence !== undefined && { fence }) };
    return this.registry.renew(this.resource, holder, [
      { ...ref, turn, idle, ...(session !== undefined && { session }) },
    ]);
  }

  async renew(name: string, more: Partial<Renewal> = {}): Promise<RenewOutcome> {
    const { outcomes } = await this.renewAll(name, more);
    return outcomes[0] as RenewOutcome;
  }

  async park(name: string, more: Partial<Renewal> = {}): Promise<ParkOutcome> {
    const { holder = holderOf(name), turn = this.turn(name), session, fence } = more;
    const ref = { ...this.ref(name), ...(fence !== undefined && { fence }) };
    const reply = await this.registry.park(this.resource, holder, [
      { ...ref, turn, ...(session !== undefined && { session }) },
    ]);
    return reply.outcomes[0] as ParkOutcome;
  }

  async release(name: string, more: Partial<Ending> = {}): Promise<'released' | 'unknown' | undefined> {
    const { holder = holderOf(name), outcome = 'closed', fence } = more;
    const ref = { ...this.ref(name), ...(fence !== undefined && { fence }) };
    const [word] = await this.registry.release(this.resource, holder, [{ ...ref, outcome }]);
    return word;
  }

  async abandon(name: string, more: Partial<Ending> = {}): Promise<'abandoned' | 'unknown' | undefined> {
    const { holder = holderOf(name), outcome = 'unseen', session, fence } = more;
    const ref = { ...this.ref(name), ...(fence !== undefined && { fence }) };
    const [word] = await this.registry.abandon(this.resource, holder, [
      { ...ref, outcome, ...(session !== undefined && { session }) },
    ]);
    return word;
  }

  /** A look that did not show the session. */
  async absent(name: string, look: Look = {}): Promise<'settled' | 'kept' | 'unknown' | undefined> {
    const { seen = false, server = 'server1', by } = look;
    const [word] = await this.registry.settle(this.resource, by, [
      { id: idOf(name), kind: 'absent', seen, server },
    ]);
    return word;
  }

  async cannot(name: string): Promise<'settled' | 'kept' | 'unknown' | undefined> {
    const [word] = await this.registry.settle(this.resource, undefined, [{ id: idOf(name), kind: 'cannot' }]);
    return word;
  }

  async report(entries = 100): Promise<ResourceReport> {
    const report = await this.registry.inspect(this.resource, entries);
    if (report === undefined) throw new Error('The registry does not know the resource.');
    return report;
  }

  /** The state of one lease, or 'gone'. */
  async stateOf(name: string): Promise<'protected' | 'revocable' | 'revoking' | 'gone'> {
    const { entries } = await this.report();
    return entries.find(({ lease }) => lease.id === idOf(name))?.state ?? 'gone';
  }
}

interface Renewal {
  readonly holder: string;
  readonly turn: number;
  readonly idle: boolean;
  readonly session: string;
  readonly fence: number;
}

interface Ending {
  readonly holder: string;
  readonly outcome: LeaseOutcome;
  readonly session: string;
  readonly fence: number;
}

interface Look {
  readonly seen?: boolean;
  readonly server?: string;
  readonly by?: LeaseRef;
}

export const holderOf = (name: string): string => `holder-of-${name}`;

/** The names of the leases whose duties ride on a reply, in order. */
export const dutyNames = (duties: readonly Duty[]): string[] =>
  duties.map(({ lease }) => lease.id.replace(/_+$/, ''));
