import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import * as rdsData from '@aws-sdk/client-rds-data';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Redis } from 'ioredis';
import { settingsOf } from '../../lib/core/config.ts';
import { type DataApiClient, dataApiDriver } from '../../lib/driver/data-api.ts';
import { createPool, type Pool } from '../../lib/pool/pool.ts';
import { lambdaRedisOptions, redisRegistry } from '../../lib/registry/redis/redis-registry.ts';
import type { DataApiHolderSettings } from '../support/data-api-holder.ts';
import { DataApiWorld } from '../support/data-api-world.ts';
import { freshNamespace, postgresAdmin, redisUrl } from '../support/servers.ts';

jest.setTimeout(30_000);

/** One for the dead, one to overlap with it. */
const OPTIONS = {
  resource: 'orders',
  capacity: 2,
  headroom: 1,
  protectMs: 1_000,
  idleMs: 20_000,
  connectTimeoutMs: 400,
  dutyMs: 1_000,
};

let world: DataApiWorld;
let redis: Redis;
let namespace: string;
let pool: Pool<DataApiClient>;
let table: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  world = await DataApiWorld.open(OPTIONS.capacity);
  table = await world.table('id int');
  namespace = freshNamespace();
  redis = new Redis(redisUrl(), lambdaRedisOptions);
  const registry = redisRegistry(redis, { namespace });
  const driver = dataApiDriver(rdsData, world.options());
  pool = createPool({ ...OPTIONS, max: 1, registry, driver, acquireTimeoutMs: 15_000 });
  await registry.configure('orders', settingsOf(pool.config), true);
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await pool.close({ timeoutMs: 100 });
  redis.disconnect();
  await world[Symbol.asyncDispose]();
});

const startHolder = async (): Promise<ChildProcess> => {
  const settings: DataApiHolderSettings = {
    redisUrl: redisUrl(),
    namespace,
    dataApi: world.options(),
    options: OPTIONS,
    statement: `INSERT INTO ${table} VALUES (1)`,
  };
  const program = fileURLToPath(new URL('../support/data-api-holder.ts', import.meta.url));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
    env: { ...process.env, DATA_API_HOLDER: JSON.stringify(settings) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  return child;
};

const rows = async (): Promise<number> =>
  (await postgresAdmin().query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`))[0]?.n ?? -1;

/** Two units at once would be one too many, were the other's still there. */
const useAll = async (): Promise<void> => {
  await pool.use((client) =>
    client.transaction(async (tx) => {
      await tx.execute('SELECT 1');
    }),
  );
};

describe('a transaction outlives its process', () => {
  it('killed: whoever needs the place ends it by its label, minutes before the service would', async () => {
    const holder = await startHolder();
    expect(world.server.openTransactions).toBe(1);
    holder.kill('SIGKILL');
    const startedAt = performance.now();
    await useAll();
    // Protection, a connect, the duty.
    expect(performance.now() - startedAt).toBeLessThan(6_000);
    const labels = (await world.sessions()).filter(({ label }) => label.startsWith('lh:'));
    expect(labels).toEqual([]);
    expect(world.server.refusals).toBe(0);
    expect(await rows()).toBe(0);
    expect(await pool.use((client) => client.execute('SELECT 1 AS n'))).toMatchObject({ rows: [{ n: 1 }] });
  });

  it('frozen: its place is taken, and on thaw its next statement is not sent', async () => {
    const holder = await startHolder();
    holder.kill('SIGSTOP');
    await useAll();
    const told = once(holder.stdout ?? holder, 'data');
    const sentBefore = world.server.calls.filter(({ sql }) => sql.includes('INSERT')).length;
    holder.kill('SIGCONT');
    expect(String(await told)).toBe('LEASE_LOST\n');
    expect(world.server.calls.filter(({ sql }) => sql.includes('INSERT'))).toHaveLength(sentBefore);
    expect(await rows()).toBe(0);
    expect(world.server.refusals).toBe(0);
  });

  it('left alone it commits', async () => {
    const holder = await startHolder();
    expect(String(await once(holder.stdout ?? holder, 'data'))).toBe('committed\n');
    expect(await rows()).toBe(2);
  });
});
