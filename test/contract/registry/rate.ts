import { describe, expect, test } from '@jest/globals';
import type { ResourceSettings } from '../../../lib/core/lease.ts';
import { LIMITS } from '../../../lib/core/limits.ts';
import type { Scene } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

export const describeRate = ({ scene, unknownScene, deadScene }: Scenes): void => {
  const rated = (settings: Partial<ResourceSettings>): Promise<Scene> =>
    scene({ capacity: 200, headroom: 1, connectsPerSecond: 10, ...settings });
  /** When the connects of so many grants may start, in ms from now. */
  const starts = async (it: Scene, count: number, prefix = 'l'): Promise<number[]> => {
    const after: number[] = [];
    for (let at = 0; at < count; at++) after.push((await it.granted(`${prefix}${at}`)).connectAfterMs);
    return after;
  };

  describe('the connect rate', () => {
    test('connects are spaced: each grant says how long its own is put off', async () => {
      const it = await rated({});
      expect(await starts(it, 4)).toEqual([0, 100, 200, 300]);
      it.advance(250);
      expect(await starts(it, 2, 'm')).toEqual([150, 250]);
      it.advance(60_000);
      expect(await starts(it, 2, 'n')).toEqual([0, 100]);
    });

    test('a burst may start at once, and is filled again by time', async () => {
      const it = await rated({ connectBurst: 3 });
      expect(await starts(it, 5)).toEqual([0, 0, 0, 100, 200]);
      it.advance(200 + 200);
      expect(await starts(it, 3, 'm')).toEqual([0, 0, 100]);
      it.advance(60_000);
      expect(await starts(it, 4, 'n')).toEqual([0, 0, 0, 100]);
    });

    test('a connect never starts early where the interval is no whole number', async () => {
      const it = await rated({ connectsPerSecond: 3 });
      expect(await starts(it, 4)).toEqual([0, 334, 667, 1_000]);
    });

    test('no connect waits for the rate beyond a maximum: then nobody is granted anything', async () => {
      const it = await rated({});
      const after = await starts(it, 51);
      expect(after.at(-1)).toBe(LIMITS.connectAfterMaxMs);
      expect(await it.ask('x')).toEqual(it.denial('RATE', 100, 51));
      expect(await it.ask('y', { wait: true, waitMs: 5_199 })).toEqual(
        it.denial('DEADLINE_NEAR', 5_200, 51, 'RATE'),
      );
      expect(await it.ask('w', { wait: true, waitMs: 5_200 })).toMatchObject({
        kind: 'queued',
        because: 'RATE',
        retryAfterMs: 100,
      });
      // A denial books nothing.
      it.advance(100);
      expect(await it.poll('w')).toMatchObject({ kind: 'granted', connectAfterMs: 5_000 });
    });

    test('L9 the connects that may still start are for those who wait already: a newcomer takes none of them', async () => {
      const it = await rated({ ticketLivenessMs: 10_000 });
      await starts(it, 51);
      await it.queued('w');
      it.advance(100);
      expect(await it.ask('x')).toEqual(it.denial('RATE', 500, 51));
      expect(await it.ask('y', { wait: true, waitMs: 5_100 })).toMatchObject({
        kind: 'queued',
        because: 'RATE',
        position: 2,
      });
      expect(await it.poll('w')).toMatchObject({ kind: 'granted' });
      it.advance(200);
      // One for the ticket, one for the newcomer.
      expect(await it.granted('z')).toMatchObject({ connectAfterMs: 4_900 });
      expect(await it.poll('y')).toMatchObject({ kind: 'granted', connectAfterMs: 5_000 });
    });

    test('a connect is not granted to who gives up before it is made: the rate stays for others', async () => {
      const it = await rated({});
      await starts(it, 3);
      // The next connect would begin in 300 ms, and takes 100 as far as the registry is concerned.
      for (const each of ['x', 'y', 'z'])
        expect(await it.ask(each, { wait: true, waitMs: 399 })).toEqual(
          it.denial('DEADLINE_NEAR', 400, 3, 'RATE'),
        );
      expect(await it.ask('x', { waitMs: 399 })).toEqual(it.denial('RATE', 400, 3));
      expect(await it.report()).toMatchObject({ held: 3, waiters: 0 });
      expect(await it.granted('a', { wait: true, waitMs: 400 })).toMatchObject({ connectAfterMs: 300 });
      // Who is put off by nothing is in time, however little of it there is.
      it.advance(10_000);
      expect(await it.granted('b', { wait: true, waitMs: 0 })).toMatchObject({ connectAfterMs: 0 });
      // Who has it already hears so again, however little time there is by now.
      expect(await it.granted('c')).toMatchObject({ connectAfterMs: 100 });
      expect(await it.poll('c', { waitMs: 0 })).toMatchObject({ kind: 'granted', connectAfterMs: 100 });
    });

    test('who waits is sent away when no connect can come in time any more, also where everything is taken', async () => {
      const it = await scene({ capacity: 3, headroom: 1, connectsPerSecond: 1 });
      await starts(it, 2);
      await it.queued('w', { waitMs: 2_100 });
      expect(await it.ask('x', { wait: true, waitMs: 2_099 })).toMatchObject({ reason: 'DEADLINE_NEAR' });
      it.advance(1_000);
      expect(await it.poll('w', { waitMs: 1_100 })).toMatchObject({ kind: 'queued' });
      expect(await it.poll('w', { waitMs: 1_099 })).toEqual(it.denial('DEADLINE_NEAR', 1_100, 2, 'RATE'));
      expect(await it.report()).toMatchObject({ waiters: 0 });
      it.advance(1_000);
      expect(await it.queued('z', { waitMs: 0 })).not.toHaveProperty('because');
    });

    test('L9 a slot that is kept for who cannot wait for its connect falls to the next in line', async () => {
      const it = await scene({ capacity: 3, headroom: 1, connectsPerSecond: 1, ticketLivenessMs: 10_000 });
      await starts(it, 2);
      await it.listening('hasty', { waitMs: 60_000 });
      await it.listening('patient', { waitMs: 60_000 });
      await it.listening('last', { waitMs: 60_000 });
      await it.hear('hasty', 'patient', 'last');
      await it.release('l0');
      expect(await it.heard(1)).toEqual(['hasty']);
      expect(await it.poll('hasty', { waitMs: 500 })).toMatchObject({ reason: 'DEADLINE_NEAR' });
      expect(await it.heard(2)).toEqual(['hasty', 'patient']);
      expect(await it.poll('last', { waitMs: 60_000 })).toMatchObject({ kind: 'queued' });
      expect(await it.poll('patient', { waitMs: 60_000 })).toMatchObject({
        kind: 'granted',
        connectAfterMs: 2_000,
      });
    });

    test('a probe is left to who can wait for its connect, too', async () => {
      const names = ['a', 'b', 'c', 'd', 'e', 'f'];
      const it = await deadScene(names, { connectsPerSecond: 1 });
      expect(await it.ask('x', { wait: true, waitMs: 2_099 })).toEqual(
        it.denial('DEADLINE_NEAR', 2_100, 6, 'RATE'),
      );
      expect(await it.granted('y', { wait: true, waitMs: 2_100 })).toMatchObject({
        isProbe: true,
        connectAfterMs: 2_000,
      });
    });

    test('L13 a census is never put off: the one before it was long ago', async () => {
      const it = unknownScene({ connectsPerSecond: 1 });
      await it.queued('w');
      it.advance(20_000);
      for (const each of ['a', 'b']) {
        const reply = await it.granted(each, { wait: true, waitMs: 0 });
        expect(reply).toMatchObject({ census: expect.anything(), connectAfterMs: 0 });
        await it.release(each, { outcome: 'refused' });
        it.advance(LIMITS.censusDutyMs);
      }
    });

    test('no more slots are offered than connects may start', async () => {
      const it = await rated({ ticketLivenessMs: 10_000 });
      await starts(it, 51);
      for (const each of ['w1', 'w2', 'w3']) await it.listening(each);
      await it.hear('w1', 'w2', 'w3');
      it.advance(100);
      expect(await it.report()).toMatchObject({ claims: 1 });
      expect(await it.ask('x')).toMatchObject({ kind: 'denied', reason: 'RATE' });
      it.advance(100);
      expect(await it.report()).toMatchObject({ claims: 2 });
      expect(await it.ask('x')).toMatchObject({ kind: 'denied', reason: 'RATE' });
      expect(await it.heard(2)).toEqual(['w1', 'w2']);
      for (const each of ['w1', 'w2']) expect(await it.poll(each)).toMatchObject({ kind: 'granted' });
    });

    test('L6 protection counts from the moment at which the connect may start', async () => {
      const it = await rated({});
      await it.granted('a');
      expect(await it.granted('b')).toMatchObject({ connectAfterMs: 100, protectMs: 10_100 });
      it.advance(10_000);
      expect(await it.stateOf('a')).toBe('revocable');
      it.advance(99);
      expect(await it.stateOf('b')).toBe('protected');
      it.advance(1);
      expect(await it.stateOf('b')).toBe('revocable');
    });

    test('L3 a repeat tells what remains of both, and books no second connect', async () => {
      const it = await rated({});
      await starts(it, 2);
      it.advance(40);
      expect(await it.ask('l1', { again: true })).toMatchObject({ connectAfterMs: 60, protectMs: 10_060 });
      it.advance(60);
      expect(await it.ask('l1', { again: true })).toMatchObject({ connectAfterMs: 0, protectMs: 10_000 });
      it.advance(100);
      expect(await starts(it, 1, 'm')).toEqual([0]);
    });

    test('a renewal before the connect takes nothing of the protection away', async () => {
      const it = await rated({});
      await starts(it, 11);
      expect(await it.renew('l10')).toMatchObject({ protectMs: 11_000 });
    });

    test('without a rate nothing is put off', async () => {
      const it = await rated({ connectsPerSecond: 0 });
      expect(new Set(await starts(it, 60))).toEqual(new Set([0]));
    });
  });
};
