import { describe, expect, test } from '@jest/globals';
import type { Scenes } from './scenes.ts';

export const describeLearning = ({ scene, unknownScene }: Scenes): void => {
  describe('L13 learning', () => {
    test('L13 a registry without memory grants nothing until protection, idle time and connect bound have passed', async () => {
      const it = unknownScene();
      const learningMs = 10_000 + 60_000 + 4_000;
      expect(await it.ask('a', { wait: true })).toEqual({
        kind: 'denied',
        reason: 'LEARNING',
        retryAfterMs: learningMs,
      });
      it.advance(learningMs - 1);
      expect(await it.ask('b')).toEqual({ kind: 'denied', reason: 'LEARNING', retryAfterMs: 1 });
      it.advance(1);
      expect(await it.ask('c')).toMatchObject({ kind: 'granted' });
    });

    test('L13 a registry without memory answers lost and unknown, and remembers nothing of the asker', async () => {
      const it = unknownScene();
      expect(await it.renewAll('a')).toEqual({
        outcomes: [{ kind: 'lost', reason: 'unknown' }],
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
        expired: 0,
        held: 0,
        revoking: 0,
        dutyMs: 0,
        duties: [],
      });
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

    test('L13 a holder with a longer connect bound lengthens a learning that is under way', async () => {
      const it = unknownScene();
      await it.ask('a');
      it.advance(10_000);
      const slow = { ...it.settings, connectBoundMs: 9_000 };
      expect(await it.ask('b', { settings: slow })).toMatchObject({
        reason: 'LEARNING',
        retryAfterMs: 69_000,
      });
      it.advance(69_000);
      expect(await it.ask('c')).toMatchObject({ kind: 'granted' });
      expect(await it.ask('d', { settings: { ...slow, connectBoundMs: 12_000 } })).toMatchObject({
        kind: 'granted',
      });
    });

    test('L13 forget starts learning anew, and what was held is lost', async () => {
      const it = await scene();
      await it.granted('a');
      await it.registry.forget(it.resource);
      expect(await it.renew('a')).toEqual({ kind: 'lost', reason: 'unknown' });
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
