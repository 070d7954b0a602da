import { describe, expect, test } from '@jest/globals';
import type { ResourceSettings } from '../../../lib/core/lease.ts';
import { LIMITS } from '../../../lib/core/limits.ts';
import type { Scene } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

export const describeClaims = ({ scene, parkedScene }: Scenes): void => {
  /** Two leases, no room, and callers that wait and can be woken. */
  const waitingScene = async (
    waiters: readonly string[],
    settings: Partial<ResourceSettings> = {},
  ): Promise<Scene> => {
    const it = await scene({ ticketLivenessMs: 10_000, ...settings });
    await it.granted('a');
    await it.granted('b');
    for (const each of waiters) await it.listening(each);
    return it;
  };

  describe('L9 claims: a freed slot is kept for the best waiter', () => {
    test('L9 what frees room offers it to the best waiter, whose poll turns it into a lease', async () => {
      const it = await waitingScene(['w1', 'w2']);
      const { fence } = it.ref('b');
      await it.release('a');
      expect(await it.report()).toMatchObject({
        held: 1,
        claims: 1,
        waiters: 2,
        groups: [{ taken: 2, waiting: 1 }],
      });
      expect(await it.ask('x')).toMatchObject({ kind: 'denied', reason: 'FULL' });
      expect(await it.poll('w2')).toMatchObject({ kind: 'queued', position: 1 });
      const reply = await it.poll('w1');
      expect(reply).toMatchObject({ kind: 'granted', duties: [] });
      expect(it.ref('w1').fence).toBeGreaterThan(fence);
      expect(await it.report()).toMatchObject({
        held: 2,
        claims: 0,
        waiters: 1,
        groups: [{ taken: 2, waiting: 1 }],
      });
    });

    test('L9 a push wakes exactly the best, and only its holder hears it', async () => {
      const it = await waitingScene(['w1', 'w2']);
      await it.hear('w2', 'w1', 'stranger');
      await it.release('a');
      expect(await it.heard(1)).toEqual(['w1']);
      await it.poll('w1');
      await it.release('b');
      expect(await it.heard(2)).toEqual(['w1', 'w2']);
    });

    test('L9 several slots freed at once wake several, in the order of their claims', async () => {
      const it = await waitingScene(['w1', 'w2', 'w3', 'w4']);
      await it.hear('w4', 'w3', 'w2', 'w1');
      await it.resize(6, 1);
      expect(await it.heard(3)).toEqual(['w1', 'w2', 'w3']);
      expect(await it.report()).toMatchObject({ claims: 3, waiters: 4 });
      await it.release('a');
      expect(await it.heard(4)).toEqual(['w1', 'w2', 'w3', 'w4']);
    });

    test('who has stopped to listen hears nothing', async () => {
      const it = await waitingScene(['w1', 'w2']);
      const [listener] = await it.hear('w1', 'w2');
      listener?.[Symbol.dispose]();
      await it.resize(5, 1);
      expect(await it.heard(1)).toEqual(['w2']);
      expect(await it.report()).toMatchObject({ claims: 2 });
    });

    test('L11 one operation makes a bounded number of offers, the next goes on', async () => {
      const it = await waitingScene([], { waitersMax: 100, claimMs: 60_000 });
      const names = Array.from({ length: LIMITS.offersMax + 4 }, (_, at) => `w${at}`);
      for (const [at, each] of names.entries()) await it.listening(each, { group: `g${at % 3}` });
      await it.hear(...names);
      await it.resize(100, 1);
      expect(await it.heard(LIMITS.offersMax)).toEqual(names.slice(0, LIMITS.offersMax));
      expect(await it.report()).toMatchObject({ claims: names.length });
      expect(await it.heard(names.length)).toEqual(names);
    });

    test('a wake-up licenses nothing: before its poll a claim has no lease, no fence and no session', async () => {
      const it = await waitingScene(['w']);
      await it.release('a');
      expect(await it.report()).toMatchObject({ claims: 1, held: 1, entries: [{ lease: it.ref('b') }] });
      expect(await it.renew('w')).toEqual({ kind: 'lost', reason: 'unknown' });
      expect(await it.abandon('w')).toBe('unknown');
      expect(await it.report()).toMatchObject({ claims: 1, held: 1, revoking: 0 });
    });

    test('offers come out of the room, never out of the headroom', async () => {
      const it = await waitingScene(['w']);
      await it.park('a');
      await it.abandon('b', { session: 'server1.b' });
      expect(await it.report()).toMatchObject({ claims: 0, held: 1, revoking: 1 });
      await it.absent('b');
      expect(await it.report()).toMatchObject({ claims: 1, held: 1, revoking: 0 });
    });

    test('an overlap that somebody else makes does not cost a claim its slot, nor the capacity its bound', async () => {
      const it = await waitingScene(['w']);
      await it.release('a');
      await it.park('b');
      await it.granted('x');
      expect(await it.report()).toMatchObject({ held: 1, revoking: 1, claims: 1 });
      await it.park('x');
      expect(await it.ask('y')).toMatchObject({ kind: 'denied', reason: 'FULL' });
      expect(await it.poll('w')).toMatchObject({ kind: 'granted' });
      expect(await it.report()).toMatchObject({ held: 2, revoking: 1, claims: 0, debt: 0 });
    });

    test('L1 a claim is no grant where the capacity has shrunk meanwhile', async () => {
      const it = await waitingScene(['w']);
      await it.release('a');
      await it.resize(1, 0);
      expect(await it.poll('w')).toMatchObject({ kind: 'queued' });
      expect(await it.report()).toMatchObject({ held: 1, debt: 0 });
    });
  });

  describe('L9 a claim that nobody takes up', () => {
    test('it falls to the next after claimMs; its owner keeps ticket and place', async () => {
      const it = await waitingScene(['w1', 'w2']);
      await it.hear('w1', 'w2');
      await it.release('a');
      it.advance(999);
      expect(await it.poll('w2', { listens: true })).toMatchObject({ kind: 'queued', position: 1 });
      it.advance(1);
      expect(await it.report()).toMatchObject({ claims: 1, waiters: 2 });
      expect(await it.heard(2)).toEqual(['w1', 'w2']);
      expect(await it.poll('w1', { listens: true })).toMatchObject({ kind: 'queued', position: 1 });
      expect(await it.poll('w2')).toMatchObject({ kind: 'granted' });
      // It has polled: the next slot is its own.
      await it.release('b');
      expect(await it.heard(3)).toEqual(['w1', 'w2', 'w1']);
      expect(await it.poll('w1')).toMatchObject({ kind: 'granted' });
    });

    test('its owner is passed over until it polls, and costs the others nothing meanwhile', async () => {
      const it = await waitingScene(['w1', 'w2', 'w3']);
      await it.hear('w1', 'w2', 'w3');
      await it.release('a');
      it.advance(1_000);
      await it.poll('w2');
      await it.release('b');
      expect(await it.heard(3)).toEqual(['w1', 'w2', 'w3']);
      await it.poll('w3');
      await it.release('w3');
      expect(await it.report()).toMatchObject({ claims: 0, waiters: 1 });
      expect(await it.poll('w1')).toMatchObject({ kind: 'granted' });
    });

    test('its owner does not use up the maximum of its group either', async () => {
      const it = await scene({ ticketLivenessMs: 10_000 });
      await it.granted('a', { share: { min: 0, max: 1, priority: 0 } });
      await it.listening('w1');
      await it.listening('w2');
      await it.release('a');
      it.advance(1_000);
      expect(await it.group('checkout')).toMatchObject({ taken: 1, waiting: 1 });
      expect(await it.poll('w2')).toMatchObject({ kind: 'granted' });
    });

    test('where nobody else waits the room stays free for its poll, and no newcomer goes before it', async () => {
      const it = await waitingScene(['w']);
      await it.release('a');
      it.advance(1_000);
      expect(await it.report()).toMatchObject({ claims: 0, waiters: 1 });
      expect(await it.ask('x')).toMatchObject({ kind: 'denied' });
      expect(await it.poll('w')).toMatchObject({ kind: 'granted' });
    });

    test('a cancelled ticket leaves its claim to the next', async () => {
      const it = await waitingScene(['w1', 'w2']);
      await it.release('a');
      expect(await it.release('w1', { outcome: 'unused' })).toBe('released');
      expect(await it.report()).toMatchObject({ claims: 1, waiters: 1 });
      expect(await it.poll('w2')).toMatchObject({ kind: 'granted' });
    });

    test('a ticket that goes silent leaves its claim to the next', async () => {
      const it = await waitingScene(['w1', 'w2'], { ticketLivenessMs: 1_500, claimMs: 10_000 });
      it.advance(1_000);
      await it.poll('w2', { listens: true });
      await it.release('a');
      it.advance(500);
      expect(await it.report()).toMatchObject({ claims: 1, waiters: 1, groups: [{ taken: 2, waiting: 0 }] });
      expect(await it.poll('w1')).toEqual({ kind: 'lost', reason: 'unknown' });
      expect(await it.poll('w2')).toMatchObject({ kind: 'granted' });
    });
  });

  describe('who gets no offer', () => {
    test('who cannot be woken finds its slot at its poll: one is left for it, and no more', async () => {
      const it = await waitingScene([]);
      await it.queued('polls');
      await it.listening('w1');
      await it.listening('w2');
      await it.release('a');
      expect(await it.report()).toMatchObject({ claims: 0 });
      await it.resize(4, 1);
      expect(await it.report()).toMatchObject({ claims: 1 });
      expect(await it.poll('polls')).toMatchObject({ kind: 'granted' });
      expect(await it.poll('w1')).toMatchObject({ kind: 'granted' });
    });

    test('who says in a poll that it listens no more, or again, is heard', async () => {
      const it = await waitingScene(['w']);
      await it.poll('w', { listens: false });
      await it.release('a');
      expect(await it.report()).toMatchObject({ claims: 0 });
      const other = await waitingScene([]);
      await other.queued('w');
      await other.poll('w', { listens: true });
      await other.release('a');
      expect(await other.report()).toMatchObject({ claims: 1 });
    });

    test.each([
      ['paused', { kind: 'pause', forMs: 0 }],
      ['draining', { kind: 'drain' }],
    ] as const)('nothing is offered while %s; resume serves', async (_, operation) => {
      const it = await waitingScene(['w']);
      await it.operate(operation);
      await it.release('a');
      expect(await it.report()).toMatchObject({ claims: 0 });
      await it.operate({ kind: 'resume' });
      expect(await it.report()).toMatchObject({ claims: 1 });
    });

    test('nothing is offered while the breaker is not closed, half-open neither', async () => {
      const it = await waitingScene(['w']);
      await it.fail(3);
      await it.release('a');
      expect(await it.report()).toMatchObject({ claims: 0, breaker: 'open' });
      it.advance(500);
      expect(await it.report()).toMatchObject({ claims: 0, breaker: 'half-open' });
      await it.renew('b', { session: 'server1.b' });
      expect(await it.report()).toMatchObject({ claims: 1, breaker: 'closed' });
    });

    test('nothing is offered while no connect may start in time', async () => {
      const it = await scene({ capacity: 100, connectsPerSecond: 1, ticketLivenessMs: 10_000 });
      for (const each of ['a', 'b', 'c', 'd', 'e', 'f']) await it.granted(each);
      expect(await it.listening('w')).toMatchObject({ because: 'RATE' });
      expect(await it.report()).toMatchObject({ claims: 0 });
      it.advance(1_000);
      expect(await it.report()).toMatchObject({ claims: 1 });
    });

    test('a claim whose poll finds grants forbidden is kept until its time is over', async () => {
      const it = await waitingScene(['w1', 'w2']);
      await it.release('a');
      await it.operate({ kind: 'pause', forMs: 0 });
      expect(await it.poll('w1')).toMatchObject({ kind: 'queued', because: 'PAUSED' });
      expect(await it.report()).toMatchObject({ claims: 1 });
      await it.operate({ kind: 'resume' });
      expect(await it.poll('w1')).toMatchObject({ kind: 'granted' });
      await it.release('b');
      await it.operate({ kind: 'pause', forMs: 0 });
      it.advance(1_000);
      expect(await it.report()).toMatchObject({ claims: 0, waiters: 1 });
    });
  });

  describe('L16 whatever frees room serves in the same step', () => {
    test.each<[string, (it: Scene) => Promise<unknown>]>([
      ['a release', (it) => it.release('a')],
      ['a larger capacity', (it) => it.resize(4, 1)],
      ['a smaller headroom', (it) => it.resize(3, 0)],
    ])('L16 %s', async (_, free) => {
      const it = await waitingScene(['w']);
      await it.hear('w');
      await free(it);
      expect(await it.heard(1)).toEqual(['w']);
    });

    test('L16 foreign sessions that are gone', async () => {
      const it = await scene({ ticketLivenessMs: 10_000 });
      await it.adopt(await it.census(), [], 1);
      await it.granted('a');
      await it.listening('w');
      await it.hear('w');
      await it.adopt(await it.census(), [], 0);
      expect(await it.heard(1)).toEqual(['w']);
    });

    test('L16 a proof that a session is gone', async () => {
      const it = await parkedScene(['a', 'b'], { ticketLivenessMs: 10_000 });
      await it.abandon('a');
      await it.renew('b');
      await it.listening('w');
      await it.hear('w');
      await it.absent('a');
      expect(await it.heard(1)).toEqual(['w']);
    });

    test('L16 a maximum that is raised', async () => {
      const it = await scene({ ticketLivenessMs: 10_000 });
      await it.share('checkout', { max: 1 });
      await it.granted('a');
      await it.listening('w');
      await it.hear('w');
      expect(await it.report()).toMatchObject({ claims: 0 });
      await it.share('checkout', { max: 2 });
      expect(await it.heard(1)).toEqual(['w']);
    });
  });
};
