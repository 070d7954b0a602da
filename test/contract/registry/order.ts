import { describe, expect, test } from '@jest/globals';
import { dutyNames, type Granted } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

export const describeOrder = ({ scene, parkedScene, deadScene }: Scenes): void => {
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

    test('L9 a newcomer takes room only if every ticket ahead could have its own', async () => {
      const it = await scene({ capacity: 5, headroom: 1 });
      for (const each of ['a', 'b', 'c', 'd']) await it.granted(each);
      await it.queued('w');
      await it.release('a');
      expect(await it.ask('x')).toMatchObject({ kind: 'denied', reason: 'FULL' });
      await it.release('b');
      expect(await it.ask('x')).toMatchObject({ kind: 'granted' });
      expect(await it.ask('y')).toMatchObject({ kind: 'denied', reason: 'FULL' });
      expect(await it.poll('w')).toMatchObject({ kind: 'granted' });
    });

    test('a full resource is no reason to say DEADLINE_NEAR: anybody may give back at any moment', async () => {
      const it = await scene({ capacity: 1, headroom: 0 });
      await it.granted('a');
      expect(await it.ask('b', { wait: true, waitMs: 0 })).toMatchObject({ kind: 'queued' });
      expect(await it.ask('c', { wait: true, waitMs: 1 })).not.toHaveProperty('because');
    });
  });
};
