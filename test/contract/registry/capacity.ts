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
      expect(await it.ask('c')).toEqual(it.denial('FULL', 500, 2));
      expect(await it.report()).toMatchObject({ held: 2, revoking: 0, waiters: 0, protectedCount: 2 });
    });

    test('L1 whoever gets nothing hears what counts against the capacity, and the capacity in force', async () => {
      const it = await scene({ capacity: 4, headroom: 1 });
      for (const each of ['a', 'b', 'c']) await it.granted(each);
      await it.abandon('c');
      expect(await it.ask('x')).toMatchObject({ reason: 'FULL', inUse: 3, capacity: 4 });
      expect(await it.listening('w')).toMatchObject({ inUse: 3, capacity: 4 });
      // A slot that is kept for somebody is not in use yet.
      await it.release('a');
      expect(await it.report()).toMatchObject({ claims: 1 });
      expect(await it.queued('v')).toMatchObject({ position: 1, inUse: 2, capacity: 4 });
      // Sessions of others take from what may be granted, not from what was agreed on.
      await it.adopt(await it.census(), [], 1);
      expect(await it.poll('v')).toMatchObject({ inUse: 2, capacity: 4 });
      await it.resize(1, 0);
      expect(await it.poll('v')).toMatchObject({ inUse: 2, capacity: 1 });
      await it.operate({ kind: 'pause', forMs: 5_000 });
      expect(await it.ask('y', { wait: true, waitMs: 1 })).toMatchObject({
        reason: 'DEADLINE_NEAR',
        inUse: 2,
        capacity: 1,
      });
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
