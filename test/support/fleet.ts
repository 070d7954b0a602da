import type pg from 'pg';
import type { ConfigInput } from '../../lib/core/config.ts';
import type { ResourceReport } from '../../lib/core/report.ts';
import type { PoolEvents } from '../../lib/pool/pool-events.ts';
import type { RedisRegistryOptions } from '../../lib/registry/redis/redis-registry.ts';
import type { GrantReply, Registry } from '../../lib/registry/registry.ts';
import { eventually } from './eventually.ts';
import { Judge } from './fleet-judge.ts';
import { type FleetPool, Member, type MemberSettings, type RedisWay } from './fleet-member.ts';
import { FleetProcess } from './fleet-process.ts';
import type { PostgresRole } from './postgres.ts';
import { freshNamespace, freshRole, postgresAdmin, redisUrl } from './servers.ts';
import { startTcpProxy, type TcpProxy, type TcpProxyOptions } from './tcp-proxy.ts';

const RESOURCE = 'orders';

/** Short times, so that whole lives of leases fit into a test. The connect bound is 1,400 ms. */
const FAST: Partial<ConfigInput> = {
  protectMs: 1_000,
  idleMs: 1_000,
  dangerMarginMs: 100,
  connectTimeoutMs: 400,
  dutyMs: 500,
  operationTimeoutMs: 400,
};

export const CONNECT_BOUND_MS = 1_400;

export type ProxyHooks = Pick<TcpProxyOptions, 'onClientData' | 'onServerData'>;

export interface FleetOptions {
  readonly capacity: number;
  readonly options?: Partial<ConfigInput>;
  /** Default: the shared one. */
  readonly redisUrl?: string;
  /** Everybody goes through Sentinel, or into a cluster; then no proxy is on the way. */
  readonly redisWay?: RedisWay;
  /** More options for the registries of the pools in this process. `registry` is the observer's, which has none of them. */
  readonly registryOptions?: (registry: Registry) => RedisRegistryOptions;
  readonly registryTimeoutMs?: number;
  /** More of what `new pg.Client` takes. */
  readonly database?: pg.ClientConfig;
  readonly redisHooks?: ProxyHooks;
  readonly databaseHooks?: ProxyHooks;
}

/**
 * A fleet on real servers: a role whose CONNECTION LIMIT is the capacity, a judge that watches its backends, and as many pools
 * and processes as a test wants. Members reach the servers directly, or through a proxy that the test asks for.
 */
export class Fleet implements AsyncDisposable {
  readonly role: PostgresRole;
  readonly judge: Judge;
  /** The observer's own way to the registry, past every proxy. */
  readonly registry: Registry;
  readonly redisProxy: TcpProxy;
  readonly databaseProxy: TcpProxy;
  /** Every event of every pool in this process. */
  readonly events: { readonly name: string; readonly event: unknown }[] = [];
  readonly #settings: MemberSettings;
  readonly #observer: Member;
  readonly #registryOptions: RedisRegistryOptions;
  readonly #members: Member[] = [];
  readonly #pools: FleetPool[] = [];
  readonly #processes: FleetProcess[] = [];

  static async start(options: FleetOptions): Promise<Fleet> {
    const admin = postgresAdmin();
    const role = await freshRole(options.capacity);
    const url = options.redisUrl ?? redisUrl();
    const { hostname, port } = new URL(url);
    const redisProxy = await startTcpProxy({ host: hostname, port: Number(port), ...options.redisHooks });
    const { host, port: databasePort } = admin;
    const databaseProxy = await startTcpProxy({ host, port: databasePort, ...options.databaseHooks });
    const judge = await Judge.start(admin.adminUrl, role.user);
    const settings: MemberSettings = {
      redisUrl: url,
      redisWay: options.redisWay,
      namespace: freshNamespace(),
      registryTimeoutMs: options.registryTimeoutMs ?? 1_000,
      database: { ...options.database, connectionString: role.url },
      options: { resource: RESOURCE, capacity: options.capacity, ...FAST, ...options.options },
    };
    const fleet = new Fleet(role, judge, settings, redisProxy, databaseProxy, options.registryOptions);
    await fleet.declareNew();
    return fleet;
  }

  private constructor(
    role: PostgresRole,
    judge: Judge,
    settings: MemberSettings,
    redisProxy: TcpProxy,
    databaseProxy: TcpProxy,
    registryOptions: (registry: Registry) => RedisRegistryOptions = () => ({}),
  ) {
    this.role = role;
    this.judge = judge;
    this.redisProxy = redisProxy;
    this.databaseProxy = databaseProxy;
    this.#settings = settings;
    this.#observer = new Member(settings);
    this.registry = this.#observer.registry;
    this.#registryOptions = registryOptions(this.registry);
  }

  get options(): ConfigInput {
    return this.#settings.options;
  }

