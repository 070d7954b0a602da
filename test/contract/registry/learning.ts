import { describe, expect, test } from '@jest/globals';
import type { Scenes } from './scenes.ts';

export const describeLearning = ({ scene, unknownScene }: Scenes): void => {
  describe('L13 learning', () => {
    test('L13 a registry without memory grants nothing; learning ends by time after protection, idle time and connect bound', async () => {
      const it = unknownScene();
      expect(await it.ask('a')).toEqual(it.denial('LEARNING', 5_000, 0));
      it.advance(10_000 + 60_000 + 4_000 - 1);
      expect(await it.ask('b')).toEqual(it.denial('LEARNING', 500, 0));
      it.advance(1);
      expect(await it.ask('c')).toMatchObject({ kind: 'granted' });
    });

    test('L13 who can wait is queued while learning, and hears why; at the end it is served', async () => {
      const it = unknownScene({ ticketLivenessMs: 100_000 });
      expect(await it.queued('a', { listens: true })).toMatchObject({
        position: 1,
        because: 'LEARNING',
        retryAfterMs: 500,
      });
      expect(await it.report()).toMatchObject({ waiters: 1, claims: 0 });
      it.advance(74_000);
      expect(await it.report()).toMatchObject({ waiters: 1, claims: 1, learningMs: 0 });
      expect(await it.poll('a')).toMatchObject({ kind: 'granted' });
    });

    test('L13 who cannot wait for the quiet time hears so at once', async () => {
      const it = unknownScene();
      expect(await it.ask('a', { wait: true, waitMs: 4_999 })).toEqual(
        it.denial('DEADLINE_NEAR', 5_000, 0, 'LEARNING'),
      );
      expect(await it.ask('b', { wait: true, waitMs: 5_000 })).toMatchObject({ because: 'LEARNING' });
      expect(await it.report()).toMatchObject({ waiters: 1 });
    });

    test('L13 a registry without memory calls renewals forgotten, everything else unknown, and remembers nothing of the asker', async () => {
      const it = unknownScene();
      expect(await it.renewAll('a')).toEqual({
        outcomes: [{ kind: 'forgotten' }],
        pressure: false,
        renewAfterMs: 0,
        dutyMs: 0,
        duties: [],
      });
      expect(await it.park('a')).toEqual({ kind: 'lost', reason: 'unknown' });
      expect(await it.release('a')).toBe('unknown');
      expect(await it.abandon('a')).toBe('unknown');
      expect(await it.absent('a')).toBe('unknown');
      expect(await it.registry.sweep(it.resource, 2)).toEqual({
        isElected: true,
        expired: 0,
        held: 0,
        revoking: 0,
        dutyMs: 0,
        duties: [],
      });
      expect(await it.adopt({ epoch: 1, token: 1 }, ['a'], 0)).toBe('refused');
      expect(await it.operate({ kind: 'resume' })).toBe('unknown');
      expect(await it.registry.inspect(it.resource)).toBeUndefined();
      expect(await it.ask('a', { again: true })).toEqual({ kind: 'lost', reason: 'unknown' });
    });

    test('L13 configure starts learning; isNew, the word of the operator, ends it', async () => {
      const it = unknownScene();
      const { registry, resource, settings } = it;
      expect(await registry.configure(resource, settings, false)).toEqual({
        kind: 'created',
        settings,
        learningMs: 74_000,
      });
      it.advance(4_000);
      expect(await registry.configure(resource, settings, false)).toEqual({
        kind: 'exists',
        settings,
        learningMs: 70_000,
      });
      expect(await registry.configure(resource, settings, true)).toEqual({
        kind: 'exists',
        settings,
        learningMs: 0,
      });
      expect(await it.ask('a')).toMatchObject({ kind: 'granted' });
      expect(await it.report()).toMatchObject({ learningMs: 0 });
    });

    test('L13 a holder with a longer connect bound lengthens a learning that is under way, the quiet time too', async () => {
      const it = unknownScene({ dutyMs: 1_000 });
      expect(await it.ask('a')).toMatchObject({ reason: 'LEARNING', retryAfterMs: 5_000 });
      it.advance(1_000);
      const slow = { ...it.settings, connectBoundMs: 9_000 };
      expect(await it.ask('b', { settings: slow })).toMatchObject({
        reason: 'LEARNING',
        retryAfterMs: 9_000,
      });
      expect(await it.report()).toMatchObject({ learningMs: 78_000 });
      it.advance(78_000);
      expect(await it.ask('c')).toMatchObject({ kind: 'granted' });
      expect(await it.ask('d', { settings: { ...slow, connectBoundMs: 12_000 } })).toMatchObject({
        kind: 'granted',
      });
    });

    test('L13 forget starts learning anew, and what was held is forgotten', async () => {
      const it = await scene();
      await it.granted('a');
      await it.registry.forget(it.resource);
      expect(await it.renew('a')).toEqual({ kind: 'forgotten' });
      expect(await it.poll('a')).toEqual({ kind: 'lost', reason: 'unknown' });
      expect(await it.ask('b')).toMatchObject({ reason: 'LEARNING' });
    });

    test('settings belong to the resource: others are reported, never applied, the connect bound aside, which rises', async () => {
      const it = await scene();
      const other = { ...it.settings, capacity: 100, connectBoundMs: 3_000 };
      expect(await it.ask('a', { settings: other })).toMatchObject({
        kind: 'granted',
        settingsDiffer: true,
      });
      expect(await it.ask('b')).not.toHaveProperty('settingsDiffer');
      expect(await it.ask('c', { settings: other, wait: true })).toMatchObject({
        kind: 'queued',
        settingsDiffer: true,
      });
      expect(await it.report()).toMatchObject({ settings: it.settings });
      await it.ask('d', { settings: { ...other, connectBoundMs: 6_000 } });
      expect(await it.report()).toMatchObject({ settings: { ...it.settings, connectBoundMs: 6_000 } });
      const configured = await it.registry.configure(it.resource, { ...other, connectBoundMs: 7_000 }, false);
      expect(configured).toMatchObject({
        kind: 'exists',
        settings: { ...it.settings, connectBoundMs: 7_000 },
      });
      await it.abandon('a');
      it.advance(6_999);
      expect(await it.absent('a')).toBe('kept');
      it.advance(1);
      expect(await it.absent('a')).toBe('settled');
    });
  });
};
