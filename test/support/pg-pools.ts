import pg from 'pg';
import { settingsOf } from '../../lib/core/config.ts';
import type { ResourceReport } from '../../lib/core/report.ts';
import { type LeasedPgPool, type LeaseOptions, leasedPgPool } from '../../lib/facade/pg-pool.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import type { PostgresRole } from './postgres.ts';
import { freshRoleAndDatabase, postgresAdmin } from './servers.ts';

const RESOURCE = 'orders';

/** Leased `pg.Pool`s on a database role of their own that refuses the (capacity + 1)-th connection. */
export class PgPools implements AsyncDisposable {
  readonly role: PostgresRole;
  readonly capacity: number;
  readonly registry: Registry;
  readonly #pools: LeasedPgPool[] = [];

  private constructor(role: PostgresRole, capacity: number, registry: Registry) {
    this.role = role;
    this.capacity = capacity;
    this.registry = registry;
  }

  static async open(capacity: number, registry: Registry = memoryRegistry()): Promise<PgPools> {
    return new PgPools(await freshRoleAndDatabase(capacity), capacity, registry);
  }

  /** The first pool's settings become the resource's. */
  async pool(config: pg.PoolConfig = {}, lease: Partial<LeaseOptions> = {}): Promise<LeasedPgPool> {
    const { capacity, registry, role } = this;
    const pool = leasedPgPool(pg, {
      connectionString: role.url,
      ...config,
      lease: { resource: RESOURCE, capacity, registry, ...lease },
    });
    if (this.#pools.length === 0) await registry.configure(RESOURCE, settingsOf(pool.leases.config), true);
    this.#pools.push(pool);
    return pool;
  }

  /** The registry's own word. */
  async report(): Promise<ResourceReport> {
    const report = await this.registry.inspect(RESOURCE);
    if (report === undefined) throw new Error('The registry does not know the resource.');
    return report;
  }

  /** The database's own word on the role's sessions: their process ids. */
  async backends(): Promise<number[]> {
    const rows = await postgresAdmin().query<{ pid: number }>(
      'SELECT pid FROM pg_stat_activity WHERE usename = $1',
      [this.role.user],
    );
    return rows.map(({ pid }) => pid);
  }

  /** What an administrator or a restart does to every session of the role. */
  async endBackends(): Promise<void> {
    await postgresAdmin().query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [
      this.role.user,
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#pools.map(({ leases }) => leases.close({ timeoutMs: 100 })));
  }
}
