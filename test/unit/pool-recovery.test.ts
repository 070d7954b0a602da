import { describe, expect, test } from '@jest/globals';
import type { SessionFound } from '../../lib/core/duty.ts';
import { sessionLabel } from '../../lib/core/label.ts';
import { PRESETS } from '../../lib/core/presets.ts';
import { PROFILES, type ProfileName } from '../../lib/core/profiles.ts';
import { LeaseholdError } from '../../lib/index.ts';
import type { RenewItem } from '../../lib/registry/registry.ts';
import { PoolWorld } from '../support/pool-world.ts';

const unanswered = (): never => {
  throw new LeaseholdError('REGISTRY_UNREACHABLE', 'cut');
};

/** The connect timeout is 3 s, so a new epoch is quiet for 5 s (a duty's time). */
const QUIET_MS = 5_000;

/** A label of a process that is no longer there. */
const orphan = (n: number): string =>
  sessionLabel('orders', 'memory', { id: `orphan${String(n).padStart(10, '0')}`, fence: n });

describe('L13 a registry that has lost its memory', () => {
  test('a connection in use is registered again beside the work: same lease, same fence, nothing is interrupted', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ group: 'mine' });
    const lent = await world.until(pool.acquire());
    await world.clock.flush();
    const before = (await world.registry.inspect('orders', 1))?.entries[0]?.lease;
    await world.registry.forget('orders');
    await world.clock.advanceAsync(4_000);
    expect(await world.registry.inspect('orders', 1)).toMatchObject({
      held: 1,
      protectedCount: 1,
      entries: [{ lease: before, group: 'mine', session: 's1.1.1' }],
    });
    await lent.connection.run('goes on');
    expect(world.eventsNamed('leaseForgotten')).toEqual([{ isKnownAgain: true }]);
    expect(world.eventsNamed('leaseLost')).toEqual([]);
    // Its borrower has it: it is not asked whether it answers.
    expect(world.database.checks).toEqual([]);
  });

  test('an idle connection must answer before it is registered again', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    const label = await world.until(pool.use((client) => client.label));
    await world.clock.advanceAsync(12_000);
    await world.registry.forget('orders');
    expect(await world.until(pool.use((client) => client.label))).toBe(label);
    expect(world.database.checks[0]).toBe(label);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1 });
  });

  test('one that does not answer is lost, and is not brought back', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    await world.until(pool.use((client) => client.label));
    await world.clock.advanceAsync(12_000);
    await world.registry.forget('orders');
    world.database.checkAnswers = false;
    const renewed: RenewItem[] = [];
    world.interfere = (operation, call, args) => {
      if (operation === 'renew') renewed.push(...(args[2] as RenewItem[]));
      return call();
    };
    const use = pool.use((client) => client.label, { timeoutMs: 60_000 }).catch(() => undefined);
    await world.clock.advanceAsync(100);
    expect(renewed.filter(({ again }) => again !== undefined)).toEqual([]);
    expect(world.eventsNamed('leaseLost')).toEqual([{ reason: 'unknown', inUse: false }]);
    expect(world.eventsNamed('leaseForgotten')).toEqual([{ isKnownAgain: false }]);
    expect(world.database.labels).toEqual([]);
    await world.until(use);
  });

  test('while it is protected by its own clock a forgotten connection stays in use', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    const lent = await world.until(pool.acquire());
    await world.clock.flush();
    await world.registry.forget('orders');
    // The registry says that it has forgotten, and then nothing more.
    world.interfere = (operation, call, args) => {
      const [item] = operation === 'renew' ? (args[2] as RenewItem[]) : [];
      return item?.again === undefined ? call() : unanswered();
    };
    await world.clock.advanceAsync(9_000);
    await lent.connection.run('protected');
    await world.clock.advanceAsync(1_000);
    await expect(world.until(lent.connection.run('no longer'))).rejects.toMatchObject({
      code: 'REGISTRY_UNREACHABLE',
    });
    expect(world.database.statements).toHaveLength(1);
  });

  test('under pressure a park finds the lease forgotten, and brings it back rather than losing it', async () => {
    const world = new PoolWorld(2);
    const pool = await world.start({ max: 1 });
    const lent = await world.until(pool.acquire());
    await world.clock.flush();
    await world.registry.forget('orders');
    await lent.giveBack();
    await world.clock.flush();
    expect(world.calls.slice(-3)).toEqual(['park', 'renew', 'renew']);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1 });
    expect(world.database.labels).toHaveLength(1);
  });

  test('what an operator had changed comes back with the connections', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    const lent = await world.until(pool.acquire());
    await world.registry.operate('orders', { kind: 'resize', capacity: 6, headroom: 1 });
    await world.registry.operate('orders', { kind: 'pause', forMs: 60_000 });
    await world.clock.advanceAsync(4_000);
    await world.registry.forget('orders');
    await world.clock.advanceAsync(4_000);
    expect(await world.registry.inspect('orders')).toMatchObject({
      held: 1,
      settings: { capacity: 6 },
      version: 2,
      control: 'paused',
    });
    await world.clock.advanceAsync(53_000);
    expect(await world.registry.inspect('orders')).toMatchObject({ control: 'open' });
    await lent.giveBack();
  });

  test('a pause that has ended meanwhile is not brought back', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start();
    await world.registry.operate('orders', { kind: 'pause', forMs: 2_000 });
    const lent = await world.until(pool.acquire());
    // Heard with the grant, or while it waited; over since.
    await world.registry.forget('orders');
    await world.clock.advanceAsync(5_000);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1, version: 1, control: 'open' });
    await lent.giveBack();
  });
});

