import { describe, expect, test } from '@jest/globals';
import type { Scenes } from './scenes.ts';

export const describeCapacity = ({ scene }: Scenes): void => {
  describe('L1 capacity', () => {
    test('L2 an attempt whose end nobody saw counts on, until no connect of it can be in flight and a look shows none', async () => {
      const it = await scene();
      await it.granted('a');
      await it.abandon('a', { outcome: 'unanswered' });
      expect(await it.report()).toMatchObject({ held: 0, revoking: 1 });
      it.advance(it.settings.connectBoundMs - 1);
      expect(await it.absent('a')).toBe('kept');
      it.advance(1);
      expect(await it.absent('a')).toBe('settled');
      expect(await it.report()).toMatchObject({ held: 0, revoking: 0 });
    });

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
};
