import { expect, test } from '@jest/globals';
import { assertAsk, assertItems, assertResource, assertSettings } from '../../lib/core/assert.ts';
import { LIMITS } from '../../lib/core/limits.ts';
import { systemRandom } from '../../lib/core/random.ts';
import { SETTINGS } from '../support/registry-harness.ts';

test('what the product itself makes may travel', () => {
  const id = systemRandom.id();
  const ask = {
    resource: 'orders',
    leaseId: id,
    holder: id,
    group: 'checkout',
    stamp: 0,
    settings: SETTINGS,
  };
  expect(() => assertAsk(ask)).not.toThrow();
  const item = { id, fence: 2 ** 52, turn: 0, session: '7123456789.42.1712345', server: '7123456789' };
  expect(() => assertItems('orders', id, [item])).not.toThrow();
  expect(() => assertItems('orders', id, Array(LIMITS.pageMax).fill(item))).not.toThrow();
});

test('an id made of dashes is a name; the single dash, which stands for none, is not', () => {
  expect(() => assertItems('orders', '--', [])).not.toThrow();
  expect(() => assertItems('orders', '-', [])).toThrow(/holder/);
});

test('the message says which field, what it was, and what is right, and shows no long value whole', () => {
  expect(() => assertResource('Or ders')).toThrow('Not a resource: "Or ders" (/^[a-z0-9-]{1,20}$/)');
  expect(() => assertItems('orders', 'h', [{ id: 'a', session: 'x '.repeat(500) }])).toThrow(
    /^Not a session: .{1,40} \(/,
  );
  expect(() => assertItems('orders', 'h', [{ id: 'a', fence: Number.NaN }])).toThrow(/Not a fence/);
  expect(() => assertItems('orders', 'h', Array(LIMITS.pageMax + 1).fill({ id: 'a' }))).toThrow(
    /at most 100 items/,
  );
});

test('settings need every number, a place at least, and a headroom that leaves some', () => {
  const { idleMs: _, ...partial } = SETTINGS;
  expect(() => assertSettings({ ...SETTINGS, capacity: 1, headroom: 0 })).not.toThrow();
  expect(() => assertSettings({ ...SETTINGS, capacity: 1, headroom: 1 })).toThrow(/headroom/);
  expect(() => assertSettings({ ...SETTINGS, quantumMs: 0.5 })).toThrow(/quantumMs/);
  expect(() => assertSettings({ ...SETTINGS, idleMs: '5' as unknown as number })).toThrow(/idleMs/);
  expect(() => assertSettings(partial as typeof SETTINGS)).toThrow(/idleMs/);
});
