import { expect, test } from '@jest/globals';
import type { ConfigInput } from '../../lib/core/config.ts';
import { LIMITS } from '../../lib/core/limits.ts';
import { pause } from '../support/eventually.ts';
import { CONNECT_BOUND_MS, FAIR, Fleet } from '../support/fleet.ts';
import type { FleetPool } from '../support/fleet-member.ts';

const TIMEOUT_MS = 90_000;

interface Outage {
  readonly lastsMs: number;
  readonly queryTimeoutMs: number;
  readonly options: Partial<ConfigInput>;
  readonly connectBoundMs: number;
}

const SHORT: Outage = {
  lastsMs: 3_000,
  queryTimeoutMs: 500,
  options: {},
  connectBoundMs: CONNECT_BOUND_MS,
};
/** The probe after the return must not fail because a machine is slow: the next one would come after half a minute. */
const LONG: Outage = {
  lastsMs: 30_000,
  queryTimeoutMs: 1_500,
  options: {
    protectMs: 4_000,
    idleMs: 4_000,
    connectTimeoutMs: 1_500,
    operationTimeoutMs: 1_500,
    dutyMs: 2_000,
  },
  connectBoundMs: 1_500 + LIMITS.connectStartMs,
};
/** A caller's own patience: whoever would give up before the next attempt hears so at once, and asks anew. */
const PATIENCE_MS = 1_500;
const SLACK_MS = 700;

/** Uses the pool again and again until `isOver`; resolves with the time of its first success after `back`. */
const work = async (pool: FleetPool, back: () => number | undefined): Promise<number> => {
  for (;;) {
    const start = performance.now();
    const isServed = await pool
      .use((client) => client.query('SELECT pg_sleep(0.02)'), { timeoutMs: PATIENCE_MS })
      .then(() => true)
      .catch(() => pause(20).then(() => false));
    const since = back();
    if (isServed && since !== undefined && start > since) return performance.now() - since;
  }
};

/** The most leases and revoking entries that any look has seen. */
const watchCount = async (fleet: Fleet, isOver: () => boolean): Promise<number> => {
  let most = 0;
  while (!isOver()) {
    const { held, revoking } = await fleet.report();
    most = Math.max(most, held + revoking);
    await pause(20);
  }
  return most;
};

/** Each probe that nobody answered leaves an entry, until somebody can look; the delay before the next one doubles. */
const probesWithin = (lastsMs: number): number =>
  1 + Math.floor(Math.log2(lastsMs / LIMITS.probeDelayMs + 1));

/** The longest delay that was begun within the outage. */
const probeDelayAfter = (lastsMs: number): number => LIMITS.probeDelayMs * 2 ** (probesWithin(lastsMs) - 1);

const outage = async (
  begin: (fleet: Fleet) => Promise<void>,
  end: (fleet: Fleet) => Promise<void>,
  { lastsMs, queryTimeoutMs, options, connectBoundMs } = SHORT,
): Promise<void> => {
  await using fleet = await Fleet.start({
    capacity: 4,
    database: { query_timeout: queryTimeoutMs },
    options,
  });
  let backAt: number | undefined;
  const back = (): number | undefined => backAt;
  const pools = [1, 2, 3, 4].map(() => fleet.pool({ max: 1 }, { database: true }));
  const served = Promise.all(pools.map((pool) => work(pool, back)));
  const most = watchCount(fleet, () => backAt !== undefined);
  await pause(500);
  await begin(fleet);
  await pause(lastsMs);
  await end(fleet);
  backAt = performance.now();

  expect(Math.max(...(await served))).toBeLessThan(connectBoundMs + probeDelayAfter(lastsMs) + SLACK_MS);
  expect(await most).toBeLessThanOrEqual(4 + probesWithin(lastsMs));
  expect(fleet.verdict).toEqual(FAIR);
  await fleet.close();
};

test.concurrent(
  'L1 L16: a database that refused connections is in use again within the connect bound and the probe delay',
  () =>
    outage(
      async ({ databaseProxy }) => {
        await databaseProxy.refuse();
        databaseProxy.cut();
      },
      ({ databaseProxy }) => databaseProxy.accept(),
    ),
  TIMEOUT_MS,
);

const goDark = async ({ databaseProxy }: Fleet): Promise<void> => databaseProxy.blackhole();
const comeBack = async ({ databaseProxy }: Fleet): Promise<void> => {
  databaseProxy.pass();
  databaseProxy.cut();
};

test.concurrent(
  'L1 L16: a database behind a network that went away without a word is in use again within the connect bound and the probe delay',
  () => outage(goDark, comeBack),
  TIMEOUT_MS,
);

test.concurrent(
  'L1 L16: a database unreachable for 30 s leaves beyond the capacity only the probes, ever fewer, and is in use again',
  () => outage(goDark, comeBack, LONG),
  TIMEOUT_MS,
);
