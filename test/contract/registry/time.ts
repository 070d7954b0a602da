import { describe, expect, test } from '@jest/globals';
import { LIMITS } from '../../../lib/core/limits.ts';
import type { Scene } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

export const describeTime = ({ scene }: Scenes): void => {
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
        async (it) => it.adopt({ epoch: 1, token: 0 }, []),
        (it) => it.operate({ kind: 'observe', holder: 'h', outcome: 'closed' }),
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
};
