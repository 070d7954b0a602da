import { describe, expect, test } from '@jest/globals';
import { type Ask, SETTINGS } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

export const describeIsolation = ({ scene, unknownScene }: Scenes): void => {
  describe('L14 isolation', () => {
    test('L14 two resources never meet, also under the same ids', async () => {
      const one = await scene({ capacity: 1, headroom: 0 });
      const two = await scene({ capacity: 1, headroom: 0 });
      await one.granted('a');
      expect(await two.renew('a', { fence: one.ref('a').fence })).toEqual({
        kind: 'lost',
        reason: 'unknown',
      });
      await two.granted('a');
      await one.abandon('a');
      expect(await two.stateOf('a')).toBe('protected');
      await one.registry.forget(one.resource);
      expect(await two.report()).toMatchObject({ held: 1 });
    });

    test('L14 a wake-up of one resource is not heard on another, also under the same holder and id', async () => {
      const one = await scene({ capacity: 1, headroom: 0 });
      const two = await scene({ capacity: 1, headroom: 0 });
      for (const it of [one, two]) {
        await it.granted('a');
        await it.listening('w');
        await it.hear('w');
      }
      await one.release('a');
      await one.heard(1);
      await two.queued('polls');
      await two.release('w', { outcome: 'unused' });
      await two.release('a');
      await two.poll('polls');
      expect([one.woken, two.woken]).toEqual([['w'], []]);
    });

    const HOSTILE = ['a b', 'a\nb', 'a%d', '', '-', 'é', '\u0000', 'x'.repeat(200), 'a\tb', '1 2 3'];
    /** A percent sign means nothing to a record; the rest would tear its fields apart. */
    const refused = HOSTILE.filter((text) => text !== 'a%d');

    test.each(refused)(
      'L14 a name that a record could not carry is refused before it travels: %j',
      async (text) => {
        const it = await scene();
        await it.granted('a');
        const { registry, resource } = it;
        const request = it.request('b');
        const ref = { id: text, fence: 1 };
        const calls: (() => Promise<unknown>)[] = [
          () => registry.grant({ ...request, leaseId: text }),
          () => registry.grant({ ...request, holder: text }),
          () => registry.grant({ ...request, group: text }),
          () => registry.renew(resource, text, []),
          () => registry.renew(resource, 'h', [{ ...ref, turn: 1, idle: true }]),
          () => registry.renew(resource, 'h', [{ id: 'a', fence: 1, turn: 1, idle: true, session: text }]),
          () => registry.park(resource, 'h', [{ id: 'a', fence: 1, turn: 1, session: text }]),
          () => registry.release(resource, 'h', [{ ...ref, outcome: 'closed' }]),
          () => registry.abandon(resource, 'h', [{ id: 'a', fence: 1, outcome: 'unseen', session: text }]),
          () => registry.settle(resource, undefined, [{ id: 'a', kind: 'absent', seen: true, server: text }]),
          () => registry.settle(resource, ref, []),
          () => it.again('b', { group: text }),
          () => it.again('b', { session: text }),
          () => registry.adopt(resource, { epoch: 1, token: 1 }, [{ ...ref, session: 's' }]),
          () => registry.adopt(resource, { epoch: 1, token: 1 }, [{ id: 'a', fence: 1, session: text }]),
          () => it.share(text, {}),
          () => it.operate({ kind: 'observe', holder: text, outcome: 'refused' }),
        ];
        const outcomes = await Promise.allSettled(calls.map((call) => call()));
        expect(
          outcomes.map((each) => each.status === 'rejected' && each.reason instanceof RangeError),
        ).toEqual(calls.map(() => true));
        expect(await it.report()).toMatchObject({ held: 1, revoking: 0, waiters: 0 });
      },
    );

    test.each(['a b', '', 'A', 'a.b', '{a}', 'a}:state', 'x'.repeat(21)])(
      'L14 a resource that could meet another one is refused before it travels: %j',
      async (text) => {
        const it = await scene();
        const { registry, settings } = it;
        const calls: (() => Promise<unknown>)[] = [
          () => registry.grant({ ...it.request('b'), resource: text }),
          () => registry.renew(text, 'h', []),
          () => registry.park(text, 'h', []),
          () => registry.release(text, 'h', []),
          () => registry.abandon(text, 'h', []),
          () => registry.settle(text, undefined, []),
          () => registry.sweep(text, 1),
          () => registry.inspect(text),
          () => registry.forget(text),
          () => registry.configure(text, settings, true),
          () => registry.adopt(text, { epoch: 1, token: 1 }, []),
          () => registry.operate(text, { kind: 'resume' }),
        ];
        for (const call of calls) await expect(call()).rejects.toThrow(RangeError);
      },
    );

    test('L14 a percent sign in a name is only a character', async () => {
      const it = await scene();
      await it.granted('a', { holder: '%d%s%%1', group: '%1' });
      expect((await it.report()).entries).toMatchObject([{ holder: '%d%s%%1', group: '%1' }]);
      expect(await it.renew('a', { holder: '%d%s%%1' })).toMatchObject({ kind: 'held' });
    });

    test.each([
      ['a fraction', { ...SETTINGS, protectMs: 1.5 }],
      ['a negative number', { ...SETTINGS, idleMs: -1 }],
      ['no number', { ...SETTINGS, dutyMs: Number.NaN }],
      ['no capacity', { ...SETTINGS, capacity: 0 }],
      ['a headroom that leaves nothing', { ...SETTINGS, headroom: SETTINGS.capacity }],
    ])('L14 settings with %s are refused before they travel', async (_, settings) => {
      const it = unknownScene();
      await expect(it.ask('a', { settings } satisfies Ask)).rejects.toThrow(RangeError);
      await expect(it.registry.configure(it.resource, settings, true)).rejects.toThrow(RangeError);
      await expect(it.again('a', { settings })).rejects.toThrow(RangeError);
      const inForce = { settings, version: 1, control: 'open', pausedForMs: 0 } as const;
      await expect(it.again('a', { inForce })).rejects.toThrow(RangeError);
      expect(await it.registry.inspect(it.resource)).toBeUndefined();
    });

    test.each([1.5, -1, Number.NaN, 2 ** 53])(
      'L14 %p is no fence, turn, stamp, or any other count',
      async (number) => {
        const it = await scene();
        await expect(it.ask('a', { stamp: number })).rejects.toThrow(RangeError);
        await expect(it.renew('a', { fence: number })).rejects.toThrow(RangeError);
        await expect(it.renew('a', { turn: number })).rejects.toThrow(RangeError);
        await expect(it.park('a', { turn: number })).rejects.toThrow(RangeError);
        await expect(it.release('a', { fence: number })).rejects.toThrow(RangeError);
        await expect(it.abandon('a', { fence: number })).rejects.toThrow(RangeError);
        await expect(it.ask('a', { waitMs: number })).rejects.toThrow(RangeError);
        await expect(it.share('a', { min: number })).rejects.toThrow(RangeError);
        await expect(it.share('a', { priority: number })).rejects.toThrow(RangeError);
        await expect(it.share('a', {}, number)).rejects.toThrow(RangeError);
        await expect(it.resize(number, 0)).rejects.toThrow(RangeError);
        await expect(it.resize(5, number)).rejects.toThrow(RangeError);
        await expect(it.resize(5, 1, number)).rejects.toThrow(RangeError);
        await expect(it.operate({ kind: 'pause', forMs: number })).rejects.toThrow(RangeError);
        const census = await it.census();
        await expect(it.adopt({ ...census, epoch: number }, [])).rejects.toThrow(RangeError);
        await expect(it.adopt({ ...census, token: number }, [])).rejects.toThrow(RangeError);
        await expect(it.adopt(census, [], number)).rejects.toThrow(RangeError);
        const inForce = { settings: it.settings, version: number, control: 'open', pausedForMs: 0 } as const;
        await expect(it.again('a', { inForce })).rejects.toThrow(RangeError);
        await expect(
          it.again('a', { inForce: { ...inForce, version: 1, pausedForMs: number } }),
        ).rejects.toThrow(RangeError);
      },
    );

    test.each([
      { min: 3, max: 2 },
      { min: 0, max: 0 },
    ])('L14 a share of %j is refused before it travels', async (share) => {
      const it = await scene();
      await expect(it.share('a', share)).rejects.toThrow(RangeError);
      await expect(it.ask('a', { share: { priority: 0, ...share } })).rejects.toThrow(RangeError);
    });
  });
};