  /** What a deploy does: nothing of this resource is open, so nothing has to be waited for. */
  async declareNew(): Promise<void> {
    const pool = this.#observer.pool();
    await this.registry.configure(RESOURCE, pool.config, true);
  }

  /** A pool in this process. `via`: which of its two ways lead through the proxies. */
  pool(options: Partial<ConfigInput> = {}, via: Via = {}, wrap = (inner: Registry) => inner): FleetPool {
    const member = new Member(this.#route(via), this.#registryOptions);
    this.#members.push(member);
    const pool = member.pool(options, wrap(member.registry));
    this.watch(pool);
    this.#pools.push(pool);
    return pool;
  }

  /** A process of its own with `pools` pools, the first of which a test usually means. */
  async process(pools = 1, options: Partial<ConfigInput> = {}, via: Via = {}): Promise<FleetProcess> {
    const route = this.#route(via);
    const settings = { ...route, options: { ...route.options, ...options } };
    const child = FleetProcess.start({ settings, pools }, (name, event) => this.judge.hear(name, event));
    this.#processes.push(child);
    await child.mark('ready');
    return child;
  }

  /** A holder that dies right after its grant: no connect, no word ever again. */
  async ghost(id: string): Promise<GrantReply> {
    const { config } = this.#observer.pool();
    const ask = { resource: RESOURCE, leaseId: id.padEnd(16, '_'), again: false, stamp: 0, wait: false };
    return this.registry.grant({ ...ask, holder: `ghost-${id}`, group: 'default', settings: config });
  }

  async report(): Promise<ResourceReport> {
    const report = await this.registry.inspect(RESOURCE, 100);
    if (report === undefined) throw new Error('The registry does not know the resource.');
    return report;
  }

  /** What the database says of the whole test: `FAIR` is what it has to be. */
  get verdict(): Verdict {
    const { peak, refusals, looks } = this.judge;
    return { refusals, excess: Math.max(0, peak - this.options.capacity), hasLooked: looks > 0 };
  }

  heard<Name extends keyof PoolEvents>(name: Name): PoolEvents[Name][] {
    return this.events.filter((heard) => heard.name === name).map(({ event }) => event as PoolEvents[Name]);
  }

  /** Closes every pool and process, and waits until neither the registry nor the database knows of any. */
  async close(): Promise<void> {
    await Promise.all([...this.#pools, ...this.#processes].map((one) => one.close()));
    const left = async () => ({ ...(await this.report()), backends: await this.judge.backends() });
    const isEmpty = async (): Promise<boolean> => {
      const { held, revoking, backends } = await left();
      return held + revoking + backends === 0;
    };
    await eventually(isEmpty, { what: 'the end of every lease and backend', timeoutMs: 1_000, everyMs: 20 })
      // A connect that a busy machine did not answer in time leaves an entry that only another holder can settle.
      .catch(() =>
        eventually(async () => (await this.#inherit()) || isEmpty(), { timeoutMs: 9_000, what: 'the heir' }),
      )
      .catch(async (error) => {
        throw new Error(JSON.stringify(await left()), { cause: error });
      });
  }

  /** One more holder, which does what there is to do before it is served. Answers false. */
  async #inherit(): Promise<false> {
    const heir = this.pool();
    await heir.use((client) => client.query('SELECT 1'), { timeoutMs: 500 }).catch(() => undefined);
    await heir.close();
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.redisProxy.pass();
    this.databaseProxy.pass();
    for (const child of this.#processes) child.kill();
    await Promise.all(this.#pools.map((pool) => pool.close({ timeoutMs: 100 })));
    for (const member of [...this.#members, this.#observer]) member.leave();
    await this.judge[Symbol.asyncDispose]();
    await Promise.all([this.redisProxy.stop(), this.databaseProxy.stop()]);
  }

  watch(pool: FleetPool): void {
    pool.events.onAny((name, event) => {
      this.events.push({ name, event });
      this.judge.hear(name, event);
    });
  }

  #route({ redis = false, database = false }: Via): MemberSettings {
    const { redisProxy, databaseProxy } = this;
    const settings = this.#settings;
    const databaseUrl = new URL(this.role.url);
    if (database) databaseUrl.port = String(databaseProxy.port);
    return {
      ...settings,
      ...(redis ? { redisUrl: `redis://${redisProxy.host}:${redisProxy.port}` } : {}),
      database: { ...settings.database, connectionString: databaseUrl.href },
    };
  }
}

export interface Verdict {
  readonly refusals: readonly string[];
  /** Backends above the capacity. */
  readonly excess: number;
  readonly hasLooked: boolean;
}

export const FAIR: Verdict = { refusals: [], excess: 0, hasLooked: true };

export interface Via {
  readonly redis?: boolean;
  readonly database?: boolean;
}
