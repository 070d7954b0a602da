import mysql from 'mysql2/promise';
import { settingsOf } from '../../lib/core/config.ts';
import type { ResourceReport } from '../../lib/core/report.ts';
import {
  type LeasedMysqlPool,
  type LeasedMysqlPoolConfig,
  leasedMysqlPool,
  type MysqlLeaseOptions,
  type MysqlPoolModule,
} from '../../lib/facade/mysql-pool.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import type { MariadbAdmin, MariadbRole } from './mariadb.ts';
import { freshMariadbRole, mariadbAdmin } from './servers.ts';

const RESOURCE = 'orders';

/** Leased pools of `mysql2` for a user of their own, whom MariaDB refuses the (capacity + 1)-th connection. */
export class MysqlPools implements AsyncDisposable {
  readonly role: MariadbRole;
  readonly capacity: number;
  readonly registry: Registry = memoryRegistry();
  readonly #admin: MariadbAdmin;
  readonly #pools: LeasedMysqlPool<unknown>[] = [];

  private constructor(role: MariadbRole, capacity: number, admin: MariadbAdmin) {
    this.role = role;
    this.capacity = capacity;
    this.#admin = admin;
  }

  /** On the run's own server, or on another one. */
  static async open(capacity: number, server?: MariadbAdmin): Promise<MysqlPools> {
    if (server === undefined)
      return new MysqlPools(await freshMariadbRole(capacity), capacity, mariadbAdmin());
    return new MysqlPools(await server.createRole('leased', capacity), capacity, server);
  }

  /** The first pool's settings become the resource's. */
  async pool<NativePool = mysql.Pool>(
    lease: Partial<MysqlLeaseOptions> = {},
    module: MysqlPoolModule<unknown> = mysql,
    config: Partial<LeasedMysqlPoolConfig> = {},
  ): Promise<LeasedMysqlPool<NativePool>> {
    const { capacity, registry, role } = this;
    const pool = leasedMysqlPool(module as MysqlPoolModule<NativePool>, {
      uri: role.url,
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

  /** The server's own word on the user's sessions: their thread ids. */
  async backends(): Promise<number[]> {
    const rows = await this.#admin.query<{ id: number }>(
      'SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = ?',
      [this.role.user],
    );
    return rows.map(({ id }) => id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#pools.map(({ leases }) => leases.close({ timeoutMs: 100 })));
  }
}
