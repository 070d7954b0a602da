import { describe, expect, test } from '@jest/globals';
import { LIMITS } from '../../../lib/core/limits.ts';
import type { Scenes } from './scenes.ts';

export const describeBounds = ({ scene, deadScene }: Scenes): void => {
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
      const sessions = items.map((ref) => ({ ...ref, session: 'server1.1' }));
      await expect(registry.adopt(resource, await it.census(), sessions)).rejects.toThrow(RangeError);
    });
  });
};
