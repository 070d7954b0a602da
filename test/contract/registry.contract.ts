import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ResourceSettings } from '../../lib/core/lease.ts';
import { LIMITS } from '../../lib/core/limits.ts';
import {
  type Ask,
  dutyNames,
  type Granted,
  holderOf,
  idOf,
  type RegistryHarness,
  Scene,
  SETTINGS,
} from '../support/registry-harness.ts';

/** What every registry promises, law by law. A new implementation is wired to it in a dozen lines. */
export const describeRegistry = (name: string, openHarness: () => Promise<RegistryHarness>): void => {
  describe(`registry: ${name}`, () => {
    let harness: RegistryHarness;
    let scenes = 0;

    beforeAll(async () => {
      harness = await openHarness();
    });
    afterAll(() => harness.close());

    /** A resource of the test's own, which the operator says is new. */
    const scene = (settings: Partial<ResourceSettings> = {}): Promise<Scene> =>
      unknownScene(settings).start();
    /** One that the registry has never heard of. */
    const unknownScene = (settings: Partial<ResourceSettings> = {}): Scene => {
      scenes += 1;
      return new Scene(harness, `scene-${scenes}`, settings);
    };
    /** Leases that were granted, bound to sessions on server1, and are not protected any more, the first the longest. */
    const parkedScene = async (
      names: readonly string[],
      settings: Partial<ResourceSettings> = {},
    ): Promise<Scene> => {
      const it = await scene({ capacity: names.length + 1, headroom: 1, ...settings });
      for (const each of names) await it.granted(each);
      for (const each of names) {
        it.advance(1);
        await it.park(each, { session: `server1.${each}` });
      }
      return it;
    };
    /** A resource full to the last place: `names` revoking and unbound, nothing held, all past every bound. */
    const deadScene = async (
      names: readonly string[],
      settings: Partial<ResourceSettings> = {},
    ): Promise<Scene> => {
      const it = await scene({ capacity: names.length, headroom: 0, ...settings });
      for (const each of names) await it.granted(each);
      for (const each of names) await it.abandon(each);
      it.advance(it.settings.connectBoundMs);
      return it;
    };

    describe('L1 capacity', () => {
      test('L1 room is what capacity leaves without the headroom; a denial names a moment to come back', async () => {
        const it = await scene();
        expect(await it.ask('a')).toMatchObject({
          kind: 'granted',
          protectMs: 10_000,
          idleMs: 60_000,
          connectAfterMs: 0,
          dutyMs: 5_000,
          duties: [],
          isProbe: false,
          pressure: false,
        });
        expect(await it.ask('b')).toMatchObject({ kind: 'granted', pressure: true });
        expect(await it.ask('c')).toEqual({ kind: 'denied', reason: 'FULL', retryAfterMs: 500 });
        expect(await it.report()).toMatchObject({ held: 2, revoking: 0, waiters: 0, protectedCount: 2 });
      });

      test('L1 the headroom is for revocations only: room never eats it, also not for a waiter', async () => {
        const it = await scene();
        await it.granted('a');
        await it.granted('b');
        expect(await it.ask('c', { wait: true })).toMatchObject({ kind: 'queued', position: 1 });
        expect(await it.poll('c')).toMatchObject({ kind: 'queued', position: 1 });
        expect(await it.report()).toMatchObject({ held: 2, revoking: 0, waiters: 1 });
      });

      test('L1 revoking entries count like held ones, until they are settled', async () => {
        const it = await scene({ capacity: 2, headroom: 0 });
        await it.granted('a');
        await it.granted('b');
        await it.abandon('a');
        expect(await it.ask('c')).toMatchObject({ kind: 'denied', reason: 'FULL' });
        it.advance(it.settings.connectBoundMs);
        expect(await it.ask('c')).toMatchObject({ kind: 'denied', reason: 'FULL' });
        expect(await it.absent('a')).toBe('settled');
        expect(await it.ask('c')).toMatchObject({ kind: 'granted', duties: [] });
      });

      test('L1 an expired lease still counts: the database may still run it', async () => {
        const it = await scene({ capacity: 1, headroom: 0 });
        await it.granted('a');
        await it.renew('a', { session: 'server1.1' });
        it.advance(10_000 + 60_000);
        expect(await it.report()).toMatchObject({ held: 0, revoking: 1 });
        expect(await it.ask('b')).toMatchObject({ kind: 'denied', reason: 'FULL' });
      });
    });

    describe('admission: room, takeover, revocation, probe', () => {
      test('room goes before a revocation: a lease is revoked only where somebody needs its place', async () => {
        const it = await scene({ capacity: 3, headroom: 1 });
        await it.granted('a');
        await it.park('a');
        expect(await it.ask('b')).toMatchObject({ kind: 'granted', duties: [] });
        expect(await it.stateOf('a')).toBe('revocable');
      });

      test('without room the longest unprotected lease is revoked, into the headroom, and its duty given', async () => {
        const it = await parkedScene(['a', 'b', 'c']);
        await it.renew('a');
        await it.park('a');
        const reply = await it.granted('d');
        expect(reply.duties).toEqual([{ lease: it.ref('b'), session: 'server1.b', lookAfterMs: 0 }]);
        expect(await it.report()).toMatchObject({ held: 3, revoking: 1 });
        expect(await it.renew('b')).toEqual({ kind: 'lost', reason: 'revoked' });
        expect(await it.stateOf('a')).toBe('revocable');
      });

      test('a free duty is taken over before a lease is revoked', async () => {
        const it = await parkedScene(['a', 'b'], { capacity: 4, headroom: 1 });
        await it.granted('c');
        await it.abandon('a', { session: 'server1.a' });
        // Held b, c and revoking a: no room; b is revocable; the duty of a is free.
        expect(dutyNames((await it.granted('d')).duties)).toEqual(['a']);
        expect(await it.stateOf('b')).toBe('revocable');
      });

      test('at most two duties ride on a grant, the one that it was granted over among them', async () => {
        const it = await parkedScene(['a', 'b', 'c', 'd'], { capacity: 8, headroom: 4 });
        for (const each of ['a', 'b', 'c']) await it.abandon(each);
        expect(dutyNames((await it.granted('e')).duties)).toEqual(['a', 'b']);
        expect(dutyNames((await it.granted('f')).duties)).toEqual(['c']);
        expect(dutyNames((await it.granted('g')).duties)).toEqual(['d']);
      });

      test('a duty has one owner for dutyMs, then it is free again', async () => {
        const it = await parkedScene(['a'], { capacity: 6, headroom: 2 });
        await it.abandon('a');
        expect(dutyNames((await it.granted('b')).duties)).toEqual(['a']);
        it.advance(it.settings.dutyMs - 1);
        expect(dutyNames((await it.renewAll('b')).duties)).toEqual([]);
        it.advance(1);
        expect(dutyNames((await it.renewAll('b')).duties)).toEqual(['a']);
      });

      test('the duty of an unbound lease may be owned before its look proves anything: then it is owned for longer', async () => {
        const it = await scene();
        await it.granted('a');
        await it.granted('b');
        await it.park('a');
        it.advance(1_000);
        const { duties } = await it.granted('c');
        expect(duties).toEqual([{ lease: it.ref('a'), session: undefined, lookAfterMs: 3_000 }]);
        it.advance(3_000 + it.settings.dutyMs - 1);
        expect((await it.renewAll('c')).duties).toEqual([]);
        it.advance(1);
        expect(dutyNames((await it.renewAll('c')).duties)).toEqual(['a']);
      });

      test('the duty of an abandoned unbound lease is free only when a look would prove something', async () => {
        const it = await scene({ capacity: 3, headroom: 1 });
        await it.granted('a');
        await it.granted('b');
        await it.abandon('a');
        it.advance(it.settings.connectBoundMs - 1);
        expect(await it.ask('c')).toMatchObject({ kind: 'denied', reason: 'FULL' });
        expect((await it.renewAll('b')).duties).toEqual([]);
        it.advance(1);
        expect(dutyNames((await it.granted('c')).duties)).toEqual(['a']);
      });

      test('renewals carry at most two duties, and only to a holder that still holds something', async () => {
        const it = await parkedScene(['a', 'b', 'c', 'd']);
        for (const each of ['a', 'b', 'c']) await it.abandon(each);
        expect(await it.renewAll('a')).toMatchObject({ duties: [] });
        const reply = await it.renewAll('d');
        expect(dutyNames(reply.duties)).toEqual(['a', 'b']);
        expect(reply).toMatchObject({ dutyMs: 5_000, pressure: true });
      });

      test('a probe goes one beyond the count, is marked, and takes every entry as its duty', async () => {
        const it = await deadScene(['a', 'b', 'c']);
        const reply = await it.granted('probe');
        expect(reply.isProbe).toBe(true);
        expect(dutyNames(reply.duties).toSorted()).toEqual(['a', 'b', 'c']);
        expect(reply.duties.every(({ lookAfterMs }) => lookAfterMs === 0)).toBe(true);
        const { entries, ...counts } = await it.report();
        expect(counts).toMatchObject({ held: 1, revoking: 3 });
        expect(entries.filter(({ isProbe }) => isProbe).map(({ lease }) => lease.id)).toEqual([
          idOf('probe'),
        ]);
      });

      test('a probe takes also the duties that somebody else owns: that owner did not come back', async () => {
        const it = await deadScene(['a', 'b']);
        const { duties } = await it.registry.sweep(it.resource, 10);
        expect(duties).toHaveLength(2);
        expect(dutyNames((await it.granted('probe')).duties).toSorted()).toEqual(['a', 'b']);
      });

      test('there is no second probe while one is under way, and nothing else is granted at the capacity', async () => {
        const it = await deadScene(['a', 'b']);
        await it.granted('probe');
        expect(await it.ask('x')).toMatchObject({ kind: 'denied', reason: 'FULL' });
        it.advance(it.settings.protectMs);
        expect(await it.ask('x')).toMatchObject({ kind: 'denied', reason: 'FULL' });
        // One settled entry makes room for nobody: probe and the other entry fill the capacity.
        expect(await it.absent('a')).toBe('settled');
        expect(await it.ask('x')).toMatchObject({ kind: 'denied', reason: 'FULL' });
        expect(await it.absent('b')).toBe('settled');
        expect(await it.ask('x')).toMatchObject({ kind: 'granted', isProbe: false });
      });

      test('there is no probe while anything is held', async () => {
        const it = await scene({ capacity: 2, headroom: 0 });
        await it.granted('a');
        await it.abandon('a');
        it.advance(it.settings.connectBoundMs);
        await it.granted('b');
        expect(await it.ask('c')).toMatchObject({ kind: 'denied', reason: 'FULL' });
        expect(await it.report()).toMatchObject({ held: 1, revoking: 1 });
      });

      test('there is no probe while a connect of ANY entry may be in flight', async () => {
        const it = await scene({ capacity: 2, headroom: 0 });
        await it.granted('a');
        await it.granted('b');
        await it.abandon('a');
        it.advance(it.settings.connectBoundMs - 1);
        await it.abandon('b');
        it.advance(it.settings.connectBoundMs - 1);
        expect(await it.ask('c')).toMatchObject({ kind: 'denied', reason: 'FULL' });
        it.advance(1);
        expect(await it.ask('c')).toMatchObject({ kind: 'granted', isProbe: true });
      });

      test('there is no probe before one entry is past its end; a bound one ends with its idle time and the connect bound', async () => {
        const it = await scene({ capacity: 1, headroom: 0 });
        await it.granted('a');
        await it.abandon('a', { session: 'server1.1' });
        it.advance(it.settings.idleMs + it.settings.connectBoundMs - 1);
        expect(await it.ask('b')).toMatchObject({ kind: 'denied', reason: 'FULL' });
        it.advance(1);
        expect(await it.ask('b')).toMatchObject({ kind: 'granted', isProbe: true });
      });

      test('a refused probe changes nothing but the delay before the next, which doubles up to a minute', async () => {
        const it = await deadScene(['a', 'b']);
        for (const [round, delayMs] of [
          1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000,
        ].entries()) {
          await it.granted(`probe${round}`);
          expect(await it.release(`probe${round}`, { outcome: 'refused' })).toBe('released');
          expect(await it.report()).toMatchObject({ held: 0, revoking: 2 });
          it.advance(delayMs - 1);
          expect(await it.ask('early')).toMatchObject({ kind: 'denied', reason: 'FULL' });
          it.advance(1);
        }
        await it.granted('last');
      });

      test('progress resets the delay between probes', async () => {
        const it = await deadScene(['a', 'b', 'c']);
        for (const each of ['p', 'q']) {
          await it.granted(each);
          await it.release(each, { outcome: 'refused' });
          it.advance(4_000);
        }
        expect(await it.absent('a')).toBe('settled');
        await it.granted('d');
        await it.release('d');
        expect(await it.report()).toMatchObject({ held: 0, revoking: 2 });
        await it.granted('e');
        await it.abandon('e');
        it.advance(it.settings.connectBoundMs);
        await it.granted('r');
        await it.release('r', { outcome: 'refused' });
        it.advance(999);
        expect(await it.ask('s')).toMatchObject({ kind: 'denied' });
        it.advance(1);
        await it.granted('s');
      });

      test('a probe that was given up without a connection delays the next one too, or entries would pile up', async () => {
        const it = await deadScene(['a']);
        const { connectBoundMs } = it.settings;
        for (const [round, delayMs] of [1_000, 2_000, 4_000, 8_000, 16_000].entries()) {
          await it.granted(`probe${round}`);
          await it.abandon(`probe${round}`);
          const waitMs = Math.max(delayMs, connectBoundMs);
          it.advance(waitMs - 1);
          expect(await it.ask('early')).toMatchObject({ kind: 'denied', reason: 'FULL' });
          it.advance(1);
        }
        // Each entry counts until a look proves its backend gone; one look settles them all.
        const { duties } = await it.granted('last');
        expect(duties).toHaveLength(6);
      });

      test('a refused probe that had expired meanwhile is no progress', async () => {
        const it = await deadScene(['a']);
        for (const each of ['p', 'q', 'r']) {
          await it.granted(each);
          await it.release(each, { outcome: 'refused' });
          it.advance(8_000);
        }
        await it.granted('s');
        it.advance(it.settings.protectMs + it.settings.idleMs);
        expect(await it.stateOf('s')).toBe('revoking');
        expect(await it.release('s', { outcome: 'refused' })).toBe('released');
        it.advance(1_000);
        expect(await it.ask('t')).toMatchObject({ kind: 'denied' });
      });
    });

    describe('L3 idempotent', () => {
      test('L3 a repeated grant answers with the same fence and the protection that remains', async () => {
        const it = await scene();
        const first = await it.granted('a');
        it.advance(3_000);
        for (const again of [true, false]) {
          const repeat = await it.granted('a', { again });
          expect(repeat).toMatchObject({ fence: first.fence, protectMs: 7_000, duties: [] });
        }
        it.advance(60_000);
        expect(await it.ask('a', { again: true })).toMatchObject({ fence: first.fence, protectMs: 0 });
        expect(await it.report()).toMatchObject({ held: 1 });
      });

      test('L3 a repeat of an id that the registry does not know is lost, and its old stamp keeps the place', async () => {
        const it = await scene({ capacity: 1, headroom: 0 });
        await it.granted('a');
        const { stamp } = await it.queued('b');
        it.advance(it.settings.ticketLivenessMs);
        expect(await it.poll('b')).toEqual({ kind: 'lost', reason: 'unknown' });
        await it.queued('c');
        expect(await it.queued('b2', { stamp })).toMatchObject({ position: 1, stamp });
        expect(await it.poll('c')).toMatchObject({ position: 2 });
      });

      test('L3 a repeated release is unknown, a repeated abandon is abandoned, and neither has a second effect', async () => {
        const it = await scene();
        await it.granted('a');
        await it.granted('b');
        expect([await it.release('a'), await it.release('a')]).toEqual(['released', 'unknown']);
        expect([await it.abandon('b'), await it.abandon('b')]).toEqual(['abandoned', 'abandoned']);
        expect(await it.report()).toMatchObject({ held: 0, revoking: 1 });
        it.advance(it.settings.connectBoundMs);
        expect([await it.absent('b'), await it.absent('b')]).toEqual(['settled', 'unknown']);
      });

      test('L3 release with fence 0 cancels a grant whose answer was lost, for its holder only', async () => {
        const it = await scene();
        await it.granted('a');
        expect(await it.release('a', { fence: 0, holder: 'somebody' })).toBe('unknown');
        expect(await it.release('a', { fence: 0, outcome: 'unused' })).toBe('released');
        expect(await it.poll('a')).toEqual({ kind: 'lost', reason: 'unknown' });
        expect(await it.report()).toMatchObject({ held: 0 });
      });

      test('L3 release cancels a ticket', async () => {
        const it = await scene({ capacity: 1, headroom: 0 });
        await it.granted('a');
        await it.queued('b');
        await it.queued('c');
        expect(await it.release('b', { outcome: 'unused' })).toBe('released');
        expect(await it.poll('c')).toMatchObject({ position: 1 });
        expect(await it.poll('b')).toEqual({ kind: 'lost', reason: 'unknown' });
      });

      test('L3 an ask for an id that is held by another holder is lost to the asker', async () => {
        const it = await scene();
        await it.granted('a');
        expect(await it.ask('a', { holder: 'somebody' })).toEqual({ kind: 'lost', reason: 'unknown' });
        expect(await it.renew('a')).toMatchObject({ kind: 'held' });
      });
    });

    describe('L4 only the holder, with its fence, in the order of its turns', () => {
      const strangers = [
        ['another holder', { holder: 'somebody' }],
        ['another fence', { fence: 4711 }],
      ] as const;
      test.each(strangers)('L4 %s changes nothing', async (_, stranger) => {
        const it = await scene({ capacity: 2, headroom: 0 });
        await it.granted('a');
        it.advance(1_000);
        const before = await it.report();
        expect(await it.renew('a', stranger)).toEqual({ kind: 'lost', reason: 'unknown' });
        expect(await it.park('a', stranger)).toEqual({ kind: 'lost', reason: 'unknown' });
        expect(await it.release('a', stranger)).toBe('unknown');
        expect(await it.abandon('a', { ...stranger, session: 'server1.1' })).toBe('unknown');
        expect(await it.report()).toEqual(before);
        await it.abandon('a');
        expect(await it.abandon('a', { ...stranger, session: 'server1.1' })).toBe('unknown');
        expect(await it.release('a', stranger)).toBe('unknown');
        expect((await it.report()).entries).toMatchObject([{ state: 'revoking', session: undefined }]);
      });

      test('L4 a late park after a newer renewal changes nothing, and hears the present state', async () => {
        const it = await scene();
        await it.granted('a');
        await it.renew('a', { turn: 2 });
        it.advance(1_000);
        expect(await it.park('a', { turn: 1 })).toEqual({ kind: 'held', protectMs: 9_000 });
        expect(await it.park('a', { turn: 2 })).toEqual({ kind: 'held', protectMs: 9_000 });
        expect(await it.stateOf('a')).toBe('protected');
      });

      test('L4 a late renewal after a newer park changes nothing, and hears the present state', async () => {
        const it = await scene();
        await it.granted('a');
        expect(await it.park('a', { turn: 2 })).toEqual({ kind: 'parked' });
        expect(await it.renew('a', { turn: 1 })).toEqual({ kind: 'held', protectMs: 0, yield: false });
        expect(await it.renew('a', { turn: 2 })).toEqual({ kind: 'held', protectMs: 0, yield: false });
        expect(await it.park('a', { turn: 2 })).toEqual({ kind: 'parked' });
        expect(await it.stateOf('a')).toBe('revocable');
      });

      test('L4 a park does not make a lease look longer unprotected than it is, nor shorter', async () => {
        const it = await scene({ capacity: 3, headroom: 1 });
        await it.granted('a');
        await it.granted('b');
        it.advance(10_000);
        await it.renew('b');
        it.advance(5_000);
        // b is parked first; but a has been unprotected for longer, and its park must not hide that.
        await it.park('b');
        await it.park('a');
        expect(dutyNames((await it.granted('c')).duties)).toEqual(['a']);
      });

      test('the session of a lease is bound by the first word of it, and by that alone', async () => {
        const it = await scene();
        await it.granted('a');
        await it.renew('a', { session: 'server1.1' });
        await it.park('a', { session: 'server1.2' });
        await it.abandon('a', { session: 'server1.3' });
        expect((await it.report()).entries).toMatchObject([{ session: 'server1.1' }]);
      });

      test('a session arrives also with a renewal that a later park has overtaken: what is open does not age', async () => {
        const it = await scene();
        await it.granted('a');
        await it.park('a', { turn: 2 });
        expect(await it.renew('a', { turn: 1, session: 'server1.1' })).toMatchObject({ protectMs: 0 });
        expect((await it.report()).entries).toMatchObject([{ state: 'revocable', session: 'server1.1' }]);
        await it.granted('b');
        await it.renew('b', { turn: 2 });
        expect(await it.park('b', { turn: 1, session: 'server1.2' })).toMatchObject({ kind: 'held' });
        expect((await it.report()).entries).toMatchObject([
          { lease: it.ref('a') },
          { state: 'protected', session: 'server1.2' },
        ]);
      });
    });

    describe('L5 no resurrection', () => {
      test('L5 a revoking lease is never held again, and its holder hears why', async () => {
        const it = await parkedScene(['a', 'b']);
        await it.granted('c');
        for (const again of [true, false]) {
          expect(await it.ask('a', { again })).toEqual({ kind: 'lost', reason: 'revoked' });
        }
        expect(await it.renew('a')).toEqual({ kind: 'lost', reason: 'revoked' });
        expect(await it.park('a')).toEqual({ kind: 'lost', reason: 'revoked' });
        await it.abandon('c');
        expect(await it.renew('c')).toEqual({ kind: 'lost', reason: 'abandoned' });
        it.advance(70_000);
        expect(await it.renew('b')).toEqual({ kind: 'lost', reason: 'expired' });
        expect(await it.report()).toMatchObject({ held: 0, revoking: 3 });
      });

      test('L5 a lease that is gone stays gone for every repeat', async () => {
        const it = await parkedScene(['a', 'b']);
        await it.granted('c');
        expect(await it.absent('a')).toBe('settled');
        expect(await it.ask('a', { again: true })).toEqual({ kind: 'lost', reason: 'unknown' });
        expect(await it.renew('a')).toEqual({ kind: 'lost', reason: 'unknown' });
        expect(await it.abandon('a')).toBe('unknown');
        expect(await it.stateOf('a')).toBe('gone');
      });

      test("L5 a revocable lease is its holder's until somebody needs it: a renewal protects it again", async () => {
        const it = await parkedScene(['a', 'b']);
        it.advance(30_000);
        expect(await it.renew('a')).toEqual({ kind: 'held', protectMs: 10_000, yield: false });
        expect(dutyNames((await it.granted('c')).duties)).toEqual(['b']);
      });
    });

    describe('L6 protection', () => {
      test('L6 a protected lease is never revoked, up to its last millisecond', async () => {
        const it = await scene();
        await it.granted('a');
        await it.granted('b');
        it.advance(9_999);
        expect(await it.ask('c')).toEqual({ kind: 'denied', reason: 'FULL', retryAfterMs: 1 });
        it.advance(1);
        expect(dutyNames((await it.granted('c')).duties)).toEqual(['a']);
      });

      test('L6 the hint names the moment at which a lease becomes revocable for that rank', async () => {
        const it = await scene({ capacity: 4, headroom: 1, waitersMax: 20, ticketLivenessMs: 20_000 });
        for (const each of ['a', 'b', 'c']) {
          await it.granted(each);
          it.advance(100);
        }
        it.advance(9_600);
        const hints: number[] = [];
        for (let rank = 0; rank < 10; rank++) hints.push((await it.queued(`w${rank}`)).retryAfterMs);
        expect(hints).toEqual([100, 200, 300, ...Array<number>(7).fill(500)]);
      });
    });

    describe('L7 fences', () => {
      test('L7 fences rise with every grant, also within one millisecond', async () => {
        const it = await scene({ capacity: 50, headroom: 5 });
        const fences: number[] = [];
        for (let at = 0; at < 40; at++) fences.push((await it.granted(`l${at}`)).fence);
        expect(fences).toEqual([...new Set(fences)].toSorted((a, b) => a - b));
        expect(fences.every(Number.isSafeInteger)).toBe(true);
      });

      test('L7 fences rise across forget', async () => {
        const it = await scene();
        const { fence } = await it.granted('a');
        await it.registry.forget(it.resource);
        it.advance(1);
        await it.start();
        expect((await it.granted('b')).fence).toBeGreaterThan(fence);
      });
    });

    describe('L8 a denial changes nothing', () => {
      test('L8 denials and inspections leave the state as it is', async () => {
        const it = await scene({ capacity: 2, headroom: 0 });
        await it.granted('a');
        await it.granted('b');
        await it.queued('c');
        const before = await it.report();
        await it.ask('d');
        await it.ask('e', { again: true });
        expect(await it.report()).toEqual(before);
        expect(await it.registry.inspect(it.resource)).toMatchObject({ entries: [] });
      });

      test('L8 QUEUE_FULL where waitersMax callers wait, and polls of theirs go on', async () => {
        const it = await scene({ capacity: 1, headroom: 0, waitersMax: 2 });
        await it.granted('a');
        await it.queued('b');
        await it.queued('c');
        expect(await it.ask('d', { wait: true })).toMatchObject({ kind: 'denied', reason: 'QUEUE_FULL' });
        expect(await it.poll('c')).toMatchObject({ kind: 'queued', position: 2 });
      });
    });

    describe('L9 order', () => {
      test('L9 a newcomer takes no room past a ticket, and a waiter takes it at its poll', async () => {
        const it = await scene({ capacity: 2, headroom: 0 });
        await it.granted('a');
        await it.granted('b');
        await it.queued('c');
        await it.release('a');
        expect(await it.ask('d')).toMatchObject({ kind: 'denied', reason: 'FULL' });
        expect(await it.ask('e', { wait: true })).toMatchObject({ kind: 'queued', position: 2 });
        expect(await it.poll('c')).toMatchObject({ kind: 'granted', pressure: true });
      });

      test('L9 a newcomer gets nothing by revocation, takeover or probe past a ticket', async () => {
        const it = await parkedScene(['a', 'b', 'c']);
        await it.renew('a');
        await it.renew('b');
        await it.renew('c');
        await it.queued('w');
        await it.park('a');
        expect(await it.ask('x')).toMatchObject({ kind: 'denied' });
        await it.abandon('b');
        expect(await it.ask('x')).toMatchObject({ kind: 'denied' });
        expect(await it.stateOf('a')).toBe('revocable');
        expect(await it.poll('w')).toMatchObject({ kind: 'granted' });
      });

      test('L9 only the best claim revokes, takes over or probes', async () => {
        const it = await parkedScene(['a', 'b']);
        await it.renew('a');
        await it.renew('b');
        await it.queued('w1');
        await it.queued('w2');
        await it.park('a');
        expect(await it.poll('w2')).toMatchObject({ kind: 'queued', position: 2 });
        expect(dutyNames(((await it.poll('w1')) as Granted).duties)).toEqual(['a']);
        const dead = await deadScene(['a'], { waitersMax: 5 });
        await dead.granted('p');
        await dead.queued('w1');
        await dead.queued('w2');
        await dead.release('p', { outcome: 'unused' });
        expect(await dead.poll('w2')).toMatchObject({ kind: 'queued', position: 2 });
        expect(await dead.poll('w1')).toMatchObject({ kind: 'granted', isProbe: true });
      });

      test('L9 polls may take room out of order, but only within room + capacity tickets of the best', async () => {
        const it = await scene({ capacity: 2, headroom: 0, waitersMax: 10 });
        await it.granted('a');
        await it.granted('b');
        for (const each of ['w0', 'w1', 'w2', 'w3']) await it.queued(each);
        await it.release('a');
        expect(await it.poll('w3')).toMatchObject({ kind: 'queued', position: 4 });
        expect(await it.poll('w2')).toMatchObject({ kind: 'granted' });
        expect(await it.poll('w1')).toMatchObject({ kind: 'queued', position: 2 });
      });

      test('L9 an old stamp keeps its place, and lets its owner go first', async () => {
        const it = await scene({ capacity: 1, headroom: 0 });
        await it.granted('a');
        const { stamp } = await it.queued('b');
        await it.queued('c');
        await it.release('b', { outcome: 'unused' });
        await it.release('a');
        expect(await it.ask('d')).toMatchObject({ kind: 'denied' });
        expect(await it.ask('b2', { stamp })).toMatchObject({ kind: 'granted' });
      });

      test('L9 a stamp from the future is refused: its owner gets the next one', async () => {
        const it = await scene({ capacity: 1, headroom: 0 });
        await it.granted('a');
        const { stamp } = await it.queued('b');
        const { stamp: next, position } = await it.queued('c', { stamp: stamp + 1_000_000 });
        expect(position).toBe(2);
        expect(next).toBe(stamp + 1);
      });

      test('a ticket lives from poll to poll, for ticketLivenessMs', async () => {
        const it = await scene({ capacity: 1, headroom: 0 });
        await it.granted('a');
        await it.queued('b');
        for (let round = 0; round < 3; round++) {
          it.advance(it.settings.ticketLivenessMs - 1);
          expect(await it.poll('b')).toMatchObject({ kind: 'queued', position: 1 });
        }
        it.advance(it.settings.ticketLivenessMs);
        await it.release('a');
        expect(await it.ask('c')).toMatchObject({ kind: 'granted' });
        expect(await it.poll('b')).toEqual({ kind: 'lost', reason: 'unknown' });
      });
    });

    describe('park, yield and the quantum', () => {
      test('a park ends protection at once, and is answered parked where nobody waits', async () => {
        const it = await scene();
        await it.granted('a');
        it.advance(1_000);
        expect(await it.park('a')).toEqual({ kind: 'parked' });
        expect(await it.park('a')).toEqual({ kind: 'parked' });
        expect(await it.stateOf('a')).toBe('revocable');
      });

      test('within its quantum a lease is never told to yield; it is revocable all the same', async () => {
        const it = await scene();
        await it.granted('a');
        await it.granted('b');
        await it.queued('w');
        it.advance(199);
        expect(await it.park('a')).toEqual({ kind: 'parked' });
        expect(await it.report()).toMatchObject({ flagged: 0 });
        it.advance(1);
        expect(await it.park('b')).toEqual({ kind: 'yield' });
        expect(dutyNames(((await it.poll('w')) as Granted).duties)).toEqual(['a']);
      });

      test('there are never more leases told to yield than waiters', async () => {
        const it = await parkedScene(['a', 'b', 'c']);
        for (const each of ['a', 'b', 'c']) await it.renew(each);
        it.advance(200);
        await it.queued('w');
        expect(await it.park('a')).toEqual({ kind: 'yield' });
        expect(await it.park('b')).toEqual({ kind: 'parked' });
        expect(await it.report()).toMatchObject({ flagged: 1, waiters: 1 });
        // A repeat is answered with the present state.
        expect(await it.park('a', { turn: 1 })).toEqual({ kind: 'yield' });
        expect(await it.renew('b', { idle: true })).toMatchObject({ kind: 'held', yield: false });
        await it.release('a');
        expect(await it.report()).toMatchObject({ flagged: 0 });
        expect(await it.renew('b', { idle: true })).toEqual({ kind: 'held', protectMs: 10_000, yield: true });
      });

      test('a renewal, a release, an abandon, a revocation and an expiry take the flag away', async () => {
        const it = await parkedScene(['a', 'b', 'c', 'd'], { ticketLivenessMs: 1_000_000 });
        for (const each of ['a', 'b', 'c', 'd']) await it.renew(each);
        it.advance(200);
        await it.queued('w');
        const flagged = async (): Promise<number> => (await it.report()).flagged;
        expect(await it.park('a')).toEqual({ kind: 'yield' });
        await it.renew('a');
        expect(await flagged()).toBe(0);
        await it.park('a');
        await it.abandon('a');
        expect(await flagged()).toBe(0);
        await it.park('b');
        await it.release('b');
        expect(await flagged()).toBe(0);
        expect(await it.park('c')).toEqual({ kind: 'yield' });
        it.advance(60_000);
        expect(await flagged()).toBe(0);
        expect(await it.stateOf('c')).toBe('revoking');
        const other = await scene();
        await other.granted('a');
        await other.granted('b');
        other.advance(200);
        await other.queued('w');
        expect(await other.park('a')).toEqual({ kind: 'yield' });
        expect(dutyNames(((await other.poll('w')) as Granted).duties)).toEqual(['a']);
        expect(await other.report()).toMatchObject({ flagged: 0, waiters: 0 });
      });

      test('a busy renewal is never told to yield', async () => {
        const it = await scene();
        await it.granted('a');
        await it.granted('b');
        await it.queued('w');
        it.advance(1_000);
        expect(await it.renew('a', { idle: false })).toMatchObject({ kind: 'held', yield: false });
        expect(await it.renew('a', { idle: true })).toMatchObject({ kind: 'held', yield: true });
      });

      test('without headroom a full resource is reason enough to yield, for nobody could revoke', async () => {
        const it = await scene({ capacity: 2, headroom: 0, quantumMs: 0 });
        await it.granted('a');
        expect(await it.park('a')).toEqual({ kind: 'parked' });
        await it.renew('a');
        await it.granted('b');
        expect(await it.park('a')).toEqual({ kind: 'yield' });
        expect(await it.park('b')).toEqual({ kind: 'yield' });
        await it.release('a');
        await it.renew('b');
        expect(await it.park('b')).toEqual({ kind: 'parked' });
      });

      test('renewAfterMs is a third of the protection; sooner while somebody waits, so that the word travels', async () => {
        const it = await scene();
        const { renewAfterMs } = await it.granted('a');
        expect(renewAfterMs).toBe(3_333);
        await it.granted('b');
        await it.queued('w');
        expect(await it.renewAll('a')).toMatchObject({ renewAfterMs: 500, pressure: true });
      });
    });

    describe('abandon, release and settle', () => {
      test('an abandoned unbound lease counts until the connect bound has passed and a look misses it', async () => {
        const it = await scene();
        await it.granted('a');
        await it.abandon('a');
        it.advance(it.settings.connectBoundMs - 1);
        expect(await it.absent('a')).toBe('kept');
        it.advance(1);
        expect(await it.absent('a')).toBe('settled');
        expect(await it.stateOf('a')).toBe('gone');
      });

      test('the connect bound of an abandoned lease counts from the abandonment, however long it was unprotected', async () => {
        const it = await scene();
        await it.granted('a');
        it.advance(it.settings.protectMs + 3 * it.settings.connectBoundMs);
        await it.abandon('a');
        expect(await it.absent('a')).toBe('kept');
        it.advance(it.settings.connectBoundMs - 1);
        expect(await it.absent('a')).toBe('kept');
        it.advance(1);
        expect(await it.absent('a')).toBe('settled');
      });

      test('an unbound lease whose END saw a session is settled at once: a lease opens once', async () => {
        const it = await scene();
        await it.granted('a');
        await it.abandon('a');
        expect(await it.absent('a', { seen: true })).toBe('settled');
      });

      test('a bound lease is settled by a look at the same server, at any time', async () => {
        const it = await scene();
        await it.granted('a');
        await it.abandon('a', { session: 'server1.1' });
        expect(await it.absent('a', { server: 'server2' })).toBe('kept');
        expect(await it.absent('a', { server: 'server2', seen: true })).toBe('kept');
        expect(await it.absent('a', { server: 'server' })).toBe('kept');
        expect(await it.absent('a', { server: 'server1' })).toBe('settled');
      });

      test('another server proves a bound lease gone only through a lease granted after the revocation', async () => {
        const it = await scene({ capacity: 6 });
        await it.granted('old');
        await it.granted('a');
        it.advance(1);
        await it.abandon('a', { session: 'server1.1' });
        it.advance(1);
        await it.granted('new');
        expect(await it.absent('a', { server: 'server2', by: it.ref('old') })).toBe('kept');
        expect(await it.absent('a', { server: 'server2', by: { ...it.ref('new'), fence: 1 } })).toBe('kept');
        expect(await it.absent('a', { server: 'server2', by: it.ref('a') })).toBe('kept');
        expect(await it.absent('a', { server: 'server2', by: it.ref('new') })).toBe('settled');
      });

      test('a session that becomes known late frees the duty at once, and binds what proves it gone', async () => {
        const it = await scene({ capacity: 4, headroom: 2 });
        await it.granted('a');
        await it.granted('b');
        await it.abandon('a');
        expect((await it.renewAll('b')).duties).toEqual([]);
        expect(await it.abandon('a', { session: 'server1.1' })).toBe('abandoned');
        expect((await it.renewAll('b')).duties).toEqual([
          { lease: it.ref('a'), session: 'server1.1', lookAfterMs: 0 },
        ]);
        it.advance(it.settings.connectBoundMs);
        expect(await it.absent('a', { server: 'server2' })).toBe('kept');
        expect(await it.absent('a')).toBe('settled');
      });

      test('a session that becomes known late does not take the duty from its owner', async () => {
        const it = await scene();
        await it.granted('a');
        await it.granted('b');
        await it.park('a');
        expect(dutyNames((await it.granted('c')).duties)).toEqual(['a']);
        await it.abandon('a', { session: 'server1.1' });
        expect((await it.renewAll('c')).duties).toEqual([]);
      });

      test('a late session moves the end too: the probe waits for its idle time', async () => {
        const it = await scene({ capacity: 1, headroom: 0 });
        await it.granted('a');
        await it.abandon('a');
        it.advance(1_000);
        await it.abandon('a', { session: 'server1.1' });
        it.advance(it.settings.connectBoundMs);
        expect(await it.ask('b')).toMatchObject({ kind: 'denied' });
        it.advance(it.settings.idleMs);
        expect(await it.ask('b')).toMatchObject({ kind: 'granted', isProbe: true });
      });

      test('who cannot end a session frees the duty for others', async () => {
        const it = await parkedScene(['a'], { capacity: 6, headroom: 2 });
        await it.abandon('a');
        expect(dutyNames((await it.granted('b')).duties)).toEqual(['a']);
        expect((await it.renewAll('b')).duties).toEqual([]);
        expect(await it.cannot('a')).toBe('kept');
        expect(dutyNames((await it.renewAll('b')).duties)).toEqual(['a']);
        expect(await it.stateOf('a')).toBe('revoking');
      });

      test('who cannot end an unbound session frees it no sooner than a look would prove something', async () => {
        const it = await scene();
        await it.granted('a');
        await it.granted('b');
        await it.park('a');
        await it.granted('c');
        expect(await it.cannot('a')).toBe('kept');
        expect((await it.renewAll('c')).duties).toEqual([]);
        it.advance(it.settings.connectBoundMs);
        expect(dutyNames((await it.renewAll('c')).duties)).toEqual(['a']);
      });

      test('held leases and unknown ids are never settled', async () => {
        const it = await scene();
        await it.granted('a');
        await it.renew('a', { session: 'server1.1' });
        it.advance(20_000);
        expect(await it.absent('a', { seen: true })).toBe('unknown');
        expect(await it.cannot('a')).toBe('unknown');
        expect(await it.absent('never')).toBe('unknown');
        expect(await it.stateOf('a')).toBe('revocable');
      });

      test('a holder that saw the end releases also what was revoked from it: that settles at once', async () => {
        const it = await parkedScene(['a', 'b']);
        await it.granted('c');
        expect(await it.release('a')).toBe('released');
        expect(await it.report()).toMatchObject({ held: 2, revoking: 0 });
      });

      test('a batch is answered item by item, in order', async () => {
        const it = await scene();
        const { fence } = await it.granted('a');
        const holder = holderOf('a');
        const good = { id: idOf('a'), fence };
        const bad = { id: idOf('b'), fence: 1 };
        const renewed = await it.registry.renew(it.resource, holder, [
          { ...bad, turn: 1, idle: false },
          { ...good, turn: 1, idle: false },
        ]);
        expect(renewed.outcomes).toMatchObject([{ kind: 'lost' }, { kind: 'held' }]);
        const parked = await it.registry.park(it.resource, holder, [
          { ...good, turn: 2 },
          { ...bad, turn: 2 },
        ]);
        expect(parked.outcomes).toEqual([{ kind: 'parked' }, { kind: 'lost', reason: 'unknown' }]);
        const items = [bad, good, good].map((ref) => ({ ...ref, outcome: 'closed' as const }));
        expect(await it.registry.release(it.resource, holder, items)).toEqual([
          'unknown',
          'released',
          'unknown',
        ]);
        expect((await it.registry.renew(it.resource, holder, [])).outcomes).toEqual([]);
      });
    });

    describe('L11 bounded', () => {
      test('L11 a mass expiry is reaped in bounded steps, by every operation, and no count is lost', async () => {
        const it = await scene({ capacity: 250, headroom: 0, quantumMs: 0 });
        const names = Array.from({ length: 200 }, (_, at) => `l${at}`);
        await Promise.all(names.map((each) => it.granted(each)));
        it.advance(70_000);
        const reaped: number[] = [];
        for (let round = 0; round < 3; round++) reaped.push((await it.report(0)).revoking);
        expect(reaped).toEqual([1, 2, 3].map((round) => round * LIMITS.reapMax));
        const swept = await it.registry.sweep(it.resource, 1_000);
        expect(swept).toMatchObject({ expired: LIMITS.pageMax + LIMITS.reapMax, held: 36, revoking: 164 });
        expect(swept.duties).toHaveLength(LIMITS.pageMax);
        expect(await it.registry.sweep(it.resource, 0)).toMatchObject({ held: 0, revoking: 200, duties: [] });
      });

      test('L11 a report and a probe show a page at most', async () => {
        const names = Array.from({ length: LIMITS.pageMax + 20 }, (_, at) => `l${at}`);
        const it = await deadScene(names);
        expect((await it.report(1_000)).entries).toHaveLength(LIMITS.pageMax);
        expect((await it.report(7)).entries).toHaveLength(7);
        expect((await it.granted('probe')).duties).toHaveLength(LIMITS.pageMax);
      });

      test('L11 dead tickets are reaped in bounded steps', async () => {
        const it = await scene({ capacity: 1, headroom: 0, waitersMax: 100 });
        await it.granted('a');
        for (let at = 0; at < 40; at++) await it.queued(`w${at}`);
        it.advance(it.settings.ticketLivenessMs);
        expect((await it.report(0)).waiters).toBe(40 - LIMITS.reapMax);
        expect(await it.registry.sweep(it.resource, 0)).toMatchObject({ expired: 0 });
        expect((await it.report(0)).waiters).toBe(0);
      });

      test('L11 a batch has at most a page of items, else it is refused whole', async () => {
        const it = await scene();
        const items = Array.from({ length: LIMITS.pageMax + 1 }, (_, at) => ({ id: `l${at}`, fence: 1 }));
        const { registry, resource } = it;
        await expect(
          registry.renew(
            resource,
            'h',
            items.map((ref) => ({ ...ref, turn: 1, idle: false })),
          ),
        ).rejects.toThrow(RangeError);
        await expect(
          registry.park(
            resource,
            'h',
            items.map((ref) => ({ ...ref, turn: 1 })),
          ),
        ).rejects.toThrow(RangeError);
        await expect(
          registry.release(
            resource,
            'h',
            items.map((ref) => ({ ...ref, outcome: 'closed' })),
          ),
        ).rejects.toThrow(RangeError);
        await expect(
          registry.abandon(
            resource,
            'h',
            items.map((ref) => ({ ...ref, outcome: 'unseen' })),
          ),
        ).rejects.toThrow(RangeError);
        await expect(
          registry.settle(
            resource,
            undefined,
            items.map(({ id }) => ({ id, kind: 'cannot' })),
          ),
        ).rejects.toThrow(RangeError);
      });
    });

    describe('L13 learning', () => {
      test('L13 a registry without memory grants nothing until protection, idle time and connect bound have passed', async () => {
        const it = unknownScene();
        const learningMs = 10_000 + 60_000 + 4_000;
        expect(await it.ask('a', { wait: true })).toEqual({
          kind: 'denied',
          reason: 'LEARNING',
          retryAfterMs: learningMs,
        });
        it.advance(learningMs - 1);
        expect(await it.ask('b')).toEqual({ kind: 'denied', reason: 'LEARNING', retryAfterMs: 1 });
        it.advance(1);
        expect(await it.ask('c')).toMatchObject({ kind: 'granted' });
      });

      test('L13 a registry without memory answers lost and unknown, and remembers nothing of the asker', async () => {
        const it = unknownScene();
        expect(await it.renewAll('a')).toEqual({
          outcomes: [{ kind: 'lost', reason: 'unknown' }],
          pressure: false,
          renewAfterMs: 0,
          dutyMs: 0,
          duties: [],
        });
        expect(await it.park('a')).toEqual({ kind: 'lost', reason: 'unknown' });
        expect(await it.release('a')).toBe('unknown');
        expect(await it.abandon('a')).toBe('unknown');
        expect(await it.absent('a')).toBe('unknown');
        expect(await it.registry.sweep(it.resource, 2)).toEqual({
          expired: 0,
          held: 0,
          revoking: 0,
          dutyMs: 0,
          duties: [],
        });
        expect(await it.registry.inspect(it.resource)).toBeUndefined();
        expect(await it.ask('a', { again: true })).toEqual({ kind: 'lost', reason: 'unknown' });
      });

      test('L13 configure starts learning; isNew, the word of the operator, ends it', async () => {
        const it = unknownScene();
        const { registry, resource, settings } = it;
        expect(await registry.configure(resource, settings, false)).toEqual({
          kind: 'created',
          settings,
          learningMs: 74_000,
        });
        it.advance(4_000);
        expect(await registry.configure(resource, settings, false)).toEqual({
          kind: 'exists',
          settings,
          learningMs: 70_000,
        });
        expect(await registry.configure(resource, settings, true)).toEqual({
          kind: 'exists',
          settings,
          learningMs: 0,
        });
        expect(await it.ask('a')).toMatchObject({ kind: 'granted' });
        expect(await it.report()).toMatchObject({ learningMs: 0 });
      });

      test('L13 a holder with a longer connect bound lengthens a learning that is under way', async () => {
        const it = unknownScene();
        await it.ask('a');
        it.advance(10_000);
        const slow = { ...it.settings, connectBoundMs: 9_000 };
        expect(await it.ask('b', { settings: slow })).toMatchObject({
          reason: 'LEARNING',
          retryAfterMs: 69_000,
        });
        it.advance(69_000);
        expect(await it.ask('c')).toMatchObject({ kind: 'granted' });
        expect(await it.ask('d', { settings: { ...slow, connectBoundMs: 12_000 } })).toMatchObject({
          kind: 'granted',
        });
      });

      test('L13 forget starts learning anew, and what was held is lost', async () => {
        const it = await scene();
        await it.granted('a');
        await it.registry.forget(it.resource);
        expect(await it.renew('a')).toEqual({ kind: 'lost', reason: 'unknown' });
        expect(await it.poll('a')).toEqual({ kind: 'lost', reason: 'unknown' });
        expect(await it.ask('b')).toMatchObject({ reason: 'LEARNING' });
      });

      test('settings belong to the resource: others are reported, never applied, the connect bound aside, which rises', async () => {
        const it = await scene();
        const other = { ...it.settings, capacity: 100, connectBoundMs: 3_000 };
        expect(await it.ask('a', { settings: other })).toMatchObject({
          kind: 'granted',
          settingsDiffer: true,
        });
        expect(await it.ask('b')).not.toHaveProperty('settingsDiffer');
        expect(await it.ask('c', { settings: other, wait: true })).toMatchObject({
          kind: 'queued',
          settingsDiffer: true,
        });
        expect(await it.report()).toMatchObject({ settings: it.settings });
        await it.ask('d', { settings: { ...other, connectBoundMs: 6_000 } });
        expect(await it.report()).toMatchObject({ settings: { ...it.settings, connectBoundMs: 6_000 } });
        const configured = await it.registry.configure(
          it.resource,
          { ...other, connectBoundMs: 7_000 },
          false,
        );
        expect(configured).toMatchObject({
          kind: 'exists',
          settings: { ...it.settings, connectBoundMs: 7_000 },
        });
        await it.abandon('a');
        it.advance(6_999);
        expect(await it.absent('a')).toBe('kept');
        it.advance(1);
        expect(await it.absent('a')).toBe('settled');
      });
    });

    describe('L14 isolation', () => {
      test('L14 two resources never meet, also under the same ids', async () => {
        const one = await scene({ capacity: 1, headroom: 0 });
        const two = await scene({ capacity: 1, headroom: 0 });
        await one.granted('a');
        expect(await two.renew('a', { fence: one.ref('a').fence })).toEqual({
          kind: 'lost',
          reason: 'unknown',
        });
        await two.granted('a');
        await one.abandon('a');
        expect(await two.stateOf('a')).toBe('protected');
        await one.registry.forget(one.resource);
        expect(await two.report()).toMatchObject({ held: 1 });
      });

      const HOSTILE = ['a b', 'a\nb', 'a%d', '', '-', 'é', '\u0000', 'x'.repeat(200), 'a\tb', '1 2 3'];
      /** A percent sign means nothing to a record; the rest would tear its fields apart. */
      const refused = HOSTILE.filter((text) => text !== 'a%d');

      test.each(refused)(
        'L14 a name that a record could not carry is refused before it travels: %j',
        async (text) => {
          const it = await scene();
          await it.granted('a');
          const { registry, resource } = it;
          const request = it.request('b');
          const ref = { id: text, fence: 1 };
          const calls: (() => Promise<unknown>)[] = [
            () => registry.grant({ ...request, leaseId: text }),
            () => registry.grant({ ...request, holder: text }),
            () => registry.grant({ ...request, group: text }),
            () => registry.renew(resource, text, []),
            () => registry.renew(resource, 'h', [{ ...ref, turn: 1, idle: true }]),
            () => registry.renew(resource, 'h', [{ id: 'a', fence: 1, turn: 1, idle: true, session: text }]),
            () => registry.park(resource, 'h', [{ id: 'a', fence: 1, turn: 1, session: text }]),
            () => registry.release(resource, 'h', [{ ...ref, outcome: 'closed' }]),
            () => registry.abandon(resource, 'h', [{ id: 'a', fence: 1, outcome: 'unseen', session: text }]),
            () =>
              registry.settle(resource, undefined, [{ id: 'a', kind: 'absent', seen: true, server: text }]),
            () => registry.settle(resource, ref, []),
          ];
          const outcomes = await Promise.allSettled(calls.map((call) => call()));
          expect(
            outcomes.map((each) => each.status === 'rejected' && each.reason instanceof RangeError),
          ).toEqual(calls.map(() => true));
          expect(await it.report()).toMatchObject({ held: 1, revoking: 0, waiters: 0 });
        },
      );

      test.each(['a b', '', 'A', 'a.b', '{a}', 'a}:state', 'x'.repeat(21)])(
        'L14 a resource that could meet another one is refused before it travels: %j',
        async (text) => {
          const it = await scene();
          const { registry, settings } = it;
          const calls: (() => Promise<unknown>)[] = [
            () => registry.grant({ ...it.request('b'), resource: text }),
            () => registry.renew(text, 'h', []),
            () => registry.park(text, 'h', []),
            () => registry.release(text, 'h', []),
            () => registry.abandon(text, 'h', []),
            () => registry.settle(text, undefined, []),
            () => registry.sweep(text, 1),
            () => registry.inspect(text),
            () => registry.forget(text),
            () => registry.configure(text, settings, true),
          ];
          for (const call of calls) await expect(call()).rejects.toThrow(RangeError);
        },
      );

      test('L14 a percent sign in a name is only a character', async () => {
        const it = await scene();
        await it.granted('a', { holder: '%d%s%%1', group: '%1' });
        expect((await it.report()).entries).toMatchObject([{ holder: '%d%s%%1', group: '%1' }]);
        expect(await it.renew('a', { holder: '%d%s%%1' })).toMatchObject({ kind: 'held' });
      });

      test.each([
        ['a fraction', { ...SETTINGS, protectMs: 1.5 }],
        ['a negative number', { ...SETTINGS, idleMs: -1 }],
        ['no number', { ...SETTINGS, dutyMs: Number.NaN }],
        ['no capacity', { ...SETTINGS, capacity: 0 }],
        ['a headroom that leaves nothing', { ...SETTINGS, headroom: SETTINGS.capacity }],
      ])('L14 settings with %s are refused before they travel', async (_, settings) => {
        const it = unknownScene();
        await expect(it.ask('a', { settings } satisfies Ask)).rejects.toThrow(RangeError);
        await expect(it.registry.configure(it.resource, settings, true)).rejects.toThrow(RangeError);
        expect(await it.registry.inspect(it.resource)).toBeUndefined();
      });

      test.each([1.5, -1, Number.NaN, 2 ** 53])('L14 %p is no fence, turn or stamp', async (number) => {
        const it = await scene();
        await expect(it.ask('a', { stamp: number })).rejects.toThrow(RangeError);
        await expect(it.renew('a', { fence: number })).rejects.toThrow(RangeError);
        await expect(it.renew('a', { turn: number })).rejects.toThrow(RangeError);
        await expect(it.park('a', { turn: number })).rejects.toThrow(RangeError);
        await expect(it.release('a', { fence: number })).rejects.toThrow(RangeError);
        await expect(it.abandon('a', { fence: number })).rejects.toThrow(RangeError);
      });
    });

    describe('L16 helping', () => {
      test('L16 every operation reaps what time made due, without a sweeper', async () => {
        const operations: readonly ((it: Scene) => Promise<unknown>)[] = [
          (it) => it.ask('x'),
          (it) => it.renew('x'),
          (it) => it.park('x'),
          (it) => it.release('x'),
          (it) => it.abandon('x'),
          (it) => it.absent('x'),
          (it) => it.registry.configure(it.resource, it.settings, false),
          (it) => it.report(),
        ];
        const names = Array.from({ length: 3 * LIMITS.reapMax }, (_, at) => `l${at}`);
        for (const operate of operations) {
          const it = await scene({ capacity: names.length, headroom: 0 });
          for (const each of names) await it.granted(each);
          for (const each of names) await it.ask(`w${each}`, { wait: true });
          it.advance(70_000);
          await operate(it);
          // A report reaps like every operation; the rest was the operation's.
          const reaped = 2 * LIMITS.reapMax;
          expect(await it.report()).toMatchObject({
            held: names.length - reaped,
            revoking: reaped,
            waiters: 0,
          });
        }
      });

      test('L16 a waiter that polls serves itself from what lapsed meanwhile', async () => {
        const it = await scene();
        await it.granted('a');
        await it.granted('b');
        it.advance(9_000);
        expect(await it.ask('w', { wait: true })).toMatchObject({ kind: 'queued', retryAfterMs: 500 });
        it.advance(500);
        await it.poll('w');
        it.advance(500);
        expect(await it.poll('w')).toMatchObject({ kind: 'granted' });
      });
    });

    describe('L17 time', () => {
      test('L17 a clock that steps back takes no time away, and time goes on from there', async () => {
        const it = await scene();
        await it.granted('a');
        it.advance(4_000);
        await it.report();
        it.advance(-3_600_000);
        expect(await it.ask('a', { again: true })).toMatchObject({ protectMs: 6_000 });
        it.advance(1_000);
        expect(await it.ask('a', { again: true })).toMatchObject({ protectMs: 5_000 });
        it.advance(5_000);
        expect(await it.stateOf('a')).toBe('revocable');
      });

      test('L17 a clock that steps forward shortens what runs, and goes on after its correction', async () => {
        const it = await scene();
        const { fence } = await it.granted('a');
        it.advance(3_600_000);
        expect(await it.stateOf('a')).toBe('revoking');
        it.advance(-3_600_000);
        const next = await it.granted('b');
        expect(next.protectMs).toBe(10_000);
        expect(next.fence).toBeGreaterThan(fence);
        it.advance(2_500);
        expect(await it.ask('b', { again: true })).toMatchObject({ protectMs: 7_500 });
      });

      test('L17 stamps keep their order across a step back', async () => {
        const it = await scene({ capacity: 1, headroom: 0 });
        await it.granted('a');
        const { stamp } = await it.queued('b');
        it.advance(-60_000);
        expect(await it.ask('c', { wait: true })).toMatchObject({
          kind: 'queued',
          position: 2,
          stamp: stamp + 1,
        });
      });
    });
  });
};
