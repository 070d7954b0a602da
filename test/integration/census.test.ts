import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { settingsOf } from '../../lib/core/config.ts';
import { sessionLabel } from '../../lib/core/label.ts';
import { EPOCH_MS, FENCES_PER_MS } from '../../lib/core/limits.ts';
import { systemRandom } from '../../lib/core/random.ts';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { createPool, type Pool, type PoolEvents, type PoolOptions } from '../../lib/index.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { createSweeper, type Sweeper } from '../../lib/sweeper/sweeper.ts';
import { eventually } from '../support/eventually.ts';
import type { PostgresRole } from '../support/postgres.ts';
import { freshRole, postgresAdmin } from '../support/servers.ts';

// A quiet time must pass before each census, in real time.
jest.setTimeout(20_000);

const CAPACITY = 4;
/** Quiet for 1.4 s after the memory is lost. */
const SHORT = {
  resource: 'orders',
  capacity: CAPACITY,
  protectMs: 2_000,
  idleMs: 20_000,
  connectTimeoutMs: 400,
  dutyMs: 1_000,
  max: CAPACITY,
};

let role: PostgresRole;
let registry: Registry;
const events: [string, unknown][] = [];
const pools: Pool<pg.Client>[] = [];
const others: pg.Client[] = [];

beforeEach(async () => {
  role = await freshRole(CAPACITY);
  registry = memoryRegistry();
  events.length = 0;
});

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close({ timeoutMs: 100 })));
  await Promise.all(others.splice(0).map((client) => client.end().catch(() => undefined)));
});

const openPool = (options: Partial<PoolOptions<pg.Client>> = {}): Pool<pg.Client> => {
  const driver = postgresDriver(pg, { connectionString: role.url });
  const pool = createPool({ ...SHORT, registry, driver, ...options });
  pool.events.onAny((name, event) => events.push([name, event]));
  pools.push(pool);
  return pool;
};

const eventsNamed = <Name extends keyof PoolEvents>(name: Name): PoolEvents[Name][] =>
  events.filter(([it]) => it === name).map(([, event]) => event as PoolEvents[Name]);

/** A session that no pool knows; with a label, one that a process has left behind. */
const connectAs = async (label: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: role.url, application_name: label });
  client.on('error', () => undefined);
  await client.connect();
  others.push(client);
  return client;
};

const freshLabel = (): string =>
  sessionLabel('orders', registry.namespace, {
    id: systemRandom.id(),
    fence: (Date.now() - EPOCH_MS) * FENCES_PER_MS,
  });

const serve = (pool: Pool<pg.Client>): Promise<unknown> =>
  pool.use((client) => client.query('SELECT 1'), { timeoutMs: 10_000 });

