import { describe, expect, test } from '@jest/globals';
import {
  GROUP_PATTERN,
  LABEL_MAX_BYTES,
  labelPrefix,
  parseLabel,
  RESOURCE_PATTERN,
  sessionLabel,
} from '../../lib/core/label.ts';
import { EPOCH_MS, FENCES_PER_MS } from '../../lib/core/limits.ts';

test('a label names resource, namespace, lease and fence', () => {
  expect(sessionLabel('orders', 'ab12cd', { id: 'abcdefgh01234567', fence: 46_655 })).toBe(
    'lh:orders.ab12cd:abcdefgh01234567:zzz',
  );
});

test('the longest label of this century fits into what PostgreSQL keeps', () => {
  const fence = (Date.UTC(2099, 11, 31) - EPOCH_MS) * FENCES_PER_MS;
  const label = sessionLabel('r'.repeat(20), 'n'.repeat(6), { id: 'i'.repeat(16), fence });
  expect(Buffer.byteLength(label)).toBeLessThanOrEqual(LABEL_MAX_BYTES);
});

test('a label that would be cut is refused, never cut', () => {
  const lease = { id: 'i'.repeat(16), fence: 2 ** 52 };
  const label = (namespace: number): string => sessionLabel('r'.repeat(20), 'n'.repeat(namespace), lease);
  const longest = 6 + LABEL_MAX_BYTES - label(6).length;
  expect(label(longest)).toHaveLength(LABEL_MAX_BYTES);
  expect(() => label(longest + 1)).toThrow(RangeError);
});

test.each([
  ['orders', 'two words', 'abcdefgh01234567', 1],
  ['orders', 'a.b', 'abcdefgh01234567', 1],
  ['orders', '', 'abcdefgh01234567', 1],
  ['orders', 'ab12cd', 'a:b', 1],
  ['orders', 'ab12cd', '', 1],
  ['orders', 'ab12cd', 'abcdefgh01234567', 0],
  ['orders', 'ab12cd', 'abcdefgh01234567', -1],
])('a label that no census could read back is refused: %j %j %j %d', (resource, namespace, id, fence) =>
  expect(() => sessionLabel(resource, namespace, { id, fence })).toThrow(RangeError),
);

describe('a label that is read back', () => {
  const PREFIX = labelPrefix('orders', 'ab12cd');

  test.each([1, 35, 46_655, 2 ** 45 + 1, Number.MAX_SAFE_INTEGER])(
    'names the lease it was made for (fence %p)',
    (fence) => {
      const lease = { id: 'Abc-_fgh01234567', fence };
      expect(parseLabel(PREFIX, sessionLabel('orders', 'ab12cd', lease))).toEqual(lease);
    },
  );

  test.each([
    'lh:orders.other1:abcdefgh01234567:zzz',
    'lh:order.ab12cd:abcdefgh01234567:zzz',
    'lh:orders.ab12cd::zzz',
    'lh:orders.ab12cd:abcdefgh.1234567:zzz',
    'lh:orders.ab12cd:abcdefgh 1234567:zzz',
    'lh:orders.ab12cd:abcdefgh01234567:',
    'lh:orders.ab12cd:abcdefgh01234567:0zz',
    'lh:orders.ab12cd:abcdefgh01234567:ZZZ',
    'lh:orders.ab12cd:abcdefgh01234567:-1',
    'lh:orders.ab12cd:abcdefgh01234567:zzzzzzzzzzz',
    'lh:orders.ab12cd:abcdefgh01234567:zzz:1',
    'lh:orders.ab12cd:abcdefgh01234567:zzz\n',
    ' lh:orders.ab12cd:abcdefgh01234567:zzz',
    'lh:orders.ab12cd:',
    '',
  ])('names nothing where it is not exactly one of ours: %j', (label) =>
    expect(parseLabel(PREFIX, label)).toBeUndefined(),
  );
});

test.each([
  ['orders', true],
  ['orders-2', true],
  ['r'.repeat(20), true],
  ['r'.repeat(21), false],
  ['', false],
  ['Orders', false],
  ['or.ders', false],
  ['or:ders', false],
  ['orders\n', false],
  ['{orders}', false],
])('%j is a resource: %p', (name, expected) => expect(RESOURCE_PATTERN.test(name)).toBe(expected));

test.each([
  ['checkout_v2.api:blue-1', true],
  ['g'.repeat(64), true],
  ['g'.repeat(65), false],
  ['', false],
  ['a b', false],
  ['a\n', false],
  ['ü', false],
])('%j is a group: %p', (name, expected) => expect(GROUP_PATTERN.test(name)).toBe(expected));
