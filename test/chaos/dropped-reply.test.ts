import { expect, test } from '@jest/globals';
import { eventually, pause } from '../support/eventually.ts';
import { FAIR, Fleet, type ProxyHooks } from '../support/fleet.ts';
import type { FleetPool } from '../support/fleet-member.ts';

const TIMEOUT_MS = 10_000;
const CALM = { capacity: 2, options: { idleMs: 60_000 } } as const;

const select = (pool: FleetPool): Promise<unknown> => pool.use((client) => client.query('SELECT 1'));

/** The fence alone: the answer to a grant that has nothing else to tell. */
const GRANTED = /:-?\d{9,}\r\n/;

/** Redis does it, and nobody hears: the next answer with `word` is swallowed and its connection reset. */
class Drop {
  wasDropped = true;
  #word: string | RegExp = '';

  readonly hooks: ProxyHooks = {
    onServerData: (data, link) => {
      if (this.wasDropped || !this.#isIt(String(data))) return data;
      this.wasDropped = true;
      link.cut();
      return Buffer.alloc(0);
    },
  };

  #isIt(text: string): boolean {
    return typeof this.#word === 'string' ? text.includes(this.#word) : this.#word.test(text);
  }

  next(word: string | RegExp): void {
    this.#word = word;
    this.wasDropped = false;
  }
}

test.concurrent(
  'L3: a grant whose reply was lost is one lease, and one backend',
  async () => {
    const drop = new Drop();
    await using fleet = await Fleet.start({ ...CALM, redisHooks: drop.hooks });
    const pool = fleet.pool({}, { redis: true });
    drop.next(GRANTED);
    await pool.use(async (client) => {
      expect(drop.wasDropped).toBe(true);
      expect(await fleet.report()).toMatchObject({ held: 1, revoking: 0, waiters: 0 });
      await client.query('SELECT 1');
    });
    expect(await fleet.judge.backends()).toBe(1);
    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L3: a release whose reply was lost gives the slot back once, and nothing else',
  async () => {
    const drop = new Drop();
    await using fleet = await Fleet.start({ ...CALM, redisHooks: drop.hooks });
    const pool = fleet.pool({}, { redis: true });
    await select(pool);
    await pause(50);
    drop.next('released');
    await pool.close();
    expect(drop.wasDropped).toBe(true);
    expect(await fleet.report()).toMatchObject({ held: 0, revoking: 0 });
    const other = fleet.pool();
    await other.use(async () => expect(await fleet.report()).toMatchObject({ held: 1, revoking: 0 }));
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L4: a park whose reply was lost costs nobody a slot: the lease is renewed at the next use, or revoked for another',
  async () => {
    const drop = new Drop();
    await using fleet = await Fleet.start({ ...CALM, redisHooks: drop.hooks });
    const [pool, other] = [fleet.pool({}, { redis: true }), fleet.pool()];
    await select(pool);
    await pause(50);
    drop.next('parked');
    await select(pool);
    await eventually(() => drop.wasDropped);
    await select(pool);
    await select(other);
    await select(pool);
    expect(fleet.verdict).toEqual(FAIR);
    expect(await fleet.report()).toMatchObject({ held: 1, revoking: 0 });
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L4 L6: renewals whose replies are lost do not cost the lease, and the work goes on beside them',
  async () => {
    const drop = new Drop();
    await using fleet = await Fleet.start({ ...CALM, redisHooks: drop.hooks });
    const pool = fleet.pool({}, { redis: true });
    await pool.use(async (client) => {
      await pause(100);
      for (let losses = 0; losses < 4; losses += 1) {
        drop.next('renewed');
        await eventually(async () => {
          await client.query('SELECT 1');
          return drop.wasDropped;
        });
      }
      await pause(1_000);
      await client.query('SELECT 1');
    });
    expect(fleet.heard('leaseLost')).toEqual([]);
    expect(await fleet.report()).toMatchObject({ held: 1, revoking: 0 });
    await fleet.close();
  },
  TIMEOUT_MS,
);

test.concurrent(
  'L3: an abandon whose reply was lost leaves one revoking entry, which the next holder settles',
  async () => {
    const drop = new Drop();
    await using fleet = await Fleet.start({ ...CALM, redisHooks: drop.hooks });
    const pool = fleet.pool({}, { redis: true, database: true });
    const lost = pool.use((client) => client.query('SELECT pg_sleep(60)')).catch(() => 'broken');
    await eventually(() => pool.status().lent === 1);
    await pause(100);
    drop.next('abandoned');
    fleet.databaseProxy.cut();
    expect(await lost).toBe('broken');
    await eventually(() => drop.wasDropped);
    expect(await fleet.report()).toMatchObject({ held: 0, revoking: 1 });
    await select(pool);
    expect(await fleet.report()).toMatchObject({ held: 1, revoking: 0 });
    expect(fleet.verdict).toEqual(FAIR);
    await fleet.close();
  },
  TIMEOUT_MS,
);