describe('a registry that has lost its memory, and the database as it is', () => {
  it('holders bring back what they use, a census finds the rest, and the limit is never exceeded', async () => {
    const holder = openPool({ max: 2 });
    await registry.configure('orders', settingsOf(holder.config), true);
    const lent = await holder.acquire();
    await serve(holder);
    await connectAs(freshLabel());
    await registry.forget('orders');
    await serve(openPool({ max: 1 }));
    expect(await registry.inspect('orders', 10)).toMatchObject({ learningMs: 0, foreign: 0 });
    // The lent one, the idle one, and the one that nobody brought.
    expect(eventsNamed('censusDone')).toEqual([{ sessions: 3, foreign: 0 }]);
    expect(eventsNamed('connectionFailed')).toEqual([]);
    expect(eventsNamed('leaseLost')).toEqual([]);
    await lent.connection.query('SELECT 1');
    await lent.giveBack();
  });

  it('where every process has died the newcomer finds their sessions, which count until they are ended', async () => {
    const orphans = [freshLabel(), freshLabel()];
    for (const label of orphans) await connectAs(label);
    const lent = await openPool({ max: 1 }).acquire();
    expect(await registry.inspect('orders')).toMatchObject({ held: 3, learningMs: 0 });
    // No room is left: the next one is served by ending what is longest unprotected, never by going beyond.
    await serve(openPool({ max: 1 }));
    expect(eventsNamed('connectionFailed')).toEqual([]);
    const rows = await postgresAdmin().query<{ label: string }>(
      'SELECT application_name AS label FROM pg_stat_activity WHERE usename = $1',
      [role.user],
    );
    expect(rows.length).toBeLessThanOrEqual(CAPACITY);
    expect(rows.filter(({ label }) => orphans.includes(label))).toHaveLength(1);
    await lent.giveBack();
  });

  it('the newcomer’s connection is tried again while orphans fill the database', async () => {
    for (let n = 0; n < CAPACITY; n += 1) await connectAs(freshLabel());
    const served = serve(openPool({ max: 1 }));
    await eventually(() => eventsNamed('censusRefused').length > 4, { timeoutMs: 8_000 });
    await others.shift()?.end();
    await served;
    expect(eventsNamed('connectionFailed')).toEqual([]);
    expect(await registry.inspect('orders')).toMatchObject({ held: CAPACITY, learningMs: 0 });
  });

  it('sessions without a lease reduce the capacity', async () => {
    await connectAs('psql');
    await connectAs('psql');
    await serve(openPool({ max: 1 }));
    expect(await registry.inspect('orders')).toMatchObject({ foreign: 2, held: 1 });
    const pool = openPool({ max: 3 });
    const first = await pool.acquire();
    await expect(pool.acquire({ timeoutMs: 500 })).rejects.toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    await first.giveBack();
    expect(eventsNamed('connectionFailed')).toEqual([]);
  });

  it('the sweeper takes the census through an administrator’s role, outside the capacity', async () => {
    for (let n = 0; n < CAPACITY - 1; n += 1) await connectAs(freshLabel());
    await connectAs('psql');
    const control = await freshRole(1);
    await postgresAdmin().query(`GRANT "${role.user}" TO "${control.user}"`);
    const sweeper = createSweeper({
      ...SHORT,
      registry,
      control: postgresDriver(pg, { connectionString: control.url }, { role: role.user }),
    });
    // Whatever asks first makes the registry know of the resource; it is quiet at first.
    await registry.configure('orders', settingsOf(openPool().config), false);
    expect(await sweeper.sweep()).toMatchObject({ census: undefined, lookedThrough: 'none' });
    const report = await eventually(
      async () => {
        const swept = await sweeper.sweep();
        return swept.census !== undefined && swept;
      },
      { timeoutMs: 8_000, everyMs: 200 },
    );
    expect(report).toMatchObject({
      lookedThrough: 'control',
      census: { sessions: 3, foreign: 1 },
      held: 3,
      foreign: 1,
      learningMs: 0,
      trouble: undefined,
    });
  });

  it('the sweeper takes it through a lease, where it has no other way', async () => {
    await connectAs(freshLabel());
    await registry.configure('orders', settingsOf(openPool().config), false);
    const sweeper = createSweeper({
      ...SHORT,
      registry,
      driver: postgresDriver(pg, { connectionString: role.url }),
    });
    const report = await eventually(
      async () => {
        const swept = await sweeper.sweep();
        return swept.census !== undefined && swept;
      },
      { timeoutMs: 15_000, everyMs: 200 },
    );
    expect(report).toMatchObject({ lookedThrough: 'lease', held: 1, learningMs: 0 });
  });
});

describe('the sweeper, where the registry has its memory', () => {
  const controlled = async (): Promise<Sweeper> => {
    const control = await freshRole(1);
    await postgresAdmin().query(`GRANT "${role.user}" TO "${control.user}"`);
    const driver = postgresDriver(pg, { connectionString: control.url }, { role: role.user });
    return createSweeper({ ...SHORT, registry, control: driver });
  };

  it('counts the sessions without a lease again, so that the capacity comes back when they have gone', async () => {
    const psql = await connectAs('psql');
    await serve(openPool({ max: 1 }));
    const sweeper = await controlled();
    expect(await sweeper.sweep()).toMatchObject({
      foreign: 1,
      census: { sessions: 1, foreign: 1 },
      adopted: 0,
    });
    await psql.end();
    await eventually(async () => (await sweeper.sweep()).foreign === 0);
    // Nothing is left to look for.
    expect(await sweeper.sweep()).toMatchObject({ lookedThrough: 'none', census: undefined });
  });

  it('a labelled session that the registry does not know is adopted, never ended; known ones are left as they are', async () => {
    const pool = openPool({ max: 1 });
    await registry.configure('orders', settingsOf(pool.config), true);
    const lent = await pool.acquire();
    await connectAs(freshLabel());
    // A reason to look: a foreign session that a census has once seen.
    const { epoch = 0 } = (await registry.inspect('orders')) ?? {};
    await registry.adopt('orders', { epoch, token: 0 }, [], { foreign: 1 });
    const sweeper = await controlled();
    expect(await sweeper.sweep()).toMatchObject({ adopted: 1, held: 2, foreign: 0, revoking: 0 });
    expect(await registry.inspect('orders', 10)).toMatchObject({
      entries: expect.arrayContaining([expect.objectContaining({ group: 'unknown' })]),
    });
    await lent.connection.query('SELECT 1');
    await lent.giveBack();
  });
});
