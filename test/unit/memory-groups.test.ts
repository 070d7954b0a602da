import { describe, expect, test } from '@jest/globals';
import { DEFAULT_SHARE } from '../../lib/core/lease.ts';
import { LIMITS } from '../../lib/core/limits.ts';
import { eligibleOf } from '../../lib/core/policy.ts';
import {
  type Group,
  Groups,
  isBetter,
  loadOf,
  nextTickets,
  viewOf,
} from '../../lib/registry/memory-groups.ts';
import { chooseSeed, SeededRandom } from '../support/seeded-random.ts';

const share = (min: number, max: number, priority = 0) => ({ min, max, priority });
const nobody = (): boolean => false;
const namesOf = (groups: Groups): string[] => groups.all().map(({ name }) => name);
const next = (groups: Groups, isOut: (id: string) => boolean = nobody): string[] =>
  [...nextTickets(groups, isOut)].map(({ id }) => id);

describe('the records', () => {
  test('a record is made with the share of who comes first, and its minimum only if that fits', () => {
    const groups = new Groups();
    expect(groups.of('a', share(3, 4, 1), 5).share).toEqual(share(3, 4, 1));
    expect(groups.of('a', share(1, 1), 5).share).toEqual(share(3, 4, 1));
    expect(groups.of('b', share(3, 4, 1), 5).share).toEqual(share(0, 4, 1));
    expect(groups.of('c').share).toEqual(DEFAULT_SHARE);
    expect(groups.minima).toBe(3);
  });

  test('empty records go at the end of an operation, and give their minimum back; what an operator wrote stays', () => {
    const groups = new Groups();
    const a = groups.of('a', share(1, 9), 9);
    const b = groups.of('b', share(1, 9), 9);
    const c = groups.of('c', share(1, 9), 9);
    const d = groups.of('d', share(1, 9), 9);
    groups.take(a, 1);
    groups.enqueue(b, 'ticket', 1);
    groups.setShare(c, share(2, 9), 1);
    groups.take(d, 1);
    groups.take(d, -1);
    expect(namesOf(groups)).toEqual(['a', 'b', 'c', 'd']);
    groups.dropEmpty();
    expect(namesOf(groups)).toEqual(['a', 'b', 'c']);
    expect(groups.minima).toBe(4);
    groups.dequeue(b, 'ticket');
    groups.take(a, -1);
    groups.dropEmpty();
    expect(namesOf(groups)).toEqual(['c']);
    expect(groups.minima).toBe(2);
  });

  test('L11 there are never more records than the limit: the rest share the last', () => {
    const groups = new Groups();
    const last = Array.from({ length: 2 * LIMITS.groupsMax }, (_, at) => groups.of(`g${at}`)).at(-1);
    expect(groups.all()).toHaveLength(LIMITS.groupsMax);
    expect(last?.name).toBe('~');
    expect(groups.of('g0').name).toBe('g0');
  });
});

describe('whose ticket comes next', () => {
  test('below the minimum first, then by priority, then by age; each counts as served for the one after it', () => {
    const groups = new Groups();
    const low = groups.of('low', share(1, 9), 9);
    const high = groups.of('high', share(0, 2, 5), 9);
    const like = groups.of('like');
    for (const [id, group, stamp] of [
      ['like1', like, 1],
      ['low1', low, 2],
      ['low2', low, 3],
      ['high1', high, 4],
      ['high2', high, 5],
      ['high3', high, 6],
      ['like2', like, 7],
    ] as const)
      groups.enqueue(group, id, stamp);
    expect(next(groups)).toEqual(['low1', 'high1', 'high2', 'like1', 'low2', 'like2']);
    // Who is out is not counted as served: the minimum and the maximum go to the next of its group.
    const isOut = (id: string): boolean => id === 'low1' || id === 'high1';
    expect(next(groups, isOut)).toEqual(['low2', 'high2', 'high3', 'like1', 'like2']);
  });

  test('L11 of each group a bounded number is looked at', () => {
    const groups = new Groups();
    const group = groups.of('a');
    for (let at = 0; at < 50; at++) groups.enqueue(group, `t${at}`, at);
    expect(next(groups)).toHaveLength(LIMITS.offersMax);
  });
});

/** What may happen to a group at any time. */
const STEPS: readonly ((groups: Groups, group: Group, random: SeededRandom) => void)[] = [
  (groups, group) => groups.take(group, 1),
  (groups, group) => {
    if (group.taken > 0) groups.take(group, -1);
  },
  // No two groups have a ticket of the same id.
  (groups, group, random) =>
    groups.enqueue(group, `${group.name}-${random.whole(1, 50)}`, random.whole(1, 100)),
  (groups, group) => {
    for (const id of group.queue.upTo(Number.POSITIVE_INFINITY, 1)) groups.dequeue(group, id);
  },
  (groups, group, random) => {
    const min = random.whole(0, 3);
    groups.setShare(group, share(min, random.whole(Math.max(1, min), 6), random.whole(0, 2)), 1);
  },
  (groups) => groups.dropEmpty(),
];

const step = (groups: Groups, random: SeededRandom): void => {
  const asked = share(random.whole(0, 3), 9, random.whole(0, 2));
  random.pick(STEPS)(groups, groups.of(`g${random.whole(0, 5)}`, asked, 6), random);
};

test('the running sums are those over all groups, and the order is the same for the queue and for the rank, after any steps', () => {
  const seed = chooseSeed();
  const random = new SeededRandom(seed);
  for (let round = 0; round < 200; round++) {
    const groups = new Groups();
    for (let at = 0; at < 40; at++) step(groups, random);
    const all = groups.all();
    const sum = (of: (group: (typeof all)[number]) => number): number =>
      all.reduce((total, each) => total + of(each), 0);
    expect({
      seed,
      round,
      eligible: groups.eligible,
      waiting: groups.waiting,
      minima: groups.minima,
    }).toEqual({
      seed,
      round,
      eligible: sum((group) => eligibleOf(loadOf(group))),
      waiting: sum(({ queue }) => queue.size),
      minima: sum(({ share: { min } }) => min),
    });
    const [first, second] = [...nextTickets(groups, nobody)];
    if (first === undefined) continue;
    // Nobody is before the first, neither as the rank of its own group has it, nor by comparison.
    const { older } = viewOf(first.group, first.stamp);
    expect({ seed, round, older }).toEqual({ seed, round, older: 0 });
    if (second === undefined || second.group === first.group) continue;
    expect({ seed, round, isBetter: isBetter(first, second) }).toEqual({ seed, round, isBetter: true });
  }
});
