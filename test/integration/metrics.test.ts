import { Metrics } from '@aws-lambda-powertools/metrics';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { Pool } from '../../lib/index.ts';
import { type MetricsSink, poolMetrics, withLeases } from '../../lib/lambda/with-leases.ts';
import { pause } from '../support/eventually.ts';
import { LeasedWorld, lambdaContext } from '../support/lambda.ts';
import { postgresAdmin } from '../support/servers.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

/** One line of CloudWatch's embedded metric format. */
interface Blob {
  readonly [name: string]: unknown;
  readonly _aws: {
    readonly CloudWatchMetrics: readonly [
      {
        readonly Namespace: string;
        readonly Dimensions: readonly (readonly string[])[];
        readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
      },
    ];
  };
}

let world: LeasedWorld;
let written: jest.SpiedFunction<typeof process.stdout.write>;
beforeEach(() => {
  written = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
});
afterEach(async () => {
  written.mockRestore();
  await world[Symbol.asyncDispose]();
});

const blobs = (): Blob[] =>
  written.mock.calls
    .map(([line]) => String(line))
    .filter((line) => line.includes('"_aws"'))
    .map((line) => JSON.parse(line) as Blob);

const namesIn = (blob: Blob | undefined): string[] =>
  blob?._aws.CloudWatchMetrics[0].Metrics.map(({ Name }) => Name) ?? [];

const dimensionsIn = (blob: Blob | undefined): readonly string[] =>
  blob?._aws.CloudWatchMetrics[0].Dimensions[0] ?? [];

const powertools = (): Metrics => new Metrics({ namespace: 'test', serviceName: 'orders' });

/** Runs one invocation, flushes as the user's own code does, and gives the blob and those of single metrics. */
const measured = async (
  metrics: Metrics,
  pool: Pool<pg.Client>,
  work: () => Promise<unknown> = () => pool.use(query),
): Promise<{ blob: Blob | undefined; singles: Blob[] }> => {
  written.mockClear();
  await withLeases(pool, work, { metrics, reserveMs: 100 })({}, lambdaContext({ timeoutMs: 8_000 })).catch(
    () => 0,
  );
  metrics.publishStoredMetrics();
  const all = blobs();
  return { blob: all.at(-1), singles: all.slice(0, -1) };
};

const query = (client: pg.Client): Promise<unknown> => client.query('SELECT 1');

