import { describe, expect, test } from '@jest/globals';
import { idOf, type Scene } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

export const describeSweeping = ({ scene, unknownScene, parkedScene }: Scenes): void => {
  describe('who sweeps', () => {
    const elect = async (it: Scene, sweeper: string, forMs = 10_000): Promise<boolean> => {
      const { isElected } = await it.registry.sweep(it.resource, 0, { sweeper, forMs });
      return isElected;
    };
    const retire = (sweeper: string, looked = false) => ({ kind: 'retire', sweeper, looked }) as const;

    test('one sweeper at a time, until it is done', async () => {
      const it = await scene();
      expect(await it.report()).not.toHaveProperty('sweep');
      expect(await elect(it, 'one')).toBe(true);
      expect(await elect(it, 'other')).toBe(false);
      it.advance(400);
      expect(await it.report()).toMatchObject({ sweep: { agoMs: 400, isRunning: true } });
      await it.operate(retire('one'));
      it.advance(100);
      expect((await it.report()).sweep).toEqual({ agoMs: 500, isRunning: false });
      expect(await elect(it, 'other')).toBe(true);
    });

    test('one that died is followed when its time is over, and not before', async () => {
      const it = await scene();
      await elect(it, 'one', 5_000);
      it.advance(4_999);
      expect(await elect(it, 'other')).toBe(false);
      it.advance(1);
      expect(await elect(it, 'other')).toBe(true);
    });

    test('L3 a repeat is the same sweeper going on, from when it began', async () => {
      const it = await scene();
      await elect(it, 'one', 1_000);
      it.advance(900);
      expect(await elect(it, 'one', 1_000)).toBe(true);
      it.advance(900);
      expect(await elect(it, 'other')).toBe(false);
      expect((await it.report()).sweep).toEqual({ agoMs: 1_800, isRunning: true });
    });

    test('a word that comes late, or from another, ends nobody’s turn', async () => {
      const it = await scene();
      await elect(it, 'one', 1_000);
      await it.operate(retire('other', true));
      expect((await it.report()).sweep).toEqual({ agoMs: 0, isRunning: true });
      it.advance(1_000);
      await elect(it, 'other');
      await it.operate(retire('one', true));
      expect((await it.report()).sweep).toEqual({ agoMs: 0, isRunning: true });
    });

    test('a look that is told of after the time of its turn does not count', async () => {
      const it = await scene();
      await elect(it, 'one', 1_000);
      it.advance(1_000);
      await it.operate(retire('one', true));
      expect((await it.report()).sweep).toEqual({ agoMs: 1_000, isRunning: false });
    });

    test('the time of the last look at the database outlives sweepers that did not look', async () => {
      const it = await scene();
      await elect(it, 'one');
      await it.operate(retire('one', true));
      it.advance(60_000);
      await elect(it, 'other');
      await it.operate(retire('other'));
      expect((await it.report()).sweep).toEqual({ agoMs: 0, isRunning: false, lookedAgoMs: 60_000 });
    });

    test('it is no operator’s word: no version, and nothing to be told by holders', async () => {
      const it = await scene();
      await elect(it, 'one');
      expect(await it.report()).toMatchObject({ version: 0 });
      expect(await it.granted('a')).not.toHaveProperty('inForce');
    });

    test('who is refused is given no duty, but what time made due is done', async () => {
      const it = await scene({ protectMs: 1_000, idleMs: 1_000 });
      await elect(it, 'one');
      await it.granted('a');
      await it.renew('a', { session: 'server1.a' });
      it.advance(2_000);
      const sweep = (sweeper: string) => it.registry.sweep(it.resource, 9, { sweeper, forMs: 1 });
      expect(await sweep('other')).toMatchObject({ isElected: false, duties: [], revoking: 1 });
      expect(await sweep('one')).toMatchObject({ isElected: true, duties: [{ lease: it.ref('a') }] });
    });

    test('who is refused is given no census', async () => {
      const it = unknownScene();
      await it.ask('a');
      await elect(it, 'one', 60_000);
      it.advance(5_000);
      const sweep = (sweeper: string) => it.registry.sweep(it.resource, 9, { sweeper, forMs: 60_000 });
      expect(await sweep('other')).not.toHaveProperty('census');
      expect(await sweep('one')).toHaveProperty('census');
    });

    test('of an unknown resource nothing is kept: there is nothing to sweep', async () => {
      const it = unknownScene();
      expect(await elect(it, 'one')).toBe(true);
      expect(await elect(it, 'other')).toBe(true);
      expect(await it.operate(retire('one'))).toBe('unknown');
    });
  });

  describe('leases without a session', () => {
    const vacate = (it: Awaited<ReturnType<typeof parkedScene>>, name: string, fence = it.ref(name).fence) =>
      it.registry.settle(it.resource, undefined, [{ id: idOf(name), kind: 'vacant', fence }]);

    test('one that nothing protects is revoking, still counts, and its duty goes out', async () => {
      const it = await parkedScene(['a', 'b']);
      expect(await vacate(it, 'a')).toEqual(['kept']);
      expect(await it.stateOf('a')).toBe('revoking');
      expect(await it.report()).toMatchObject({ held: 1, revoking: 1 });
      expect(await it.registry.sweep(it.resource, 1)).toMatchObject({ duties: [{ lease: it.ref('a') }] });
      expect(await it.absent('a')).toBe('settled');
    });

    test('L6 one that is protected again stays', async () => {
      const it = await parkedScene(['a']);
      await it.renew('a');
      expect(await vacate(it, 'a')).toEqual(['unknown']);
      expect(await it.stateOf('a')).toBe('protected');
    });

    test('L4 the word is for one grant: another fence is another lease', async () => {
      const it = await parkedScene(['a']);
      expect(await vacate(it, 'a', it.ref('a').fence + 1)).toEqual(['unknown']);
      expect(await it.stateOf('a')).toBe('revocable');
    });

    test('L5 what is revoking or gone stays so', async () => {
      const it = await parkedScene(['a']);
      await vacate(it, 'a');
      expect(await vacate(it, 'a')).toEqual(['unknown']);
      await it.absent('a');
      expect(await vacate(it, 'a')).toEqual(['unknown']);
      expect(await it.report()).toMatchObject({ held: 0, revoking: 0 });
    });
  });

  describe('leases by their names', () => {
    test('those that are known are listed, held or revoking; others are not, and tickets are none', async () => {
      const it = await scene({ capacity: 3, headroom: 0 });
      for (const name of ['a', 'b', 'c']) await it.granted(name);
      await it.abandon('b');
      await it.queued('w');
      const report = await it.registry.inspect(it.resource, ['c', 'w', 'x', 'b'].map(idOf));
      expect(report?.entries.map(({ lease, state }) => [lease.id, state])).toEqual([
        [idOf('c'), 'protected'],
        [idOf('b'), 'revoking'],
      ]);
      expect((await it.registry.inspect(it.resource, []))?.entries).toEqual([]);
    });

    test('L11 a page at most', async () => {
      const it = await scene();
      const ids = Array.from({ length: 101 }, (_, at) => idOf(`n${at}`));
      await expect(it.registry.inspect(it.resource, ids)).rejects.toThrow(RangeError);
    });
  });
};
