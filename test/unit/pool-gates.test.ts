import { describe, expect, test } from '@jest/globals';
import type { Lent, Pool } from '../../lib/index.ts';
import type { FakeClient, StepMode } from '../support/fake-database.ts';
import { PoolWorld } from '../support/pool-world.ts';

/*
 * Gates: a driver whose every step goes well, is refused, is slow, or never ends, over the full product; each case in one
 * small story in which every step is needed.
 */

const MODES = ['ok', 'error', 'slow', 'never'] as const satisfies readonly StepMode[];
const CAPACITY = 4;
const MAX = 2;
/** Each step, its goodbye included, takes three seconds at most. */
const STEP_MS = 3_000;
const PATIENCE_MS = 6_000;
const PROTECT_MS = 10_000;
const IDLE_MS = 20_000;

interface Freeze {
  readonly freezeMs: number;
  readonly monotonicStops: boolean;
}

/** Past the protection, and past the idle time as well. */
const FREEZES: readonly Freeze[] = [PROTECT_MS + 5_000, PROTECT_MS + IDLE_MS + 5_000].flatMap((freezeMs) =>
  [true, false].map((monotonicStops) => ({ freezeMs, monotonicStops })),
);

interface Case {
  readonly open: StepMode;
  readonly check: StepMode;
  readonly reset: StepMode;
  readonly close: StepMode;
}

const PRODUCT: readonly Case[] = MODES.flatMap((open) =>
  MODES.flatMap((check) => MODES.flatMap((reset) => MODES.map((close) => ({ open, check, reset, close })))),
);

const THROWS: readonly Case[] = (['open', 'check', 'reset', 'close'] as const)
  .map((name): Case => ({ open: 'ok', check: 'ok', reset: 'ok', close: 'ok', [name]: 'throws' }))
  .concat({ open: 'throws', check: 'throws', reset: 'throws', close: 'throws' });

/** Counts what callers of one pool ask for and get, and judges each connection as it is handed over. */
class Callers {
  asked = 0;
  lent = 0;
  readonly waits: number[] = [];
  readonly #world: PoolWorld;
  readonly #pool: Pool<FakeClient>;

  constructor(world: PoolWorld, pool: Pool<FakeClient>) {
    this.#world = world;
    this.#pool = pool;
  }

  /** Settles always; true: was served. */
  async call(holdMs: number, leavesTransaction = false): Promise<boolean> {
    const { clock } = this.#world;
    this.asked += 1;
    const since = clock.read();
    let lent: Lent<FakeClient>;
    try {
      lent = await this.#pool.acquire({ timeoutMs: PATIENCE_MS });
    } catch {
      return false;
    } finally {
      this.waits.push(clock.elapsedMs(since));
    }
    this.lent += 1;
    expect(lent.connection).toMatchObject({ isInTransaction: false, isAlive: true });
    const { lent: lentNow, idle, busy, opening, closing } = this.#pool.status();
    expect(lentNow + idle + busy + opening + closing).toBeLessThanOrEqual(MAX);
    await lent.connection.run('work').catch(() => undefined);
    if (leavesTransaction) lent.connection.begin();
    await new Promise<void>((resolve) => clock.setTimer(holdMs, resolve));
    await lent.giveBack();
    return true;
  }
}

/** Callers at once, an aged idle connection, a transaction left open, a freeze past the protection; then all is well again. */
const play = async (modes: Case, { freezeMs, monotonicStops }: Freeze) => {
  const world = new PoolWorld(CAPACITY);
  world.database.endsIdle = true;
  const { clock, database } = world;
  const timing = { max: MAX, idleMs: IDLE_MS, min: 1, healthCheckIntervalMs: 15_000 };
  const first = await world.start(timing);
  const second = world.pool(timing);
  const callers = [first, second].map((pool) => new Callers(world, pool));
  const calls: Promise<boolean>[] = [];
  const come = (count: number, leavesTransaction = false): void => {
    for (const caller of callers)
      for (let n = 0; n < count; n += 1) calls.push(caller.call(50, leavesTransaction && n === 0));
  };
  come(1);
  await clock.advanceAsync(500);
  Object.assign(database.steps, modes);
  come(3, true);
  await clock.advanceAsync(PATIENCE_MS + 2_000);
  come(2, true);
  await clock.advanceAsync(3_000);
  clock.freeze(freezeMs, { monotonicStops });
  come(2);
  await clock.advanceAsync(PATIENCE_MS + 15_000);
  Object.assign(database.steps, { open: 'ok', check: 'ok', reset: 'ok', close: 'ok' });
  // What the faults have left behind is proven gone within protection, idle time and connect bound.
  await clock.advanceAsync(PROTECT_MS + IDLE_MS + 2 * STEP_MS);
  const before = calls.length;
  come(5);
  await clock.advanceAsync(PATIENCE_MS + 1_000);
  const served = (await world.until(Promise.all(calls))).slice(before);
  return { world, pools: [first, second], callers, served };
};

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((all, count) => all + count, 0);

const judge = async (modes: Case, freeze: Freeze): Promise<void> => {
  const { world, pools, callers, served } = await play(modes, freeze);
  const { clock, database } = world;
  expect(served).toEqual(Array(10).fill(true));
  for (const { waits } of callers) {
    // The freeze may fall into one wait.
    expect(Math.max(...waits)).toBeLessThanOrEqual(PATIENCE_MS + freeze.freezeMs);
    expect(waits.filter((waitMs) => waitMs > PATIENCE_MS).length).toBeLessThanOrEqual(4);
  }
  // Only a probe, which looks whether forgotten sessions are gone, may be one too many; it asks four times.
  const probes = world.eventsNamed('leaseGranted').filter(({ isProbe }) => isProbe).length;
  expect(database.refused).toBeLessThanOrEqual(4 * probes);
  expect(database.peak).toBeLessThanOrEqual(CAPACITY);
  const open = pools.map((pool) => pool.status().idle);
  expect(clock.pending.foreground).toBe(0);
  for (const [at, pool] of pools.entries()) {
    const { gets, returned, opened, closed } = pool.statistics();
    const { asked = 0, lent = 0 } = callers[at] ?? {};
    expect(sum(gets)).toBe(asked);
    expect([gets.direct + gets.waited, returned]).toEqual([lent, lent]);
    expect(sum(closed) + (open[at] ?? 0)).toBe(opened);
    expect(pool.status()).toMatchObject({ lent: 0, busy: 0, opening: 0, closing: 0, waiting: 0 });
  }
  await world.until(Promise.all(pools.map((pool) => pool.close())));
  await clock.flush();
  expect(database.labels).toEqual([]);
  expect(await world.registry.inspect('orders')).toMatchObject({ held: 0, waiters: 0 });
  expect(clock.pending.foreground).toBe(0);
};

/** The freezes go through the product in turn, so that each step's modes meet each of them. */
const freezeOf = (modes: Case): Freeze => {
  const at = MODES.indexOf(modes.open as (typeof MODES)[number]) + PRODUCT.indexOf(modes);
  return FREEZES[(at + Math.floor(PRODUCT.indexOf(modes) / 4)) % FREEZES.length] as Freeze;
};

describe('gates: all laws hold whatever the driver’s steps do', () => {
  describe.each(MODES)('open %s', (open) => {
    const cases = PRODUCT.filter((modes) => modes.open === open);
    test.each(cases)('check $check, reset $reset, close $close', (modes) => judge(modes, freezeOf(modes)));
  });

  test.each(THROWS)('a step that throws: open $open, check $check, reset $reset, close $close', (modes) =>
    judge(modes, FREEZES[0] as Freeze),
  );
});
