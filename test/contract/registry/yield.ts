import { describe, expect, test } from '@jest/globals';
import { dutyNames, type Granted } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

export const describeYield = ({ scene, parkedScene }: Scenes): void => {
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

    test('no more leases are told to yield than waiters have no room for', async () => {
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
      // The waiter finds room at its poll; only the next one needs a place.
      expect(await it.renew('b', { idle: true })).toMatchObject({ kind: 'held', yield: false });
      await it.queued('x');
      expect(await it.renew('b', { idle: true })).toEqual({ kind: 'held', protectMs: 10_000, yield: true });
    });

    test('a renewal, a release, an abandon, a revocation and an expiry take the flag away', async () => {
      const it = await parkedScene(['a', 'b', 'c', 'd'], { ticketLivenessMs: 1_000_000 });
      for (const each of ['a', 'b', 'c', 'd']) await it.renew(each);
      it.advance(200);
      await it.queued('w');
      await it.queued('x');
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
};
