import { EventEmitter } from 'node:events';
import genericPool from 'generic-pool';
import pg from 'pg';
import { Pool as TarnPool } from 'tarn';
import { compare, type Result, type Side } from './measure.ts';
import { noopPool } from './noop-pool.ts';

const ROUNDS = 9;
const COUNT = 50_000;
const GOAL = 2;

class NoClient extends EventEmitter {
  connect(done: (error?: Error) => void): void {
    done();
  }
  end(): void {}
}

/** Take and give back a held, protected connection in one process, against pools with the same no-op connection. */
export const warmUse = async (): Promise<Result> => {
  const { pool, registryCalls } = await noopPool();
  const tarn = new TarnPool<object>({ create: () => ({}), destroy: () => undefined, min: 0, max: 10 });
  const generic = genericPool.createPool(
    { create: async () => ({}), destroy: async () => undefined },
    { max: 10 },
  );
  const pgPool = new pg.Pool({ Client: NoClient, max: 10 } as unknown as pg.PoolConfig);

  // Each side has a loop of its own: a call between them would cost as much as a use.
  const sides: Side[] = [
    {
      name: 'leasehold',
      run: async (count) => {
        for (let done = 0; done < count; done += 1) void (await pool.acquire()).giveBack();
      },
    },
    {
      name: 'tarn',
      run: async (count) => {
        for (let done = 0; done < count; done += 1) tarn.release(await tarn.acquire().promise);
      },
    },
    {
      name: 'generic-pool',
      run: async (count) => {
        for (let done = 0; done < count; done += 1) void generic.release(await generic.acquire());
      },
    },
    {
      name: 'pg-pool',
      run: async (count) => {
        for (let done = 0; done < count; done += 1) (await pgPool.connect()).release();
      },
    },
  ];
  const micros = await compare(sides, ROUNDS, COUNT);
  const calls = registryCalls();
  await Promise.all([
    pool.close(),
    tarn.destroy(),
    generic.drain().then(() => generic.clear()),
    pgPool.end(),
  ]);
  const ours = micros.get('leasehold') ?? Number.NaN;
  const peers = [...micros]
    .filter(([name]) => name !== 'leasehold')
    .map(([name, value]) => ({ name, value }));
  const ratio = Math.min(...peers.map(({ value }) => value)) / ours;
  return {
    name: 'warm-use',
    ours,
    unit: 'us',
    peers,
    ratio,
    goal: `at least ${GOAL}x the fastest peer, 0 registry calls (${calls} in this run)`,
    met: ratio >= GOAL && calls === 0,
  };
};
