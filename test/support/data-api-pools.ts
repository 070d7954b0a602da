import * as rdsData from '@aws-sdk/client-rds-data';
import { settingsOf } from '../../lib/core/config.ts';
import type { ResourceReport } from '../../lib/core/report.ts';
import { type DataApiClient, type DataApiOptions, dataApiDriver } from '../../lib/driver/data-api.ts';
import {
  type LeasedRdsDataClient,
  type LeasedRdsDataConfig,
  leasedRdsDataClient,
} from '../../lib/facade/rds-data-client.ts';
import { createPool, type Pool } from '../../lib/pool/pool.ts';
import type { PoolOptions } from '../../lib/pool/pool-options.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import { DataApiWorld } from './data-api-world.ts';

const RESOURCE = 'orders';

type Changes = Partial<Omit<PoolOptions<DataApiClient>, 'driver' | 'registry'>>;

/** Pools and clients of a fleet on the local service, whose role the database allows exactly the capacity. */
export class DataApiPools implements AsyncDisposable {
  readonly world: DataApiWorld;
  readonly capacity: number;
  readonly registry = memoryRegistry();
  readonly #pools: Pool<DataApiClient>[] = [];

  private constructor(world: DataApiWorld, capacity: number) {
    this.world = world;
    this.capacity = capacity;
  }

  static async open(capacity: number): Promise<DataApiPools> {
    return new DataApiPools(await DataApiWorld.open(capacity), capacity);
  }

  async pool(options: Changes = {}, dataApi: Partial<DataApiOptions> = {}): Promise<Pool<DataApiClient>> {
    const driver = dataApiDriver(rdsData, this.world.options(dataApi));
    return this.#kept(createPool({ ...this.#lease, ...options, driver }));
  }

  async client(
    lease: Changes = {},
    dataApi: Partial<LeasedRdsDataConfig['dataApi']> = {},
  ): Promise<LeasedRdsDataClient> {
    const { client = {}, ...options } = this.world.options();
    const leased = leasedRdsDataClient(rdsData, {
      ...client,
      dataApi: { ...options, ...dataApi },
      lease: { ...this.#lease, ...lease },
    });
    await this.#kept(leased.leases);
    return leased;
  }

  async report(): Promise<ResourceReport> {
    const report = await this.registry.inspect(RESOURCE);
    if (report === undefined) throw new Error('The registry does not know the resource.');
    return report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.close({ timeoutMs: 100 })));
    await this.world[Symbol.asyncDispose]();
  }

  get #lease() {
    return { resource: RESOURCE, capacity: this.capacity, registry: this.registry };
  }

  /** The first pool's settings become the resource's. */
  async #kept(pool: Pool<DataApiClient>): Promise<Pool<DataApiClient>> {
    if (this.#pools.length === 0) await this.registry.configure(RESOURCE, settingsOf(pool.config), true);
    this.#pools.push(pool);
    return pool;
  }
}