describe('the census', () => {
  test('a renewing holder makes it on an idle connection; what nobody brought becomes known, and everybody is served again', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 2 });
    const lent = await world.until(pool.acquire());
    await world.until(pool.use(() => undefined));
    world.database.leave(orphan(1));
    world.database.foreign = 2;
    await world.registry.forget('orders');
    const newcomer = world.pool({ max: 1 }).use((client) => client.label, { timeoutMs: 30_000 });
    const since = world.clock.read();
    await world.until(newcomer);
    expect(world.clock.elapsedMs(since)).toBeGreaterThanOrEqual(QUIET_MS);
    expect(world.clock.elapsedMs(since)).toBeLessThan(QUIET_MS + 4_000);
    expect(world.database.censuses).toEqual(['lh:orders.memory:']);
    // The lent one, the idle one, the orphan.
    expect(world.eventsNamed('censusDone')).toEqual([{ sessions: 3, foreign: 2 }]);
    expect(await world.registry.inspect('orders')).toMatchObject({ foreign: 2, held: 4, learningMs: 0 });
    expect(world.database.refused).toBe(0);
    await lent.giveBack();
  });

  test('a holder whose only connection is lent makes it when it comes back, never beside its borrower', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    const lent = await world.until(pool.acquire());
    await world.clock.flush();
    await world.registry.forget('orders');
    await world.clock.advanceAsync(QUIET_MS + 6_000);
    expect(world.database.censuses).toEqual([]);
    await lent.giveBack();
    await world.clock.flush();
    expect(world.database.censuses).toHaveLength(1);
    expect(await world.registry.inspect('orders')).toMatchObject({ learningMs: 0, held: 1 });
  });

  test('a connection that is asked about makes it before it is lent', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    await world.until(pool.use(() => undefined));
    await world.clock.advanceAsync(12_000);
    await world.registry.forget('orders');
    // A first renewal makes the registry know of the resource, a later one finds its quiet time over.
    await world.until(pool.use(() => undefined));
    await world.clock.advanceAsync(12_000);
    let censuses = 0;
    await world.until(
      pool.use(() => {
        censuses = world.database.censuses.length;
      }),
    );
    expect(censuses).toBe(1);
  });

  test('where no holder is left the first newcomer makes it, before its first hand-out', async () => {
    const world = new PoolWorld(4);
    for (const n of [1, 2]) world.database.leave(orphan(n));
    const pool = world.pool({ max: 1 });
    let censuses = 0;
    const since = world.clock.read();
    await world.until(
      pool.use(
        () => {
          censuses = world.database.censuses.length;
        },
        { timeoutMs: 30_000 },
      ),
    );
    expect(censuses).toBe(1);
    expect(world.clock.elapsedMs(since)).toBeLessThan(QUIET_MS + 600);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 3, learningMs: 0 });
  });

  test.each(
    Object.keys(PROFILES).flatMap((profile) => Object.keys(PRESETS).map((preset) => [profile, preset])),
  )(
    'the acquireTimeoutMs of %s with the preset %s outlasts the learning of a fresh registry',
    async (profile, preset) => {
      const world = new PoolWorld(4);
      const options = { ...Reflect.get(PRESETS, preset), profile: profile as ProfileName };
      expect(await world.until(world.pool(options).use(() => 'served'))).toBe('served');
    },
  );

  test('the newcomer’s connection is tried again while forgotten sessions fill the database, and that is counted apart', async () => {
    const world = new PoolWorld(4, 2);
    world.database.leave(orphan(1));
    world.database.leave(orphan(2));
    const pool = world.pool({ max: 1 });
    const use = pool.use((client) => client.label, { timeoutMs: 30_000 });
    await world.clock.advanceAsync(QUIET_MS + 1_500);
    const refused = world.eventsNamed('censusRefused').length;
    expect(refused).toBeGreaterThan(4);
    expect(world.eventsNamed('connectionFailed')).toEqual([]);
    expect(new Set(world.database.opens).size).toBe(1);
    world.database.kill(orphan(1));
    await world.until(use);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 2, learningMs: 0 });
  });

  test('many sessions are told in pages, and only the last of them ends the learning', async () => {
    const world = new PoolWorld(1_000);
    for (let n = 1; n <= 250; n += 1) world.database.leave(orphan(n));
    const pages: [number, unknown][] = [];
    world.interfere = (operation, call, args) => {
      if (operation === 'adopt') pages.push([(args[2] as SessionFound[]).length, args[3]]);
      return call();
    };
    const pool = world.pool({ max: 1 });
    await world.until(pool.use(() => undefined, { timeoutMs: 30_000 }));
    expect(pages).toEqual([
      [100, undefined],
      [100, undefined],
      [51, { foreign: 0 }],
    ]);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 251 });
  });

  test('labels that are none of ours are not told', async () => {
    const world = new PoolWorld(10);
    world.database.leave('lh:orders.memory:nonsense');
    world.database.leave(orphan(1));
    const pool = world.pool({ max: 1 });
    await world.until(pool.use(() => undefined, { timeoutMs: 30_000 }));
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 2 });
  });

  test('an answer that is lost is asked for again; the caller never hears of it', async () => {
    const world = new PoolWorld(10);
    let losses = 3;
    world.interfere = async (operation, call) => {
      const answer = await call();
      if (operation === 'adopt' && losses-- > 0) unanswered();
      return answer;
    };
    const pool = world.pool({ max: 1 });
    await world.until(pool.use(() => undefined, { timeoutMs: 30_000 }));
    expect(world.calls.filter((call) => call === 'adopt')).toHaveLength(4);
    expect(world.eventsNamed('censusDone')).toHaveLength(1);
    expect(await world.registry.inspect('orders')).toMatchObject({ learningMs: 0 });
  });

  test('a look that fails is an event, the caller is served, and somebody else is asked', async () => {
    const world = new PoolWorld(10);
    world.database.censusFails = true;
    const pool = world.pool({ max: 1 });
    await world.until(pool.use(() => undefined, { timeoutMs: 30_000 }));
    // Before it was lent, and when it came back.
    expect(world.eventsNamed('censusFailed')).toHaveLength(2);
    for (let use = 0; use < 5; use += 1) await world.until(pool.use(() => undefined));
    expect(world.eventsNamed('censusFailed')).toHaveLength(3);
    expect(await world.registry.inspect('orders')).toMatchObject({ held: 1 });
    expect((await world.registry.inspect('orders'))?.learningMs).toBeGreaterThan(0);
    world.database.censusFails = false;
    await world.clock.advanceAsync(11_000);
    await world.until(pool.use(() => undefined, { timeoutMs: 30_000 }));
    await world.clock.flush();
    expect(await world.registry.inspect('orders')).toMatchObject({ learningMs: 0 });
  });

  test('one that has lapsed is not made: it is somebody else’s', async () => {
    const world = new PoolWorld(10);
    const pool = await world.start({ max: 1 });
    const lent = await world.until(pool.acquire());
    await world.clock.flush();
    await world.registry.forget('orders');
    await world.clock.advanceAsync(QUIET_MS + 6_000);
    world.clock.freeze(5_000);
    await lent.giveBack();
    await world.clock.flush();
    expect(world.database.censuses).toEqual([]);
  });
});
