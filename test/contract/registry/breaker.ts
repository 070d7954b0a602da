import { describe, expect, test } from '@jest/globals';
import type { LeaseOutcome } from '../../../lib/core/lease.ts';
import { LIMITS } from '../../../lib/core/limits.ts';
import type { Scene } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

export const describeBreaker = ({ scene }: Scenes): void => {
  /** Somebody holds a lease, so that the failures of one holder alone say nothing. */
  const heldScene = async (): Promise<Scene> => {
    const it = await scene({ capacity: 20, headroom: 2, ticketLivenessMs: 100_000 });
    await it.granted('held');
    await it.renew('held', { session: 'server1.held' });
    return it;
  };
  const openScene = async (outcome: LeaseOutcome = 'refused'): Promise<Scene> => {
    const it = await heldScene();
    await it.fail(3, outcome);
    return it;
  };
  const halfOpenScene = async (): Promise<Scene> => {
    const it = await openScene();
    it.advance(500);
    return it;
  };
  const breakerOf = async (it: Scene): Promise<string> => (await it.report()).breaker;
  const refusedTo = (it: Scene, holder: string, outcome: LeaseOutcome = 'refused') =>
    it.operate({ kind: 'observe', holder, outcome });

  describe('the breaker opens', () => {
    test('failed connects of three holders forbid every grant, and leave the rest as it is', async () => {
      const it = await openScene();
      expect(await breakerOf(it)).toBe('open');
      expect(await it.ask('x')).toEqual(it.denial('BREAKER', 500, 1));
      expect(await it.renew('held')).toMatchObject({ kind: 'held' });
      expect(await it.ask('held', { again: true })).toMatchObject({ kind: 'granted' });
      expect(await it.park('held')).toEqual({ kind: 'parked' });
      expect(await it.release('held')).toBe('released');
    });

    test('who can wait is queued; who cannot wait so long hears so at once', async () => {
      const it = await openScene('auth');
      expect(await it.ask('y', { wait: true, waitMs: 1_999 })).toEqual(
        it.denial('DEADLINE_NEAR', 2_000, 1, 'BREAKER'),
      );
      expect(await it.queued('w', { waitMs: 2_000 })).toMatchObject({
        because: 'BREAKER',
        retryAfterMs: 500,
      });
      expect(await it.queued('z')).toMatchObject({ because: 'BREAKER' });
    });

    test('one holder alone does not open it while somebody holds a lease; where nothing is held it does', async () => {
      const it = await heldScene();
      for (let at = 0; at < 6; at++) await refusedTo(it, 'one');
      await refusedTo(it, 'two');
      expect(await breakerOf(it)).toBe('closed');
      await it.release('held');
      await refusedTo(it, 'one');
      expect(await breakerOf(it)).toBe('open');
    });

    test('failures count within a window', async () => {
      const it = await heldScene();
      await refusedTo(it, 'one');
      it.advance(1);
      await refusedTo(it, 'two');
      it.advance(LIMITS.breakerWindowMs - 1);
      await refusedTo(it, 'three');
      expect(await breakerOf(it)).toBe('closed');
      await refusedTo(it, 'four');
      expect(await breakerOf(it)).toBe('open');
    });

    test.each(['refused', 'auth', 'unanswered'] as const)(
      'it counts a connect that was %s, by release and by abandonment',
      async (outcome) => {
        const it = await heldScene();
        for (const each of ['a', 'b', 'c']) await it.granted(each);
        await it.release('a', { outcome });
        await it.abandon('b', { outcome });
        expect(await breakerOf(it)).toBe('closed');
        await it.release('c', { outcome });
        expect(await breakerOf(it)).toBe('open');
      },
    );

    test.each(['closed', 'unused', 'unseen'] as const)(
      'what became of a connection says nothing about the next: %s',
      async (outcome) => {
        const it = await heldScene();
        for (const each of ['a', 'b', 'c', 'd']) {
          await it.granted(each);
          await it.abandon(each, { outcome });
        }
        expect(await breakerOf(it)).toBe('closed');
      },
    );

    test('the first word of an open session is a success, and the failures before it are forgotten', async () => {
      const it = await heldScene();
      await it.granted('a');
      await refusedTo(it, 'one');
      await refusedTo(it, 'two');
      await it.renew('held', { session: 'server1.held' });
      await it.renew('a', { session: 'server1.a' });
      await refusedTo(it, 'three');
      await refusedTo(it, 'four');
      expect(await breakerOf(it)).toBe('closed');
      // What is bound already says nothing new.
      await it.renew('a', { session: 'server1.a' });
      await refusedTo(it, 'five');
      expect(await breakerOf(it)).toBe('open');
    });
  });

  describe('the breaker half-open', () => {
    test('after its time two grants may try at once, and nobody else', async () => {
      const it = await openScene();
      it.advance(499);
      expect(await it.ask('a')).toMatchObject({ reason: 'BREAKER', retryAfterMs: 1 });
      it.advance(1);
      expect(await breakerOf(it)).toBe('half-open');
      await it.granted('a');
      // A repeat is no further try.
      expect(await it.ask('a', { again: true })).toMatchObject({ kind: 'granted' });
      await it.granted('b');
      expect(await it.ask('c')).toEqual(it.denial('BREAKER', 500, 3));
      expect(await it.ask('w', { wait: true, waitMs: 0 })).toMatchObject({
        kind: 'queued',
        because: 'BREAKER',
      });
    });

    test('one success closes it, and serves', async () => {
      const it = await halfOpenScene();
      await it.granted('a');
      await it.granted('b');
      await it.listening('w');
      expect(await it.report()).toMatchObject({ claims: 0, waiters: 1 });
      await it.renew('a', { session: 'server1.a' });
      expect(await it.report()).toMatchObject({ claims: 1, breaker: 'closed' });
      for (const each of ['c', 'd', 'e']) await it.granted(each);
    });

    test('a trial that ended without a connect makes way for another', async () => {
      const it = await halfOpenScene();
      await it.granted('a');
      await it.granted('b');
      await it.release('a', { outcome: 'unused' });
      expect(await breakerOf(it)).toBe('half-open');
      await it.granted('c');
      expect(await it.ask('d')).toMatchObject({ reason: 'BREAKER' });
    });

    test('one failure opens it again, for twice as long, up to a bound', async () => {
      const it = await openScene();
      for (const openMs of [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
        expect(await it.ask('x')).toMatchObject({ reason: 'BREAKER', retryAfterMs: openMs });
        it.advance(openMs);
        await it.renew('held');
        await it.granted(`try${openMs}`);
        await it.release(`try${openMs}`, { outcome: 'refused' });
      }
    });

    test('an unanswered trial is a failure, once its connect bound is over', async () => {
      const it = await halfOpenScene();
      await it.granted('a');
      it.advance(it.settings.connectBoundMs - 1);
      expect(await breakerOf(it)).toBe('half-open');
      it.advance(1);
      expect(await it.ask('x')).toMatchObject({ reason: 'BREAKER', retryAfterMs: 1_000 });
    });

    test('a late failure of the time before does not keep it open', async () => {
      const it = await openScene();
      it.advance(400);
      await it.fail(5);
      expect(await it.ask('x')).toMatchObject({ retryAfterMs: 100 });
    });

    test('refused logins keep it open longer', async () => {
      const it = await openScene('auth');
      for (const openMs of [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
        expect(await it.ask('x')).toMatchObject({ reason: 'BREAKER', retryAfterMs: openMs });
        it.advance(openMs);
        await refusedTo(it, 'h', 'auth');
      }
    });

    test('the way up starts anew after it was closed', async () => {
      const it = await halfOpenScene();
      await it.granted('a');
      await it.renew('a', { session: 'server1.a' });
      await it.fail(2);
      expect(await breakerOf(it)).toBe('closed');
      await it.fail(3);
      expect(await it.ask('x')).toMatchObject({ retryAfterMs: 500 });
    });

    test('an operator closes it with resume', async () => {
      const it = await openScene();
      await it.operate({ kind: 'resume' });
      expect(await breakerOf(it)).toBe('closed');
      await it.granted('a');
    });
  });
};
