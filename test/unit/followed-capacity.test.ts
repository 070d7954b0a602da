import { describe, expect, test } from '@jest/globals';
import { followedCapacity } from '../../lib/sweeper/capacity.ts';

describe('a capacity that follows the database', () => {
  const bounds = { min: 10, max: 200 };
  const table: [what: string, current: number, usable: number, expected: number][] = [
    ['goes down by one where one is missing', 100, 99, 99],
    ['stays where less than a tenth more is there', 100, 109, 100],
    ['goes up from a tenth on', 100, 110, 110],
    ['goes up by one where a tenth is less', 5, 11, 11],
    ['reaches its upper bound by a smaller step', 195, 500, 200],
    ['does not leave its bounds downwards', 20, 3, 10],
    ['comes back into its bounds', 400, 500, 200],
  ];
  test.each(table)('%s', (_, current, usable, expected) =>
    expect(followedCapacity(current, usable, bounds)).toBe(expected),
  );

  test('takes its share, rounded down', () =>
    expect(followedCapacity(100, 101, { ...bounds, share: 0.5 })).toBe(50));
});
