import { describe, expect, test } from '@jest/globals';
import { dutyNames } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

export const describeProtection = ({ scene }: Scenes): void => {
  describe('L6 protection', () => {
    test('L6 a protected lease is never revoked, up to its last millisecond', async () => {
      const it = await scene();
      await it.granted('a');
      await it.granted('b');
      it.advance(9_999);
      expect(await it.ask('c')).toEqual(it.denial('FULL', 1, 2));
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
};
