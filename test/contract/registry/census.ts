import { describe, expect, test } from '@jest/globals';
import type { CensusDuty } from '../../../lib/core/duty.ts';
import type { InForce } from '../../../lib/core/lease.ts';
import { LIMITS } from '../../../lib/core/limits.ts';
import { idOf, type Scene } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

const { censusDutyMs } = LIMITS;
/** With the settings of the scenes: the longest of connect bound and dutyMs. */
const QUIET_MS = 5_000;

export const describeCensus = ({ scene, unknownScene }: Scenes): void => {
  /** A registry that learns, where `holder` has come back and was given the census. */
  const censusScene = async (capacity = 3): Promise<{ it: Scene; census: CensusDuty }> => {
    const it = unknownScene({ capacity });
    await it.again('holder');
    it.advance(QUIET_MS);
    return { it, census: await censusOf(it, 'holder') };
  };
  const censusOf = async (it: Scene, name: string): Promise<CensusDuty> => {
    const { census } = await it.renewAll(name);
    if (census === undefined) throw new Error(`${name} was not given the census.`);
    return census;
  };

  describe('L13 holders come back', () => {
    test('L5 a lease that comes back is no ticket any more, whatever was left of the ask', async () => {
      const it = unknownScene();
      await it.queued('a');
      expect(await it.again('a')).toMatchObject({ kind: 'held' });
      expect(await it.report()).toMatchObject({ held: 1, waiters: 0 });
      await it.release('a');
      expect(await it.poll('a')).toEqual({ kind: 'lost', reason: 'unknown' });
    });

    test('L13 a renewal is forgotten, and held again once it brings the open session and its group', async () => {
      const it = await scene({ capacity: 5 });
      const { fence } = await it.granted('a');
      await it.registry.forget(it.resource);
      expect(await it.renew('a')).toEqual({ kind: 'forgotten' });
      expect(await it.again('a', { group: 'orders', turn: 7 })).toEqual({
        kind: 'held',
        protectMs: 10_000,
        yield: false,
      });
      expect(await it.report()).toMatchObject({
        held: 1,
        groups: [{ name: 'orders', taken: 1 }],
        entries: [{ lease: { id: idOf('a'), fence }, state: 'protected', session: 'server1.a' }],
      });
      // The turn is the item's.
      expect(await it.park('a', { turn: 7 })).toMatchObject({ kind: 'held' });
      expect(await it.park('a', { turn: 8 })).toEqual({ kind: 'parked' });
    });

    test('L13 a registration needs an open session: without one it stays forgotten, and makes nothing', async () => {
      const it = unknownScene();
      const again = { group: 'checkout', settings: it.settings };
      expect(await it.renew('a', { again })).toEqual({ kind: 'forgotten' });
      expect(await it.registry.inspect(it.resource)).toBeUndefined();
      await it.ask('x');
      expect(await it.renew('a', { again })).toEqual({ kind: 'forgotten' });
      expect(await it.report()).toMatchObject({ held: 0 });
    });

    test('L13 a repeated registration has the effect of one, and nobody else registers the same lease', async () => {
      const it = unknownScene();
      await it.again('a', { turn: 1 });
      it.advance(1_000);
      expect(await it.again('a', { turn: 1 })).toMatchObject({ kind: 'held', protectMs: 9_000 });
      expect(await it.again('a', { holder: 'somebody' })).toEqual({ kind: 'lost', reason: 'unknown' });
      expect(await it.report()).toMatchObject({ held: 1, groups: [{ taken: 1 }] });
    });

    test('L5 what is revoking, or was given back while learning, is not registered again', async () => {
      const it = unknownScene();
      await it.again('a');
      await it.abandon('a');
      expect(await it.again('a')).toEqual({ kind: 'lost', reason: 'abandoned' });
      expect(await it.release('b')).toBe('unknown');
      expect(await it.again('b')).toEqual({ kind: 'lost', reason: 'unknown' });
      await it.again('c');
      expect(await it.release('c')).toBe('released');
      expect(await it.again('c')).toEqual({ kind: 'lost', reason: 'unknown' });
      await it.again('d');
      await it.abandon('d');
      expect(await it.absent('d')).toBe('settled');
      expect(await it.again('d')).toEqual({ kind: 'lost', reason: 'unknown' });
      expect(await it.report()).toMatchObject({ held: 0, revoking: 1 });
    });

    test('L5 once learning is over nothing comes back', async () => {
      const it = await scene();
      expect(await it.again('a')).toEqual({ kind: 'lost', reason: 'unknown' });
      expect(await it.report()).toMatchObject({ held: 0 });
    });

    test('L7 the next fence is above every one that came back', async () => {
      const it = unknownScene();
      const far = 2 ** 50;
      await it.again('a', { fence: far });
      await it.registry.configure(it.resource, it.settings, true);
      expect((await it.granted('b')).fence).toBeGreaterThan(far);
    });
  });

  describe('L13 who makes the census', () => {
    test('L13 no census before the quiet time is over: a connect that was licensed may still be in flight', async () => {
      const it = unknownScene();
      await it.again('a');
      it.advance(QUIET_MS - 1);
      expect(await it.renewAll('a')).not.toHaveProperty('census');
      expect(await it.registry.sweep(it.resource, 0)).not.toHaveProperty('census');
      it.advance(1);
      expect(await it.renewAll('a')).toMatchObject({ census: { token: 1 } });
    });

    test('L13 the quiet time covers a connect that is late, slow and put off', async () => {
      const it = unknownScene({ connectBoundMs: 8_000, connectsPerSecond: 10 });
      const quietMs = LIMITS.connectStartMs + 8_000 + LIMITS.connectAfterMaxMs;
      expect(await it.ask('a')).toMatchObject({ retryAfterMs: quietMs });
    });

    test('L13 one census at a time; when it did not come, the next to renew is given another', async () => {
      const { it, census } = await censusScene();
      await it.again('b');
      expect(await it.renewAll('b')).not.toHaveProperty('census');
      it.advance(censusDutyMs - 1);
      expect(await it.renewAll('b')).not.toHaveProperty('census');
      it.advance(1);
      const { census: second } = await it.renewAll('b');
      expect(second).toEqual({ epoch: census.epoch, token: census.token + 1 });
      expect((await it.report()).epoch).toBe(census.epoch);
    });

    test('L13 who holds nothing is not given the census by a renewal', async () => {
      const { it } = await censusScene();
      it.advance(censusDutyMs);
      expect(await it.renewAll('stranger')).not.toHaveProperty('census');
      expect(await it.renewAll('holder')).toHaveProperty('census');
    });

    test('L13 a sweep is given the census like a holder', async () => {
      const it = unknownScene();
      await it.ask('x');
      it.advance(QUIET_MS);
      expect(await it.registry.sweep(it.resource, 0)).toMatchObject({ census: { token: 1 } });
      expect(await it.registry.sweep(it.resource, 0)).not.toHaveProperty('census');
    });

    test('L13 the first newcomer makes it where nothing is held, on the one lease that it is granted for it', async () => {
      const it = unknownScene();
      await it.queued('a');
      it.advance(QUIET_MS);
      expect(await it.ask('x')).toMatchObject({ kind: 'denied', reason: 'LEARNING' });
      const { fence, census } = await it.granted('b', { wait: true });
      expect(census).toMatchObject({ token: 1 });
      // A repeat is told the same.
      expect(await it.ask('b', { again: true })).toMatchObject({ fence, census });
      expect(await it.ask('c', { wait: true })).toMatchObject({ kind: 'queued', because: 'LEARNING' });
      expect(await it.report()).toMatchObject({ held: 1 });
    });

    test('L13 while holders come back a newcomer waits half a protection for one of them to make it', async () => {
      const it = unknownScene();
      await it.again('a');
      it.advance(QUIET_MS + 4_999);
      await it.queued('b');
      it.advance(1);
      expect(await it.poll('b')).toMatchObject({ kind: 'granted', census: { token: 1 } });
    });

    test('L13 one provisional lease at a time, while it is protected', async () => {
      const it = unknownScene();
      await it.ask('x');
      it.advance(QUIET_MS);
      await it.granted('a', { wait: true });
      it.advance(9_999);
      await it.queued('b');
      it.advance(1);
      expect(await it.poll('b')).toMatchObject({ kind: 'granted', census: { token: 2 } });
    });

    test('L13 the provisional lease given back makes way for the next newcomer', async () => {
      const it = unknownScene();
      await it.ask('x');
      it.advance(QUIET_MS);
      await it.granted('a', { wait: true });
      await it.release('a', { outcome: 'refused' });
      it.advance(censusDutyMs);
      expect(await it.ask('b', { wait: true })).toMatchObject({ kind: 'granted', census: { token: 2 } });
    });

    test('L10 a newcomer makes it only where its group stays within its maximum', async () => {
      const it = unknownScene();
      await it.again('a');
      it.advance(QUIET_MS + 5_000);
      const share = { min: 0, max: 1, priority: 0 };
      expect(await it.ask('b', { wait: true, share })).toMatchObject({ kind: 'queued', because: 'LEARNING' });
      expect(await it.ask('c', { wait: true, group: 'reports' })).toMatchObject({
        kind: 'granted',
        census: { token: 1 },
      });
    });

    test('L13 a newcomer makes it only below the capacity', async () => {
      const it = unknownScene({ capacity: 1, headroom: 0 });
      await it.again('a');
      it.advance(QUIET_MS + 5_000);
      expect(await it.ask('b', { wait: true })).toMatchObject({ kind: 'queued', because: 'LEARNING' });
      await it.release('a');
      expect(await it.ask('c', { wait: true })).toMatchObject({ kind: 'granted', census: { token: 1 } });
    });
  });

  describe('L13 what the census finds', () => {
    test('L13 every session seen and unknown becomes a held lease, protected once, of nobody and no known group', async () => {
      const { it, census } = await censusScene();
      expect(await it.adopt(census, ['b', 'holder'])).toBe('adopted');
      expect(await it.report()).toMatchObject({
        held: 2,
        protectedCount: 2,
        groups: [
          { name: 'checkout', taken: 1 },
          { name: 'unknown', taken: 1 },
        ],
      });
      const { entries } = await it.report();
      expect(entries.find(({ lease }) => lease.id === idOf('b'))).toEqual({
        lease: it.ref('b'),
        state: 'protected',
        holder: '?',
        group: 'unknown',
        session: 'server1.b',
        isProbe: false,
      });
      it.advance(10_000);
      expect(await it.stateOf('b')).toBe('revocable');
    });

    test('L13 pages are told one by one, also twice, and only the last one ends the learning', async () => {
      const { it, census } = await censusScene();
      await it.adopt(census, ['a']);
      await it.adopt(census, ['a', 'b']);
      expect(await it.ask('x')).toMatchObject({ reason: 'LEARNING' });
      expect(await it.adopt(census, ['c'], 0)).toBe('adopted');
      expect(await it.report()).toMatchObject({ held: 4, learningMs: 0, debt: 1 });
      expect(await it.ask('x')).toMatchObject({ reason: 'FULL' });
    });

    test('L13 the end of learning serves who waited', async () => {
      const { it, census } = await censusScene();
      await it.listening('w');
      expect(await it.adopt(census, [], 0)).toBe('adopted');
      expect(await it.report()).toMatchObject({ claims: 1 });
      expect(await it.poll('w')).toMatchObject({ kind: 'granted' });
    });

    test('L13 pages of an older census, of another epoch, or of none that was asked for are refused', async () => {
      const it = unknownScene();
      await it.again('a');
      const { epoch } = await it.report();
      expect(await it.adopt({ epoch, token: 0 }, ['x'], 0)).toBe('refused');
      expect(await it.adopt({ epoch, token: 1 }, ['x'], 0)).toBe('refused');
      it.advance(QUIET_MS);
      const first = await censusOf(it, 'a');
      expect(await it.adopt({ epoch: epoch - 1, token: first.token }, ['x'], 0)).toBe('refused');
      // A census that takes long is still the last one.
      it.advance(censusDutyMs);
      expect(await it.adopt(first, ['b'])).toBe('adopted');
      const second = await censusOf(it, 'a');
      expect(await it.adopt(first, ['x'], 0)).toBe('refused');
      expect(await it.report()).toMatchObject({ held: 2 });
      expect(await it.adopt(second, [], 0)).toBe('adopted');
    });

    test('L13 adopt leaves alone what is held, revoking, or was given back while learning', async () => {
      const { it, census } = await censusScene();
      await it.again('dead');
      await it.abandon('dead');
      await it.again('returned');
      await it.release('returned');
      expect(await it.release('farewell', { fence: 77 })).toBe('unknown');
      await it.renew('holder');
      const before = await it.report();
      expect(await it.adopt(census, ['holder', 'dead', 'returned', 'farewell'])).toBe('adopted');
      expect(await it.report()).toEqual(before);
    });

    test('L13 an abandoned connection may still be there: a census that sees it counts it', async () => {
      const { it, census } = await censusScene();
      expect(await it.abandon('x')).toBe('unknown');
      expect(await it.adopt(census, ['x'])).toBe('adopted');
      expect(await it.report()).toMatchObject({ held: 2 });
    });

    test('L13 farewells are for this learning: what a later census still sees is there', async () => {
      const { it, census } = await censusScene();
      await it.release('x', { fence: 77 });
      await it.adopt(census, ['x'], 0);
      expect(await it.report()).toMatchObject({ held: 1 });
      await it.adopt(await it.census(), ['x']);
      expect(await it.report()).toMatchObject({ held: 2 });
    });

    test('L13 farewells are bounded', async () => {
      const { it, census } = await censusScene();
      const names = Array.from({ length: LIMITS.farewellsMax + 1 }, (_, at) => `f${at}`);
      for (let at = 0; at < names.length; at += LIMITS.pageMax) {
        const page = names.slice(at, at + LIMITS.pageMax);
        const items = page.map((name) => ({ ...it.ref(name), outcome: 'closed' as const }));
        await it.registry.release(it.resource, 'h', items);
      }
      await it.adopt(census, names.slice(-2));
      expect(await it.report()).toMatchObject({ held: 2 });
    });

    test('L13 sessions without a label reduce the capacity, until a later census misses them', async () => {
      const it = await scene({ capacity: 4, headroom: 1 });
      const census = await it.census();
      expect(await it.adopt(census, [], 2)).toBe('adopted');
      expect(await it.report()).toMatchObject({ foreign: 2 });
      await it.granted('a');
      expect(await it.ask('b')).toMatchObject({ reason: 'FULL' });
      await it.adopt(census, ['c']);
      expect(await it.report()).toMatchObject({ foreign: 2, held: 2 });
      await it.adopt(census, [], 0);
      expect(await it.ask('b')).toMatchObject({ kind: 'granted' });
    });

    test('L13 a later census adopts too, in the present epoch only', async () => {
      const it = await scene();
      const { epoch } = await it.census();
      expect(await it.adopt({ epoch: epoch + 1, token: 0 }, ['a'])).toBe('refused');
      expect(await it.adopt({ epoch, token: 0 }, ['a'])).toBe('adopted');
      expect(await it.report()).toMatchObject({ held: 1 });
    });

    test('L13 whose lease was adopted takes it over by its next renewal, and then it is its own', async () => {
      const { it, census } = await censusScene();
      await it.adopt(census, ['b', 'c'], 0);
      expect(await it.renew('b', { fence: 1 })).toEqual({ kind: 'lost', reason: 'unknown' });
      expect(await it.renew('b', { session: 'server1.b' })).toMatchObject({ kind: 'held' });
      expect(await it.renew('b', { holder: 'somebody' })).toEqual({ kind: 'lost', reason: 'unknown' });
      expect(await it.again('c', { group: 'orders' })).toMatchObject({ kind: 'held' });
      const { entries, groups } = await it.report();
      const owners = entries.map(({ lease, holder, group }) => [lease.id, holder, group]);
      expect(owners).toContainEqual([idOf('b'), 'holder-of-b', 'unknown']);
      expect(owners).toContainEqual([idOf('c'), 'holder-of-c', 'orders']);
      expect(groups.map(({ name, taken }) => [name, taken])).toEqual([
        ['checkout', 1],
        ['orders', 1],
        ['unknown', 1],
      ]);
    });

    test('L13 an adopted lease hears also the park, the release and the abandonment of its holder', async () => {
      const { it, census } = await censusScene(9);
      await it.adopt(census, ['p', 'r', 'x', 'y'], 0);
      expect(await it.park('p')).toEqual({ kind: 'parked' });
      expect(await it.park('p', { holder: 'somebody' })).toEqual({ kind: 'lost', reason: 'unknown' });
      expect(await it.release('r', { fence: 1 })).toBe('unknown');
      expect(await it.release('r', { fence: 0 })).toBe('unknown');
      expect(await it.release('r')).toBe('released');
      expect([await it.abandon('x'), await it.abandon('x')]).toEqual(['abandoned', 'abandoned']);
      expect(await it.stateOf('p')).toBe('revocable');
      expect(await it.stateOf('x')).toBe('revoking');
      expect(await it.stateOf('y')).toBe('protected');
    });
  });

  describe("L13 an operator's word survives", () => {
    const inForce = (it: Scene, more: Partial<InForce> = {}): InForce => ({
      settings: { ...it.settings, capacity: 9 },
      version: 4,
      control: 'open',
      pausedForMs: 0,
      ...more,
    });

    test('L13 the highest version of the settings wins, whoever comes first', async () => {
      const it = unknownScene();
      await it.again('a');
      expect(await it.report()).toMatchObject({ version: 0, settings: { capacity: 3 } });
      await it.again('b', { inForce: inForce(it) });
      expect(await it.report()).toMatchObject({ version: 4, settings: { capacity: 9 } });
      await it.again('c', {
        inForce: inForce(it, { version: 3, control: 'draining', settings: it.settings }),
      });
      expect(await it.report()).toMatchObject({ version: 4, control: 'open', settings: { capacity: 9 } });
      expect(await it.resize(5, 1, 4)).toBe('stale');
    });

    test('L13 the connect bound may only rise, also when settings come back', async () => {
      const it = unknownScene({ connectBoundMs: 6_000 });
      await it.ask('x');
      const { capacity } = it.settings;
      await it.again('a', { inForce: inForce(it, { settings: { ...it.settings, connectBoundMs: 4_000 } }) });
      expect(await it.report()).toMatchObject({ settings: { capacity, connectBoundMs: 6_000 } });
      const { learningMs } = await it.report();
      await it.again('b', { settings: { ...it.settings, connectBoundMs: 7_000 } });
      expect(await it.report()).toMatchObject({
        settings: { connectBoundMs: 7_000 },
        learningMs: learningMs + 1_000,
      });
    });

    test('L13 a pause comes back with what remains of it, and a drain until somebody resumes', async () => {
      const it = unknownScene();
      await it.again('a', { inForce: inForce(it, { control: 'paused', pausedForMs: 20_000 }) });
      await it.registry.configure(it.resource, it.settings, true);
      expect(await it.ask('x')).toEqual({ ...it.denial('PAUSED', 20_000, 1), capacity: 9 });
      it.advance(20_000);
      expect(await it.ask('x')).toMatchObject({ kind: 'granted' });
      const other = unknownScene();
      await other.again('a', { inForce: inForce(other, { control: 'draining' }) });
      await other.registry.configure(other.resource, other.settings, true);
      other.advance(1_000);
      expect(await other.ask('x')).toMatchObject({ reason: 'DRAINING' });
      expect(await other.park('a')).toEqual({ kind: 'yield' });
    });

    test('L13 what a takeover brings counts like what a registration brings', async () => {
      const { it, census } = await censusScene();
      await it.adopt(census, ['a']);
      await it.again('a', { inForce: inForce(it) });
      expect(await it.report()).toMatchObject({ version: 4, settings: { capacity: 9 } });
    });

    test('replies carry what is in force, once an operator has spoken', async () => {
      const it = await scene();
      await it.granted('a');
      expect(await it.renewAll('a')).not.toHaveProperty('inForce');
      await it.resize(2, 0);
      const expected = {
        settings: { ...it.settings, capacity: 2, headroom: 0 },
        version: 1,
        control: 'open',
      };
      expect(await it.renewAll('a')).toMatchObject({ inForce: expected });
      expect(await it.parkAll('a')).toMatchObject({ inForce: expected });
      expect(await it.ask('b')).toMatchObject({ kind: 'granted', inForce: expected });
      expect(await it.ask('c', { wait: true })).toMatchObject({ kind: 'queued', inForce: expected });
      await it.operate({ kind: 'pause', forMs: 3_000 });
      it.advance(1_000);
      expect(await it.renewAll('a')).toMatchObject({
        inForce: { version: 2, control: 'paused', pausedForMs: 2_000 },
      });
    });
  });
};
