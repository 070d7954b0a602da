import { createHash } from 'node:crypto';
import { type Cluster, Redis as Redis6 } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import type { CensusDuty, Duty } from '../../lib/core/duty.ts';
import type {
  DenialReason,
  Forbidden,
  LeaseOutcome,
  LeaseRef,
  ResourceSettings,
  Share,
} from '../../lib/core/lease.ts';
import type { OperateReply, Operation } from '../../lib/core/operation.ts';
import type { GroupReport, ResourceReport } from '../../lib/core/report.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import type { ScriptClient } from '../../lib/registry/redis/batch.ts';
import { keysOf, namespaceTag } from '../../lib/registry/redis/keys.ts';
import { scriptedRegistry } from '../../lib/registry/redis/redis-registry.ts';
import { PARTS, SCRIPTS } from '../../lib/registry/redis/scripts.generated.ts';
import type { ScriptName, ScriptSet } from '../../lib/registry/redis/scripts.ts';
import type { HearingClient } from '../../lib/registry/redis/wake-channel.ts';
import type {
  GrantReply,
  GrantRequest,
  Listener,
  ParkOutcome,
  ParkReply,
  Registration,
  Registry,
  RenewOutcome,
  RenewReply,
} from '../../lib/registry/registry.ts';
import { eventually } from './eventually.ts';
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

export interface RedisHarness<Client extends Redis6 | Cluster = Redis6> extends RegistryHarness {
  readonly client: Client;
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

/** Every script with another clock. */
export const scriptsOver = (clock: string): ScriptSet =>
  Object.fromEntries(
    (Object.keys(SCRIPTS) as ScriptName[]).map((name) => {
      const parts = SCRIPTS[name].uses.map((part) => (part === 'clock' ? clock : PARTS[part]));
      const text = [...parts, SCRIPTS[name].body].join('\n');
      return [name, { text, sha1: createHash('sha1').update(text).digest('hex') }];
    }),
  ) as ScriptSet;

/** The clock is a number in the key that else holds the sentinel. */
const SETTABLE_CLOCK = `local function clock()
  return tonumber(redis.call('GET', KEYS[3]))
end`;

const CLOCK_KEY = 2;

/** Sets the clock's key before the first script that would read an old value; on one connection the order holds. */
class ClockSetter implements ScriptClient {
  clockMs = START_MS;
  readonly #client: Redis6 | Cluster;
  readonly #told = new Map<string, number>();
  /** Only a cluster has any. */
  readonly nodes?: NonNullable<HearingClient['nodes']>;

  constructor(client: Redis6 | Cluster) {
    this.#client = client;
    if ('nodes' in client) this.nodes = (role) => client.nodes(role);
  }

  evalsha(sha1: string, keyCount: number, ...args: string[]): Promise<unknown> {
    this.#tell(args[CLOCK_KEY] ?? '');
    return this.#client.evalsha(sha1, keyCount, ...args);
  }

  eval(script: string, keyCount: number, ...args: string[]): Promise<unknown> {
    return this.#client.eval(script, keyCount, ...args);
  }

