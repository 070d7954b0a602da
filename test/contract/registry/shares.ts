import { describe, expect, test } from '@jest/globals';
import { LIMITS } from '../../../lib/core/limits.ts';
import { dutyNames, type Granted, type Scene } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

const share = (min: number, max: number, priority = 0) => ({ min, max, priority });

export const describeShares = ({ scene }: Scenes): void => {
  /** `count` leases of the group `many` that fill the room of a resource with as much headroom again. */
  const fullScene = async (count = 2, headroom = 1): Promise<Scene> => {
    const it = await scene({
      capacity: count + headroom,
      headroom,
      waitersMax: 20,
      ticketLivenessMs: 100_000,
    });
    for (let at = 1; at <= count; at++) await it.granted(`m${at}`, { group: 'many' });
    return it;
  };

  describe('L10 minima', () => {
    test('L10 a group below its minimum is served before anyone above theirs, however long those wait', async () => {
      const it = await fullScene(3);
      await it.share('few', { min: 1 });
      await it.listening('m', { group: 'many' });
      await it.listening('f1', { group: 'few' });
      await it.listening('f2', { group: 'few' });
      await it.hear('m', 'f1', 'f2');
      await it.release('m1');
      expect(await it.heard(1)).toEqual(['f1']);
      await it.poll('f1');
      // Served to its minimum: from here on by age.
      await it.release('m2');
      expect(await it.heard(2)).toEqual(['f1', 'm']);
    });

    test('L10 the share of a group whose leases came back without one is the first that somebody says', async () => {
      const it = await scene({ capacity: 6, headroom: 1, waitersMax: 20 });
      await it.granted('a', { group: 'many' });
      const said = { group: 'many', share: share(1, 2, 3) };
      expect(await it.granted('b', said)).not.toHaveProperty('settingsDiffer');
      expect(await it.ask('c', said)).toMatchObject({ kind: 'denied' });
      expect(await it.report()).toMatchObject({
        groups: [{ name: 'many', taken: 2, min: 1, max: 2, priority: 3 }],
      });
      // From then on it stands.
      expect(await it.ask('d', { group: 'many', share: share(0, 9) })).toMatchObject({ kind: 'denied' });
      expect(await it.group('many')).toMatchObject({ taken: 2, min: 1, max: 2, priority: 3 });
    });

    test('L10 nobody is woken for what a minimum keeps from him; the tickets of that very group are', async () => {
      const it = await fullScene(3, 2);
      await it.share('many', { min: 3 });
      await it.listening('o', { group: 'others' });
      await it.listening('m', { group: 'many' });
      await it.hear('o', 'm');
      await it.park('m1');
      expect(await it.heard(1)).toEqual(['m']);
      // His own polls find nothing, and tell him nothing either: else he would look again at once, and for ever.
      for (let polls = 0; polls < 3; polls++) expect(await it.poll('o')).toMatchObject({ kind: 'queued' });
      expect(await it.poll('m')).toMatchObject({ kind: 'granted' });
      expect(await it.heard(1)).toEqual(['m']);
    });

    test('L10 a newcomer below its minimum goes before tickets that are not, into the room and by revocation', async () => {
      const it = await fullScene();
      await it.share('few', { min: 2 });
      await it.queued('m', { group: 'many' });
      await it.release('m1');
      expect(await it.granted('f1', { group: 'few' })).toMatchObject({ duties: [] });
      await it.park('m2');
      expect(dutyNames((await it.granted('f2', { group: 'few' })).duties)).toEqual(['m2']);
    });

    test('L10 a newcomer above its minimum gets nothing while somebody below waits', async () => {
      const it = await fullScene();
      await it.share('few', { min: 1 });
      await it.queued('f', { group: 'few' });
      await it.release('m1');
      expect(await it.ask('m3', { group: 'many' })).toMatchObject({ kind: 'denied', reason: 'FULL' });
      await it.park('m2');
      expect(await it.ask('m3', { group: 'many', wait: true })).toMatchObject({
        kind: 'queued',
        position: 2,
      });
      expect(await it.poll('f')).toMatchObject({ kind: 'granted' });
    });

    test('L10 among those below their minimum the priority decides, then the age', async () => {
      const it = await fullScene(3);
      await it.share('low', { min: 1 });
      await it.share('same', { min: 1 });
      await it.share('high', { min: 1, priority: 1 });
      for (const each of ['low', 'same', 'high']) await it.listening(each, { group: each });
      await it.hear('low', 'same', 'high');
      for (const each of ['m1', 'm2', 'm3']) await it.release(each);
      expect(await it.heard(3)).toEqual(['high', 'low', 'same']);
    });

    test('L10 nothing is held idle for a minimum: while its group does not ask, others take it all', async () => {
      const it = await scene({ capacity: 4, headroom: 1 });
      await it.share('few', { min: 3 });
      for (const each of ['a', 'b', 'c']) await it.granted(each);
      expect(await it.ask('d')).toMatchObject({ reason: 'FULL' });
    });

    test('L10 no lease of a group at or below its minimum is revoked for another group', async () => {
      const it = await fullScene(3);
      await it.share('many', { min: 2 });
      for (const each of ['m1', 'm2', 'm3']) {
        it.advance(1);
        await it.park(each, { session: `server1.${each}` });
      }
      const { duties } = await it.granted('f1', { group: 'few' });
      expect(dutyNames(duties)).toEqual(['m1']);
      await it.absent('m1');
      expect(await it.ask('f2', { group: 'few' })).toMatchObject({ kind: 'denied', reason: 'FULL' });
      expect(await it.stateOf('m2')).toBe('revocable');
      // Its own group replaces it as it likes.
      expect(dutyNames((await it.granted('m4', { group: 'many' })).duties)).toEqual(['m2']);
    });

    test('L10 the victim is the longest unprotected of those that may be revoked', async () => {
      const it = await scene({ capacity: 4, headroom: 1 });
      await it.share('kept', { min: 1 });
      for (const [name, group] of [
        ['k', 'kept'],
        ['a', 'a'],
        ['b', 'b'],
      ] as const) {
        await it.granted(name, { group });
        it.advance(1);
        await it.park(name);
      }
      expect(dutyNames((await it.granted('x', { group: 'x' })).duties)).toEqual(['a']);
    });

    test('L10 a bounded number of leases is looked at for one that may be revoked', async () => {
      const it = await scene({ capacity: LIMITS.victimsMax + 2, headroom: 1 });
      await it.share('kept', { min: LIMITS.victimsMax });
      for (let at = 0; at < LIMITS.victimsMax; at++) await it.granted(`k${at}`, { group: 'kept' });
      for (let at = 0; at < LIMITS.victimsMax; at++) await it.park(`k${at}`);
      await it.granted('a', { group: 'a' });
      it.advance(1);
      await it.park('a');
      expect(await it.ask('x', { group: 'x' })).toMatchObject({ reason: 'FULL' });
      await it.renew('k0');
      expect(dutyNames((await it.granted('x', { group: 'x' })).duties)).toEqual(['a']);
    });

    test('L10 minima that do not fit what the headroom leaves are refused, and so is a resize below them', async () => {
      const it = await scene({ capacity: 5, headroom: 1 });
      expect(await it.share('a', { min: 5 })).toBe('refused');
      expect(await it.share('a', { min: 3 })).toBe('done');
      expect(await it.share('b', { min: 2 })).toBe('refused');
      expect(await it.share('b', { min: 1 })).toBe('done');
      // A change counts without what it replaces.
      expect(await it.share('a', { min: 4 })).toBe('refused');
      expect(await it.share('a', { min: 2 })).toBe('done');
      expect(await it.share('b', { min: 2 })).toBe('done');
      expect(await it.resize(4, 1)).toBe('refused');
      expect(await it.resize(4, 0)).toBe('done');
      const { settings, groups, version } = await it.report();
      expect([settings.capacity, settings.headroom, version]).toEqual([4, 0, 1]);
      expect(groups.map(({ name, min }) => [name, min])).toEqual([
        ['a', 2],
        ['b', 2],
      ]);
    });

    test('a refused share leaves no record of the group', async () => {
      const it = await scene();
      expect(await it.share('a', { min: 3 })).toBe('refused');
      expect(await it.report()).toMatchObject({ groups: [] });
    });
  });

  describe('L10 maxima', () => {
    test('L10 none exceeds its maximum, whatever room there is; the others are served past its tickets', async () => {
      const it = await scene({ capacity: 6, headroom: 1 });
      await it.share('few', { max: 1 });
      await it.granted('f1', { group: 'few' });
      expect(await it.ask('f2', { group: 'few' })).toMatchObject({ kind: 'denied', reason: 'FULL' });
      await it.listening('f3', { group: 'few' });
      expect(await it.report()).toMatchObject({ claims: 0 });
      expect(await it.granted('a', { group: 'many' })).toMatchObject({ pressure: false });
      await it.listening('b', { group: 'few' });
      await it.release('f1');
      expect(await it.group('few')).toMatchObject({ taken: 1, waiting: 1 });
      expect(await it.poll('b')).toMatchObject({ kind: 'queued' });
      expect(await it.poll('f3')).toMatchObject({ kind: 'granted' });
    });

    test('L10 a poll leaves the last place of its group to the older tickets', async () => {
      const it = await scene({ capacity: 6, headroom: 1 });
      await it.share('few', { max: 2 });
      await it.granted('f1', { group: 'few' });
      await it.granted('f2', { group: 'few' });
      await it.queued('w1', { group: 'few' });
      await it.queued('w2', { group: 'few' });
      await it.release('f1');
      expect(await it.poll('w2')).toMatchObject({ kind: 'queued', position: 2 });
      expect(await it.poll('w1')).toMatchObject({ kind: 'granted' });
    });

    test('L10 a claim counts: nobody takes a second place beside it', async () => {
      const it = await scene({ capacity: 6, headroom: 1 });
      await it.share('few', { max: 1 });
      await it.granted('f1', { group: 'few' });
      await it.listening('w', { group: 'few' });
      await it.release('f1');
      expect(await it.group('few')).toMatchObject({ taken: 1, waiting: 0 });
      expect(await it.ask('x', { group: 'few' })).toMatchObject({ kind: 'denied' });
      expect(await it.poll('w')).toMatchObject({ kind: 'granted' });
      expect(await it.group('few')).toMatchObject({ taken: 1, waiting: 0 });
    });

    test('L10 at its maximum a group revokes of its own only', async () => {
      const it = await fullScene(3);
      await it.share('few', { max: 1 });
      await it.release('m3');
      await it.granted('f1', { group: 'few' });
      await it.park('m1', { session: 'server1.m1' });
      expect(await it.ask('f2', { group: 'few' })).toMatchObject({ kind: 'denied', reason: 'FULL' });
      it.advance(1);
      await it.park('f1', { session: 'server1.f1' });
      expect(dutyNames((await it.granted('f2', { group: 'few' })).duties)).toEqual(['f1']);
      expect(await it.group('few')).toMatchObject({ taken: 1 });
      expect(await it.stateOf('m1')).toBe('revocable');
    });

    test('L10 at its maximum a group takes over no duty, and probes for nobody', async () => {
      const it = await scene({ capacity: 3, headroom: 1 });
      await it.share('few', { max: 1 });
      await it.granted('f1', { group: 'few' });
      await it.granted('m1', { group: 'many' });
      await it.abandon('m1', { session: 'server1.m1' });
      expect(await it.ask('f2', { group: 'few' })).toMatchObject({ reason: 'FULL' });
      expect(dutyNames((await it.granted('m2', { group: 'many' })).duties)).toEqual(['m1']);
    });

    test('L10 revoking entries count for the capacity, not for their group', async () => {
      const it = await scene({ capacity: 6, headroom: 1 });
      await it.share('few', { max: 1 });
      await it.granted('f1', { group: 'few' });
      await it.abandon('f1');
      expect(await it.group('few')).toMatchObject({ taken: 0 });
      await it.granted('f2', { group: 'few' });
    });

    test('a group at its maximum is told to yield for its own tickets, and feels the pressure; the others do not', async () => {
      const it = await scene({ capacity: 6, headroom: 1 });
      await it.share('few', { max: 2 });
      await it.granted('f1', { group: 'few' });
      await it.granted('f2', { group: 'few' });
      await it.granted('m', { group: 'many' });
      await it.queued('w', { group: 'few' });
      it.advance(200);
      expect(await it.renewAll('m', { idle: true })).toMatchObject({
        pressure: false,
        outcomes: [{ yield: false }],
      });
      expect(await it.parkAll('f1')).toMatchObject({ pressure: true, outcomes: [{ kind: 'yield' }] });
      // As many as wait, and no more.
      expect(await it.park('f2')).toEqual({ kind: 'parked' });
    });

    test('a group at or below its minimum is not told to yield for others, but for its own', async () => {
      const it = await fullScene(3);
      await it.share('many', { min: 3 });
      await it.queued('w', { group: 'other' });
      it.advance(200);
      expect(await it.park('m1')).toEqual({ kind: 'parked' });
      await it.queued('m', { group: 'many' });
      expect(await it.park('m2')).toEqual({ kind: 'yield' });
    });
  });

  describe('L10 priorities', () => {
    test('L10 a higher priority is served first, and each priority by age', async () => {
      const it = await fullScene(4);
      await it.share('high', { priority: 7 });
      await it.share('middle', { priority: 3 });
      for (const [name, group] of [
        ['l1', 'many'],
        ['m1', 'middle'],
        ['h1', 'high'],
        ['h2', 'high'],
      ] as const)
        await it.listening(`w${name}`, { group });
      await it.hear('wl1', 'wm1', 'wh1', 'wh2');
      for (const each of ['m1', 'm2', 'm3', 'm4']) await it.release(each);
      expect(await it.heard(4)).toEqual(['wh1', 'wh2', 'wm1', 'wl1']);
    });

    test('L10 a newcomer of a higher priority passes by lower ones; one of a lower waits behind younger ones', async () => {
      const it = await fullScene();
      await it.share('high', { priority: 1 });
      await it.queued('w', { group: 'many' });
      await it.release('m1');
      expect(await it.granted('h1', { group: 'high' })).toMatchObject({ duties: [] });
      await it.queued('h2', { group: 'high' });
      expect(await it.poll('w')).toMatchObject({ kind: 'queued', position: 2 });
      await it.park('m2');
      expect(await it.poll('w')).toMatchObject({ kind: 'queued', position: 2 });
      expect(dutyNames(((await it.poll('h2')) as Granted).duties)).toEqual(['m2']);
    });

    test('L10 no priority starves a minimum', async () => {
      const it = await fullScene(3);
      await it.share('high', { priority: 9 });
      await it.share('low', { min: 1 });
      await it.listening('h', { group: 'high' });
      await it.listening('l1', { group: 'low' });
      await it.listening('l2', { group: 'low' });
      await it.hear('h', 'l1', 'l2');
      await it.release('m1');
      expect(await it.ask('h3', { group: 'high' })).toMatchObject({ kind: 'denied' });
      await it.release('m2');
      await it.release('m3');
      expect(await it.heard(3)).toEqual(['l1', 'h', 'l2']);
    });

    test('L10 a newcomer of a high priority waits for a minimum, also where it is polled for', async () => {
      const it = await fullScene();
      await it.share('high', { priority: 9 });
      await it.share('low', { min: 1 });
      await it.queued('l', { group: 'low' });
      await it.release('m1');
      expect(await it.ask('h', { group: 'high' })).toMatchObject({ kind: 'denied', reason: 'FULL' });
      expect(await it.poll('l')).toMatchObject({ kind: 'granted' });
    });

    test('L9 among groups of one priority the age decides, also where a ticket came back with its old stamp', async () => {
      const it = await fullScene();
      const { stamp } = await it.queued('b1', { group: 'b' });
      await it.listening('a1', { group: 'a' });
      await it.listening('c1', { group: 'c' });
      await it.release('b1', { outcome: 'unused' });
      expect(await it.listening('b2', { group: 'b', stamp })).toMatchObject({ position: 1, stamp });
      expect(await it.poll('c1', { listens: true })).toMatchObject({ position: 3 });
      await it.hear('a1', 'b2', 'c1');
      await it.release('m1');
      await it.release('m2');
      expect(await it.heard(2)).toEqual(['b2', 'a1']);
    });
  });

  describe('L10 where shares come from', () => {
    test("a request's share is written when the group is first heard of; later ones are only reported", async () => {
      const it = await scene({ capacity: 10, headroom: 1 });
      expect(await it.ask('a', { share: share(2, 5, 1) })).not.toHaveProperty('settingsDiffer');
      expect(await it.group('checkout')).toMatchObject({ min: 2, max: 5, priority: 1, taken: 1, waiting: 0 });
      expect(await it.ask('b', { share: share(2, 6, 1) })).toMatchObject({ settingsDiffer: true });
      expect(await it.ask('c')).not.toHaveProperty('settingsDiffer');
      expect(await it.group('checkout')).toMatchObject({ min: 2, max: 5, priority: 1, taken: 3 });
    });

    test('a minimum that does not fit is left out, and reported', async () => {
      const it = await scene({ capacity: 3, headroom: 1 });
      await it.share('a', { min: 1 });
      expect(await it.ask('x', { group: 'b', share: share(2, 2) })).toMatchObject({
        kind: 'granted',
        settingsDiffer: true,
      });
      expect(await it.group('b')).toMatchObject({ min: 0 });
    });

    test('L8 a denied ask leaves no record of its group', async () => {
      const it = await fullScene();
      const before = await it.report();
      await it.ask('x', { group: 'new', share: share(1, 1) });
      expect(await it.report()).toEqual(before);
      // Its minimum is free again, too.
      expect(await it.share('other', { min: 2 })).toBe('done');
    });

    test('records come and go with their leases and tickets; what an operator wrote stays', async () => {
      const it = await scene({ capacity: 10, headroom: 1 });
      await it.granted('a', { group: 'a', share: share(3, 3) });
      await it.granted('b', { group: 'b' });
      await it.share('b', { max: 4 });
      await it.release('a');
      await it.release('b');
      expect((await it.report()).groups.map(({ name }) => name)).toEqual(['b']);
      await it.granted('a', { group: 'a', share: share(1, 2) });
      expect(await it.group('a')).toMatchObject({ min: 1, max: 2 });
      await it.granted('b', { group: 'b', share: share(1, 2) });
      expect(await it.group('b')).toMatchObject({ min: 0, max: 4 });
    });

    test('a lease that replaces the only one of its group is counted', async () => {
      const it = await scene({ capacity: 2, headroom: 1 });
      await it.granted('a');
      await it.park('a');
      await it.granted('b');
      expect(await it.group('checkout')).toMatchObject({ taken: 1 });
      await it.release('b');
      expect(await it.report()).toMatchObject({ held: 0, groups: [] });
    });

    test("an operator's share holds at once, and an older version of it is stale", async () => {
      const it = await scene({ capacity: 10, headroom: 1 });
      expect(await it.share('a', { max: 1 }, 5)).toBe('done');
      expect(await it.share('a', { max: 2 }, 4)).toBe('stale');
      await it.granted('a1', { group: 'a' });
      expect(await it.ask('a2', { group: 'a' })).toMatchObject({ reason: 'FULL' });
      expect(await it.share('a', { max: 2 })).toBe('done');
      expect(await it.share('a', { max: 3 }, 5)).toBe('stale');
      expect(await it.ask('a2', { group: 'a' })).toMatchObject({ kind: 'granted' });
      expect(await it.ask('a3', { group: 'a' })).toMatchObject({ reason: 'FULL' });
    });

    test('L11 more groups than have a record share one, and records that are free again are used', async () => {
      const it = await scene({ capacity: 200, headroom: 1 });
      const names = Array.from({ length: LIMITS.groupsMax + 6 }, (_, at) => `g${at}`);
      for (const name of names) await it.granted(name, { group: name });
      const { groups, held } = await it.report();
      expect(held).toBe(names.length);
      expect(groups).toHaveLength(LIMITS.groupsMax);
      expect(groups.at(-1)).toMatchObject({ name: '~', taken: 7 });
      await it.release('g0');
      await it.release('g1');
      await it.granted('new', { group: 'new' });
      expect(await it.group('new')).toMatchObject({ taken: 1 });
      for (const name of [...names.slice(2), 'new']) await it.release(name);
      expect(await it.report()).toMatchObject({ held: 0, groups: [] });
    });
  });
};