describe('metrics', () => {
  it('sizes, opened connections and waits move with the first use, and not with a warm one', async () => {
    world = await LeasedWorld.open(3);
    const pool = await world.pool();
    const metrics = powertools();
    const { blob: cold } = await measured(metrics, pool);
    expect(cold).toMatchObject({
      PoolSize: 1,
      ConnectionsActive: 1,
      ConnectionsIdle: 1,
      LeasesHeld: 1,
      ConnectionsOpened: 1,
      AcquireWait: expect.any(Number),
    });
    expect(cold?.['AcquireWait']).toBeGreaterThan(0);
    const units = cold?._aws.CloudWatchMetrics[0].Metrics;
    expect(units).toContainEqual({ Name: 'AcquireWait', Unit: 'Milliseconds' });
    expect(units).toContainEqual({ Name: 'PoolSize', Unit: 'Count' });

    const { blob: warm } = await measured(metrics, pool);
    expect(warm).toMatchObject({ PoolSize: 1, ConnectionsActive: 1, AcquireWait: 0 });
    expect(namesIn(warm)).not.toContain('ConnectionsOpened');
  });

  it('an invocation that does not touch the database reports its levels, and that nothing was active', async () => {
    world = await LeasedWorld.open(3);
    const pool = await world.pool();
    const { blob } = await measured(powertools(), pool, async () => 0);
    expect(blob).toMatchObject({
      PoolSize: 0,
      ConnectionsActive: 0,
      ConnectionsIdle: 0,
      LeasesHeld: 0,
      Waiting: 0,
    });
    expect(namesIn(blob)).toHaveLength(5);
  });

  it('ConnectionsFailed moves by its cause: a wrong password', async () => {
    world = await LeasedWorld.open(3);
    const url = new URL(world.role.url);
    url.password = 'password';
    const pool = await world.pool({ driver: world.driver(url.href) });
    const { blob, singles } = await measured(powertools(), pool);
    expect(blob).toMatchObject({ ConnectionsFailed: 1, AcquireFailed: 1 });
    expect(singles.find((single) => 'ConnectionsFailed' in single)).toMatchObject({
      ConnectionsFailed: 1,
      cause: 'auth',
      service: 'orders',
    });
  });

  it('ConnectionsFailed moves by its cause: the server refuses', async () => {
    world = await LeasedWorld.open(1);
    // Somebody goes around the leases and takes the only connection that the role may have.
    const intruder = new pg.Client({ connectionString: world.role.url });
    await intruder.connect();
    const pool = await world.pool({ capacity: 2, acquireTimeoutMs: 400 });
    const { blob, singles } = await measured(powertools(), pool);
    await intruder.end();
    expect(blob?.['ConnectionsFailed']).toBeGreaterThan(1);
    const single = singles.find((each) => 'ConnectionsFailed' in each);
    expect(single).toMatchObject({ cause: 'refused', ConnectionsFailed: blob?.['ConnectionsFailed'] });
  });

  it('LeasesLost moves when the lease is revoked and its session killed for somebody who waits', async () => {
    world = await LeasedWorld.open(2);
    const { host, port } = postgresAdmin();
    const proxy = await startTcpProxy({ host, port });
    const url = new URL(world.role.url);
    url.port = String(proxy.port);
    const bounds = { protectMs: 1_000, connectTimeoutMs: 400 };
    const pool = await world.pool({ ...bounds, driver: world.driver(url.href) });
    const other = await world.pool(bounds);
    const metrics = powertools();
    await measured(metrics, pool);
    await pause(1_100);
    // As after a thaw: the end of the session has not been heard of yet.
    proxy.blackhole();
    await other.use(query);
    const { blob, singles } = await measured(metrics, pool, () => pool.use(query, { timeoutMs: 100 }));
    await proxy.stop();
    expect(blob).toMatchObject({ LeasesLost: 1 });
    expect(singles.find((single) => 'LeasesLost' in single)).toMatchObject({
      // Once it is settled, nobody knows it any more.
      reason: expect.stringMatching(/^(?:revoked|unknown)$/),
    });
  });

  it('Denied moves while nothing is granted to anybody', async () => {
    world = await LeasedWorld.open(3);
    const pool = await world.pool();
    await world.registry.operate('orders', { kind: 'pause', forMs: 60_000 });
    const { blob, singles } = await measured(powertools(), pool);
    expect(blob).toMatchObject({ Denied: 1, AcquireFailed: 1, PoolSize: 0 });
    expect(singles.find((single) => 'Denied' in single)).toMatchObject({ reason: 'DEADLINE_NEAR' });
  });

  it('LeftLent moves when a handler forgets to give back', async () => {
    world = await LeasedWorld.open(3);
    const pool = await world.pool();
    const { blob } = await measured(powertools(), pool, () => pool.acquire());
    expect(blob).toMatchObject({ LeftLent: 1, ConnectionsActive: 1, PoolSize: 0 });
  });

  it('causes do not inherit the user’s dimensions, and the user’s metrics are neither flushed nor given one', async () => {
    world = await LeasedWorld.open(3);
    const pool = await world.pool();
    await world.registry.operate('orders', { kind: 'pause', forMs: 60_000 });
    const metrics = powertools();
    metrics.addDimension('tenant', 'acme');
    metrics.addMetric('OrdersSeen', 'Count', 1);
    const { blob, singles } = await measured(metrics, pool);
    expect(dimensionsIn(blob)).toEqual(['service', 'tenant']);
    expect(namesIn(blob)).toEqual(expect.arrayContaining(['OrdersSeen', 'PoolSize', 'Denied']));
    for (const single of singles) {
      expect(dimensionsIn(single)).not.toContain('tenant');
      expect(namesIn(single)).toHaveLength(1);
    }
  });

  it('never reaches the 100 values at which Powertools flushes by itself', async () => {
    world = await LeasedWorld.open(3);
    const pool = await world.pool();
    const { blob, singles } = await measured(powertools(), pool, async () => {
      for (let at = 0; at < 150; at += 1) await pool.use(() => 0);
    });
    expect(singles).toEqual([]);
    const waits = blob?.['AcquireWait'] as number[];
    expect(waits).toHaveLength(50);
    // The longest is there: the one that opened the connection.
    expect(Math.max(...waits)).toBeGreaterThan(1);
  });

  it('the same pool and sink are counted once, however many handlers they have', async () => {
    world = await LeasedWorld.open(3);
    const pool = await world.pool();
    const metrics = powertools();
    expect(poolMetrics(pool, metrics)).toBe(poolMetrics(pool, metrics));
    withLeases(pool, () => 0, { metrics });
    const { blob } = await measured(metrics, pool);
    expect(blob).toMatchObject({ ConnectionsOpened: 1 });
  });

  it('a sink that throws hurts nobody', async () => {
    world = await LeasedWorld.open(3);
    const pool = await world.pool();
    await world.registry.operate('orders', { kind: 'pause', forMs: 60_000 });
    const fail = (): never => {
      throw new Error('the sink is broken');
    };
    const sink: MetricsSink = { addMetric: fail, singleMetric: fail };
    const handler = withLeases(pool, async () => 'answer', { metrics: sink });
    expect(await handler({}, lambdaContext())).toBe('answer');
    const failing = withLeases(pool, () => pool.use(query), { metrics: sink });
    await expect(failing({}, lambdaContext({ timeoutMs: 500 }))).rejects.toMatchObject({ code: 'DENIED' });
  });

  it('after dispose nothing is counted any more', async () => {
    world = await LeasedWorld.open(3);
    const pool = await world.pool();
    const metrics = powertools();
    const first = poolMetrics(pool, metrics);
    first[Symbol.dispose]();
    await pool.use(query);
    first.record();
    metrics.publishStoredMetrics();
    expect(namesIn(blobs()[0])).not.toContain('ConnectionsOpened');
    expect(poolMetrics(pool, metrics)).not.toBe(first);
  });
});
