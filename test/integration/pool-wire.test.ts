import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { eventually, pause } from '../support/eventually.ts';
import { Fleet, type FleetOptions } from '../support/fleet.ts';
import type { FleetPool } from '../support/fleet-member.ts';
import { CommandTap } from '../support/fleet-wire.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const SLOW = { protectMs: 30_000, idleMs: 60_000, connectTimeoutMs: 2_000 } as const;

const select = (pool: FleetPool): Promise<unknown> => pool.use((client) => client.query('SELECT 1'));

/** A Redis of its own: which scripts a server has is seen by all that use it. */
let server: RedisServer;

beforeAll(async () => {
  server = await startRedis({ own: true });
});

afterAll(() => server.stop());

const startFleet = (more: Omit<FleetOptions, 'capacity'>): Promise<Fleet> =>
  Fleet.start({ capacity: 20, options: SLOW, redisUrl: server.url, ...more });

const scriptFlush = async (): Promise<void> => {
  const redis = new Redis(server.url);
  await redis.script('FLUSH');
  redis.disconnect();
};

test('a warm use sends nothing to Redis, and does not even need it', async () => {
  const tap = new CommandTap();
  await using fleet = await startFleet({ redisHooks: tap.hooks });
  const pool = fleet.pool({}, { redis: true });
  await select(pool);
  // The first renewal tells the registry whose session it is; nobody waits for it.
  await eventually(() => tap.scripts.length >= 2);
  await pause(100);
  const before = tap.names.length;
  fleet.redisProxy.stall();
  for (let uses = 0; uses < 100; uses += 1) await select(pool);
  expect(tap.names.slice(before)).toEqual([]);
});

test('a warm use goes on while a renewal beside it is not answered', async () => {
  const tap = new CommandTap();
  const options = { ...SLOW, protectMs: 3_000, connectTimeoutMs: 1_000 };
  await using fleet = await startFleet({ options, redisHooks: tap.hooks });
  const pool = fleet.pool({}, { redis: true });
  await select(pool);
  await pause(1_200);
  const before = tap.names.length;
  fleet.redisProxy.stall();
  const start = performance.now();
  await select(pool);
  // The registry's own time for an answer is 1,000 ms.
  expect(performance.now() - start).toBeLessThan(900);
  await eventually(() => tap.names.length > before);
});

test('a first acquire is one round trip to Redis, connecting aside, in which the registry also looks who its primary is', async () => {
  const tap = new CommandTap();
  const fleet: Fleet = await startFleet({ redisHooks: tap.hooks });
  await using _ = fleet;
  await select(fleet.pool());
  // From the grant's answer on Redis says nothing more: whoever awaited anything else would wait in vain.
  tap.onScriptAnswer = (answers) => {
    if (answers === 2) fleet.redisProxy.stall('down');
  };
  await fleet.pool({}, { redis: true }).use(() => undefined, { timeoutMs: 1_000 });
  expect(tap.answeredScripts).toEqual(['EVALSHA', 'EVALSHA']);
  expect(tap.togetherFrom(0)).toBe(2);
});

test('a primary that is not watched is not looked at', async () => {
  const tap = new CommandTap();
  const fleet: Fleet = await startFleet({
    redisHooks: tap.hooks,
    registryOptions: () => ({ watchPrimary: false }),
  });
  await using _ = fleet;
  await select(fleet.pool());
  tap.onScriptAnswer = () => fleet.redisProxy.stall('down');
  await fleet.pool({}, { redis: true }).use(() => undefined, { timeoutMs: 1_000 });
  expect(tap.answeredScripts).toEqual(['EVALSHA']);
});

test('a first acquire after SCRIPT FLUSH is two round trips: the one that was refused, and the scripts themselves', async () => {
  const tap = new CommandTap();
  const fleet: Fleet = await startFleet({ redisHooks: tap.hooks });
  await using _ = fleet;
  await scriptFlush();
  tap.onScriptAnswer = (answers) => {
    if (answers === 4) fleet.redisProxy.stall('down');
  };
  await fleet.pool({}, { redis: true }).use(() => undefined, { timeoutMs: 1_000 });
  expect(tap.answeredScripts).toEqual(['EVALSHA', 'EVALSHA', 'EVAL', 'EVAL']);
  expect(tap.togetherFrom(0)).toBe(2);
});

test('after a lost connection a call takes one round trip more: nothing is sent before the registry has looked', async () => {
  const tap = new CommandTap();
  await using fleet = await startFleet({ redisHooks: tap.hooks });
  let registry = fleet.registry;
  fleet.pool({}, { redis: true }, (inner) => {
    registry = inner;
    return inner;
  });
  await registry.inspect('orders');
  fleet.redisProxy.cut();
  await pause(50);
  const before = tap.scripts.length;
  await registry.inspect('orders');
  expect(tap.scripts.slice(before)).toEqual(['EVALSHA', 'EVALSHA']);
  expect(tap.togetherFrom(before)).toBe(1);
});
