import { expect, test } from '@jest/globals';
import { GROUP_PATTERN, LABEL_MAX_BYTES, RESOURCE_PATTERN, sessionLabel } from '../../lib/core/label.ts';
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
  const longest = LABEL_MAX_BYTES - sessionLabel('', 'n'.repeat(6), lease).length;
  expect(sessionLabel('r'.repeat(longest), 'n'.repeat(6), lease)).toHaveLength(LABEL_MAX_BYTES);
  expect(() => sessionLabel('r'.repeat(longest + 1), 'n'.repeat(6), lease)).toThrow(RangeError);
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
