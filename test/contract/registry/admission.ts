import { describe, expect, test } from '@jest/globals';
import { dutyNames, idOf } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

export const describeAdmission = ({ scene, parkedScene, deadScene }: Scenes): void => {
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
      expect(entries.filter(({ isProbe }) => isProbe).map(({ lease }) => lease.id)).toEqual([idOf('probe')]);
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
      for (const [round, delayMs] of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000].entries()) {
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
};
