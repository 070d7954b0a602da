import { describe, expect, test } from '@jest/globals';
import type { ResourceSettings } from '../../../lib/core/lease.ts';
import { LIMITS } from '../../../lib/core/limits.ts';
import { dutyNames, type Scene } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

export const describeDebt = ({ scene, unknownScene, parkedScene }: Scenes): void => {
  /** As many protected leases as were asked for, then a capacity that is too small for them. */
  const debtScene = async (held: number, capacity: number, settings: Partial<ResourceSettings> = {}) => {
    const it = await scene({ capacity: held, headroom: 0, ticketLivenessMs: 100_000, ...settings });
    for (let at = 1; at <= held; at++) await it.granted(`a${at}`);
    for (let at = 1; at <= held; at++) await it.renew(`a${at}`, { session: `server1.a${at}` });
    await it.resize(capacity, 0);
    return it;
  };
  const expectNothingGranted = async (it: Scene): Promise<void> => {
    expect(await it.ask('x')).toMatchObject({ kind: 'denied', reason: 'FULL' });
    expect(await it.ask('y', { wait: true, listens: true })).toMatchObject({ kind: 'queued' });
    expect(await it.report()).toMatchObject({ claims: 0 });
    expect(await it.poll('y')).toMatchObject({ kind: 'queued' });
    await it.release('y');
  };

  describe('L12 where a debt comes from', () => {
    test('L12 sessions that a census finds', async () => {
      const it = await scene();
      await it.granted('a');
      await it.granted('b');
      await it.adopt(await it.census(), ['c', 'd']);
      expect(await it.report()).toMatchObject({ held: 4, debt: 1 });
      await expectNothingGranted(it);
    });

    test('L12 holders that come back to a registry that learns', async () => {
      const it = unknownScene();
      for (const each of ['a', 'b', 'c', 'd', 'e']) await it.again(each);
      expect(await it.report()).toMatchObject({ held: 5, debt: 2 });
      await it.registry.configure(it.resource, it.settings, true);
      await expectNothingGranted(it);
    });

    test('L12 a capacity that is made smaller', async () => {
      const it = await debtScene(4, 2);
      expect(await it.report()).toMatchObject({ held: 4, debt: 2 });
      await expectNothingGranted(it);
    });

    test('L12 sessions of others that take from the capacity', async () => {
      const it = await scene();
      await it.granted('a');
      await it.granted('b');
      await it.adopt(await it.census(), [], 2);
      expect(await it.report()).toMatchObject({ held: 2, foreign: 2, debt: 1 });
      await expectNothingGranted(it);
      // More of them than the capacity has are no less than nothing.
      await it.adopt(await it.census(), [], 9);
      expect(await it.report()).toMatchObject({ debt: 2 });
    });
  });

  describe('L12 what a debt does', () => {
    test('L12 parks and idle renewals are answered yield up to the debt, also within the quantum', async () => {
      const it = await debtScene(5, 3);
      expect(await it.renew('a1', { idle: false })).toMatchObject({ yield: false });
      expect(await it.renew('a1', { idle: true })).toMatchObject({ kind: 'held', yield: true });
      expect(await it.park('a2')).toEqual({ kind: 'yield' });
      const other = await debtScene(5, 3);
      for (const each of ['a1', 'a2']) await other.renew(each, { idle: true });
      expect(await other.report()).toMatchObject({ flagged: 2 });
      expect(await other.renew('a3', { idle: true })).toMatchObject({ yield: false });
    });

    test('L12 the debt is wanted beside what waiters want', async () => {
      const it = await scene({ capacity: 6, headroom: 1, quantumMs: 0, ticketLivenessMs: 100_000 });
      const names = ['a', 'b', 'c', 'd', 'e'];
      for (const each of names) await it.granted(each);
      await it.resize(4, 1);
      await it.queued('w');
      const told: boolean[] = [];
      for (const each of names) {
        const outcome = await it.renew(each, { idle: true });
        told.push(outcome.kind === 'held' && outcome.yield);
      }
      expect(told).toEqual([true, true, false, false, false]);
    });

    test('L12 the unprotected are revoked up to the debt, longest first, as free duties and for nobody', async () => {
      const it = await parkedScene(['a', 'b', 'c', 'd']);
      await it.resize(2, 0);
      expect(await it.report()).toMatchObject({ held: 2, revoking: 2, debt: 2, claims: 0 });
      expect(await it.renew('a')).toEqual({ kind: 'lost', reason: 'revoked' });
      expect(await it.stateOf('c')).toBe('revocable');
      const reply = await it.renewAll('d');
      expect(dutyNames(reply.duties)).toEqual(['a', 'b']);
      await it.absent('a');
      await it.absent('b');
      expect(await it.report()).toMatchObject({ held: 2, revoking: 0, debt: 0 });
    });

    test('L6 a debt revokes nothing that is protected', async () => {
      const it = await debtScene(4, 1);
      it.advance(9_999);
      expect(await it.report()).toMatchObject({ held: 4, revoking: 0, debt: 3 });
      it.advance(1);
      expect(await it.report()).toMatchObject({ held: 1, revoking: 3, debt: 3 });
    });

    test('L11 a debt is paid in bounded steps', async () => {
      const it = await debtScene(50, 1);
      it.advance(10_000);
      const revoking: number[] = [];
      for (let round = 0; round < 4; round++) revoking.push((await it.report()).revoking);
      expect(revoking).toEqual([1, 2, 3].map((round) => round * LIMITS.reapMax).concat(49));
    });

    test('L12 the probe holds in a debt: nothing held, every entry past its end', async () => {
      const it = await debtScene(3, 2);
      for (const each of ['a1', 'a2', 'a3']) await it.abandon(each);
      expect(await it.report()).toMatchObject({ held: 0, revoking: 3, debt: 1 });
      it.advance(it.settings.idleMs + it.settings.connectBoundMs);
      const reply = await it.granted('p');
      expect(reply.isProbe).toBe(true);
      expect(dutyNames(reply.duties).toSorted()).toEqual(['a1', 'a2', 'a3']);
      expect(await it.ask('x')).toMatchObject({ reason: 'FULL' });
    });

    test('L12 when the debt is paid, waiters are served', async () => {
      const it = await debtScene(3, 2);
      await it.listening('w');
      await it.release('a1');
      expect(await it.report()).toMatchObject({ debt: 0, claims: 0 });
      await it.release('a2');
      expect(await it.report()).toMatchObject({ claims: 1 });
    });
  });
};
