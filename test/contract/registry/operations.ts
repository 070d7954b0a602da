import { describe, expect, test } from '@jest/globals';
import type { ResourceSettings } from '../../../lib/core/lease.ts';
import { LIMITS } from '../../../lib/core/limits.ts';
import { dutyNames, type Scene } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

export const describeOperations = ({ scene, unknownScene, parkedScene }: Scenes): void => {
  const heldScene = async (
    names: readonly string[],
    settings: Partial<ResourceSettings> = {},
  ): Promise<Scene> => {
    const it = await scene({ capacity: 12, headroom: 2, ticketLivenessMs: 100_000, ...settings });
    for (const each of names) await it.granted(each);
    return it;
  };

  describe('pause', () => {
    test('a pause grants nothing to anybody, and leaves everything else as it is', async () => {
      const it = await heldScene(['a', 'b', 'c', 'd']);
      expect(await it.operate({ kind: 'pause', forMs: 0 })).toBe('done');
      expect(await it.ask('x')).toEqual(it.denial('PAUSED', 500, 4));
      // Until somebody resumes: that moment is not known, so nobody is sent away.
      expect(await it.ask('w', { wait: true, waitMs: 0 })).toMatchObject({
        kind: 'queued',
        because: 'PAUSED',
      });
      expect(await it.ask('a', { again: true })).toMatchObject({ kind: 'granted' });
      expect(await it.renew('a', { session: 'server1.a' })).toMatchObject({ kind: 'held' });
      expect(await it.park('b')).toEqual({ kind: 'parked' });
      expect(await it.release('c')).toBe('released');
      expect(await it.abandon('a')).toBe('abandoned');
      expect(dutyNames((await it.renewAll('d')).duties)).toEqual(['a']);
      expect(await it.absent('a')).toBe('settled');
      expect(await it.adopt(await it.census(), ['found'])).toBe('adopted');
      expect(await it.stateOf('b')).toBe('revocable');
      expect(await it.report()).toMatchObject({ control: 'paused', version: 1, held: 3 });
      await it.operate({ kind: 'resume' });
      expect(await it.report()).toMatchObject({ control: 'open', version: 2 });
      expect(await it.poll('w')).toMatchObject({ kind: 'granted' });
    });

    test('a pause with an end is over by itself, and who cannot wait that long hears so at once', async () => {
      const it = await heldScene([]);
      await it.operate({ kind: 'pause', forMs: 30_000 });
      it.advance(10_000);
      expect(await it.ask('x')).toEqual(it.denial('PAUSED', 20_000, 0));
      expect(await it.ask('y', { wait: true, waitMs: 19_999 })).toEqual(
        it.denial('DEADLINE_NEAR', 20_000, 0, 'PAUSED'),
      );
      await it.listening('w', { waitMs: 20_000 });
      expect(await it.queued('z')).toMatchObject({ because: 'PAUSED', retryAfterMs: 500, position: 2 });
      it.advance(20_000);
      expect(await it.report()).toMatchObject({ control: 'open', claims: 1 });
      expect(await it.poll('w')).toMatchObject({ kind: 'granted' });
    });

    test('a waiter whose time is shorter than what is left of a pause is sent away at its poll, ticket and all', async () => {
      const it = await heldScene([]);
      await it.operate({ kind: 'pause', forMs: 30_000 });
      await it.queued('w');
      expect(await it.poll('w', { waitMs: 1_000 })).toMatchObject({ reason: 'DEADLINE_NEAR' });
      expect(await it.report()).toMatchObject({ waiters: 0, groups: [] });
    });

    test('a pause of at most so long keeps its callers waiting, and ends by itself all the same', async () => {
      const it = await heldScene([]);
      await it.operate({ kind: 'pause', forMs: 30_000, atMost: true });
      expect(await it.ask('x')).toEqual(it.denial('PAUSED', 500, 0));
      expect(await it.ask('w', { wait: true, waitMs: 1_000 })).toMatchObject({
        kind: 'queued',
        because: 'PAUSED',
        retryAfterMs: 500,
      });
      it.advance(29_999);
      expect(await it.poll('w')).toMatchObject({ kind: 'queued' });
      expect(await it.report()).toMatchObject({ control: 'paused', pausedForMs: 1 });
      it.advance(1);
      expect(await it.poll('w')).toMatchObject({ kind: 'granted' });
      expect(await it.report()).toMatchObject({ control: 'open', pausedForMs: 0 });
      // The next one has an end again.
      await it.operate({ kind: 'pause', forMs: 30_000 });
      expect(await it.ask('y', { wait: true, waitMs: 1 })).toMatchObject({ reason: 'DEADLINE_NEAR' });
    });

    test('a report says how long a pause goes on; 0 is until somebody resumes', async () => {
      const it = await heldScene([]);
      expect(await it.report()).toMatchObject({ control: 'open', pausedForMs: 0 });
      await it.operate({ kind: 'pause', forMs: 1_000 });
      it.advance(400);
      expect(await it.report()).toMatchObject({ control: 'paused', pausedForMs: 600 });
      await it.operate({ kind: 'pause', forMs: 0 });
      expect(await it.report()).toMatchObject({ control: 'paused', pausedForMs: 0 });
    });

    test('the last word on a pause holds', async () => {
      const it = await heldScene([]);
      await it.operate({ kind: 'pause', forMs: 1_000 });
      await it.operate({ kind: 'pause', forMs: 0 });
      it.advance(60_000);
      expect(await it.ask('x')).toMatchObject({ reason: 'PAUSED' });
    });
  });

  describe('drain', () => {
    test('a drain grants nothing, and asks for everything idle, also within the quantum', async () => {
      const it = await heldScene(['a', 'b']);
      await it.operate({ kind: 'drain' });
      expect(await it.ask('x')).toEqual(it.denial('DRAINING', 500, 2));
      expect(await it.ask('w', { wait: true, waitMs: 0 })).toMatchObject({
        kind: 'queued',
        because: 'DRAINING',
        pressure: true,
      });
      expect(await it.renewAll('a', { idle: true })).toMatchObject({
        pressure: true,
        outcomes: [{ kind: 'held', yield: true }],
      });
      expect(await it.park('b')).toEqual({ kind: 'yield' });
      expect(await it.report()).toMatchObject({ control: 'draining' });
    });

    test('a drain revokes the unprotected in bounded steps, as free duties, and nothing that is protected', async () => {
      const names = Array.from({ length: 20 }, (_, at) => `l${10 + at}`);
      const it = await parkedScene(names, { capacity: 40 });
      await it.granted('protected');
      await it.operate({ kind: 'drain' });
      expect(await it.report()).toMatchObject({ held: 5, revoking: LIMITS.reapMax });
      expect(await it.renew('l10')).toEqual({ kind: 'lost', reason: 'revoked' });
      expect(await it.report()).toMatchObject({ held: 1, revoking: 20 });
      expect(dutyNames((await it.renewAll('protected')).duties)).toEqual(['l10', 'l11']);
      expect(await it.stateOf('protected')).toBe('protected');
    });

    test('a drain ends with resume, which serves', async () => {
      const it = await heldScene([]);
      await it.operate({ kind: 'drain' });
      await it.listening('w');
      await it.hear('w');
      await it.operate({ kind: 'resume' });
      expect(await it.heard(1)).toEqual(['w']);
    });

    test('what comes first is told: learning, then the operator, then the breaker', async () => {
      const it = unknownScene();
      await it.ask('x');
      await it.operate({ kind: 'drain' });
      await it.fail(3);
      expect(await it.ask('x')).toMatchObject({ reason: 'LEARNING' });
      await it.registry.configure(it.resource, it.settings, true);
      expect(await it.ask('x')).toMatchObject({ reason: 'DRAINING' });
      await it.operate({ kind: 'pause', forMs: 0 });
      expect(await it.ask('x')).toMatchObject({ reason: 'PAUSED' });
    });
  });

  describe('resize', () => {
    test('a larger capacity holds at once, a smaller one makes a debt, and neither touches what is protected', async () => {
      const it = await heldScene(['a', 'b'], { capacity: 3, headroom: 1 });
      expect(await it.ask('c')).toMatchObject({ reason: 'FULL' });
      expect(await it.resize(5, 2)).toBe('done');
      await it.granted('c');
      expect(await it.ask('d')).toMatchObject({ reason: 'FULL' });
      expect(await it.resize(1, 0)).toBe('done');
      expect(await it.report()).toMatchObject({
        held: 3,
        protectedCount: 3,
        debt: 2,
        settings: { ...it.settings, capacity: 1, headroom: 0 },
      });
    });

    test('versions only rise: an older one is stale and changes nothing', async () => {
      const it = await heldScene([]);
      expect(await it.resize(5, 1, 7)).toBe('done');
      expect(await it.resize(6, 1, 6)).toBe('stale');
      expect(await it.report()).toMatchObject({ version: 7, settings: { capacity: 5 } });
      expect(await it.resize(8, 1)).toBe('done');
      expect(await it.report()).toMatchObject({ version: 8, settings: { capacity: 8 } });
      expect(await it.resize(9, 1, 7)).toBe('stale');
    });

    test("a deploy's settings do not undo a resize", async () => {
      const it = await heldScene([]);
      await it.resize(5, 1);
      expect(await it.ask('a')).toMatchObject({ kind: 'granted', settingsDiffer: true });
      await it.registry.configure(it.resource, it.settings, false);
      expect(await it.report()).toMatchObject({ settings: { capacity: 5, headroom: 1 } });
    });
  });

  describe('reconnect', () => {
    test('what was opened before is told to yield when it is idle, a headroom at a time; what is newer is not', async () => {
      const it = await heldScene(['a', 'b', 'c']);
      expect(await it.operate({ kind: 'reconnect' })).toBe('done');
      await it.granted('d');
      expect(await it.park('d')).toEqual({ kind: 'parked' });
      expect(await it.park('a')).toEqual({ kind: 'yield' });
      expect(await it.renew('b', { idle: true })).toMatchObject({ kind: 'held', yield: true });
      expect(await it.park('c')).toEqual({ kind: 'parked' });
      await it.release('a');
      expect(await it.renew('c', { idle: true })).toMatchObject({ yield: true });
      expect(await it.ask('e')).toMatchObject({ kind: 'granted' });
      expect(await it.report()).toMatchObject({ version: 1, control: 'open', flagged: 2 });
    });

    test('a report says how long ago the last one was', async () => {
      const it = await heldScene(['a']);
      expect(await it.report()).toMatchObject({ reconnectedAgoMs: undefined });
      await it.operate({ kind: 'reconnect' });
      expect(await it.report()).toMatchObject({ reconnectedAgoMs: 0 });
      it.advance(1_500);
      expect(await it.report()).toMatchObject({ reconnectedAgoMs: 1_500 });
      await it.operate({ kind: 'reconnect' });
      it.advance(20);
      expect(await it.report()).toMatchObject({ reconnectedAgoMs: 20 });
    });

    test('who is always busy is told too: nothing else would make it reconnect', async () => {
      const it = await heldScene(['a']);
      await it.operate({ kind: 'reconnect' });
      await it.granted('b');
      expect(await it.renew('b', { idle: false })).toMatchObject({ yield: false });
      expect(await it.renew('a', { idle: false })).toMatchObject({ kind: 'held', yield: true });
    });

    test('without headroom one at a time is told', async () => {
      const it = await heldScene(['a', 'b'], { headroom: 0 });
      await it.operate({ kind: 'reconnect' });
      expect(await it.park('a')).toEqual({ kind: 'yield' });
      expect(await it.park('b')).toEqual({ kind: 'parked' });
    });
  });

  describe('any operation', () => {
    test('a resource that the registry does not know is unknown, and stays so', async () => {
      const it = unknownScene();
      expect(await it.operate({ kind: 'pause', forMs: 0 })).toBe('unknown');
      expect(await it.resize(5, 1)).toBe('unknown');
      expect(await it.share('a', { min: 1 })).toBe('unknown');
      expect(await it.operate({ kind: 'observe', holder: 'h', outcome: 'refused' })).toBe('unknown');
      expect(await it.registry.inspect(it.resource)).toBeUndefined();
    });

    test('each raises the version, so that the last word is known after a loss; what only observes does not', async () => {
      const it = await heldScene([]);
      for (const operation of [
        { kind: 'pause', forMs: 5 },
        { kind: 'resume' },
        { kind: 'drain' },
        { kind: 'reconnect' },
        { kind: 'resize', capacity: 5, headroom: 1 },
      ] as const)
        expect(await it.operate(operation)).toBe('done');
      expect(await it.report()).toMatchObject({ version: 5 });
      expect(await it.operate({ kind: 'observe', holder: 'h', outcome: 'closed' })).toBe('done');
      expect(await it.report()).toMatchObject({ version: 5 });
    });
  });
};