  duplicate(options: object): unknown {
    return (this.#client as Redis6).duplicate(options);
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
export const redisHarness = (
  url: string,
  namespace: string,
  version?: RedisClientVersion,
): Promise<RedisHarness> => {
  const client = connectRedis(url, version);
  return harnessOver(client, () => [client], namespace);
};

/** The same over a client that is connected already; `nodes` are the servers behind it. */
export const harnessOver = async <Client extends Redis6 | Cluster>(
  client: Client,
  nodes: () => readonly Redis6[],
  namespace: string,
): Promise<RedisHarness<Client>> => {
  const setter = new ClockSetter(client);
  const scripts = scriptsOver(SETTABLE_CLOCK);
  const texts = Object.values(scripts).map(({ text }) => text);
  // Loaded beforehand: a script sent after NOSCRIPT would be overtaken by what a test has sent behind it.
  await Promise.all(nodes().flatMap((node) => texts.map((text) => node.script('LOAD', text))));
  const flush = async (): Promise<void> => {
    for (const node of nodes()) {
      const keys = await node.keys(`leasehold:{*.${namespaceTag(namespace)}}:*`);
      await Promise.all(keys.map((key) => node.del(key)));
    }
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
  claimMs: 1_000,
  connectsPerSecond: 0,
  connectBurst: 1,
};

/** A lease id out of a short name. */
export const idOf = (name: string): string => name.padEnd(16, '_');

export interface Ask {
  readonly again?: boolean;
  readonly stamp?: number;
  readonly holder?: string;
  readonly group?: string;
  readonly wait?: boolean;
  readonly waitMs?: number;
  readonly listens?: boolean;
  readonly share?: Share;
  readonly settings?: ResourceSettings;
}

export type Granted = GrantReply & { readonly kind: 'granted' };

/** One resource as the tests speak of it: leases by short names, each with a holder of its own unless told otherwise. */
export class Scene {
  readonly harness: RegistryHarness;
  readonly resource: string;
  readonly settings: ResourceSettings;
  /** The tickets that were woken, by name, in order. */
  readonly woken: string[] = [];
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
    const { waitMs, listens, share } = ask;
    return {
      resource: this.resource,
      leaseId: idOf(name),
      again: ask.again ?? false,
      stamp: ask.stamp ?? 0,
      holder: ask.holder ?? holderOf(name),
      group: ask.group ?? 'checkout',
      wait: ask.wait ?? false,
      settings: ask.settings ?? this.settings,
      ...(waitMs !== undefined && { waitMs }),
      ...(listens !== undefined && { listens }),
      ...(share !== undefined && { share }),
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

  /** A refusal, word for word, with so many connections in use. */
  denial(reason: DenialReason, retryAfterMs: number, inUse: number, because?: Forbidden): GrantReply {
    const { capacity } = this.settings;
    const why = because === undefined ? {} : { because };
    return { kind: 'denied', reason, retryAfterMs, ...why, inUse, capacity };
  }

  /** An ask that must be queued. */
  async queued(name: string, ask: Ask = {}): Promise<GrantReply & { readonly kind: 'queued' }> {
    const reply = await this.ask(name, { wait: true, ...ask });
    if (reply.kind !== 'queued') throw new Error(`${name} was not queued: ${JSON.stringify(reply)}`);
    return reply;
  }

  /** An ask that must be queued, of a caller that can be woken. */
  listening(name: string, ask: Ask = {}): Promise<GrantReply & { readonly kind: 'queued' }> {
    return this.queued(name, { listens: true, ...ask });
  }

  /** Writes down whom a push wakes, from now on. */
  async hear(...names: readonly string[]): Promise<Listener[]> {
    const { registry, resource, woken } = this;
    const listeners = names.map((name) =>
      registry.listen?.(resource, holderOf(name), (leaseId) => woken.push(nameOf(leaseId))),
    );
    await eventually(() => listeners.every((each) => each?.isReady === true), { what: 'the subscription' });
    return listeners.filter((each) => each !== undefined);
  }

  /** Who has been woken so far, once there are so many. */
  heard(count: number): Promise<readonly string[]> {
    return eventually(() => this.woken.length >= count && this.woken, { what: `wake-up ${count}` });
  }

  ref(name: string): LeaseRef {
    return { id: idOf(name), fence: this.#fences.get(name) ?? 0 };
  }

  /** A lease that the registry may not remember: what this scene has not seen granted gets a fence from long ago. */
  #opened(name: string): LeaseRef {
    if (!this.#fences.has(name)) this.#fences.set(name, 1_000 + this.#fences.size);
    return this.ref(name);
  }

  /** The next turn of a lease, as its holder counts. */
  turn(name: string): number {
    const turn = (this.#turns.get(name) ?? 0) + 1;
    this.#turns.set(name, turn);
    return turn;
  }

  renewAll(name: string, more: Partial<Renewal> = {}): Promise<RenewReply> {
    const { holder = holderOf(name), turn = this.turn(name), idle = false, session, fence, again } = more;
    const ref = { ...this.ref(name), ...(fence !== undefined && { fence }) };
    const known = { ...(session !== undefined && { session }), ...(again !== undefined && { again }) };
    return this.registry.renew(this.resource, holder, [{ ...ref, turn, idle, ...known }]);
  }

  async renew(name: string, more: Partial<Renewal> = {}): Promise<RenewOutcome> {
    const { outcomes } = await this.renewAll(name, more);
    return outcomes[0] as RenewOutcome;
  }

  /** Its holder brings a lease back to a registry that has lost its memory; the session is bound to server1. */
  again(name: string, more: Partial<Renewal & Registration> = {}): Promise<RenewOutcome> {
    const { group = 'checkout', settings = this.settings, inForce, ...rest } = more;
    const again = { group, settings, ...(inForce !== undefined && { inForce }) };
    this.#opened(name);
    return this.renew(name, { session: `server1.${name}`, again, ...rest });
  }

  parkAll(name: string, more: Partial<Renewal> = {}): Promise<ParkReply> {
    const { holder = holderOf(name), turn = this.turn(name), session, fence } = more;
    const ref = { ...this.ref(name), ...(fence !== undefined && { fence }) };
    return this.registry.park(this.resource, holder, [
      { ...ref, turn, ...(session !== undefined && { session }) },
    ]);
  }

  async park(name: string, more: Partial<Renewal> = {}): Promise<ParkOutcome> {
    const { outcomes } = await this.parkAll(name, more);
    return outcomes[0] as ParkOutcome;
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

  operate(operation: Operation): Promise<OperateReply> {
    return this.registry.operate(this.resource, operation);
  }

  share(group: string, share: Partial<Share>, version?: number): Promise<OperateReply> {
    const whole = { min: 0, max: 100, priority: 0, ...share };
    return this.operate({ kind: 'share', group, share: whole, ...(version !== undefined && { version }) });
  }

  resize(capacity: number, headroom: number, version?: number): Promise<OperateReply> {
    return this.operate({ kind: 'resize', capacity, headroom, ...(version !== undefined && { version }) });
  }

  /** Connects that fail, each of a holder of its own. */
  async fail(count: number, outcome: LeaseOutcome = 'refused'): Promise<void> {
    for (let at = 0; at < count; at++)
      await this.operate({ kind: 'observe', holder: `failing${at}`, outcome });
  }

  /** Sessions that a census has seen, bound to server1; `foreign`: this is the last page. */
  adopt(census: CensusDuty, names: readonly string[], foreign?: number): Promise<'adopted' | 'refused'> {
    const sessions = names.map((name) => ({ ...this.#opened(name), session: `server1.${name}` }));
    return this.registry.adopt(
      this.resource,
      census,
      sessions,
      foreign === undefined ? undefined : { foreign },
    );
  }

  /** A census of the sweeper's, long after learning. */
  async census(): Promise<CensusDuty> {
    return { epoch: (await this.report()).epoch, token: 0 };
  }

  /** The record of a group, if there is one. */
  async group(name: string): Promise<GroupReport | undefined> {
    return (await this.report()).groups.find((each) => each.name === name);
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
  readonly again: Registration;
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

const nameOf = (leaseId: string): string => leaseId.replace(/_+$/, '');

/** The names of the leases whose duties ride on a reply, in order. */
export const dutyNames = (duties: readonly Duty[]): string[] => duties.map(({ lease }) => nameOf(lease.id));
