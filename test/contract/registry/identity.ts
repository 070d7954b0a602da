import { describe, expect, test } from '@jest/globals';
import { dutyNames } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

export const describeIdentity = ({ scene, parkedScene }: Scenes): void => {
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
};
