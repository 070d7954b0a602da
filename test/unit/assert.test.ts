import { expect, test } from '@jest/globals';
import {
  assertAsk,
  assertCensus,
  assertItems,
  assertOperation,
  assertResource,
  assertSettings,
} from '../../lib/core/assert.ts';
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
  const share = { min: 0, max: 1, priority: 0 };
  expect(() => assertAsk({ ...ask, waitMs: 0, share })).not.toThrow();
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

test('what a holder brings back is checked like what it asks for', () => {
  const again = { group: 'checkout', settings: SETTINGS };
  const inForce = { settings: SETTINGS, version: 1, control: 'open' as const, pausedForMs: 0 };
  const bring = (what: object) => () =>
    assertItems('orders', 'h', [{ id: 'a', again: { ...again, ...what } }]);
  expect(bring({})).not.toThrow();
  expect(bring({ inForce })).not.toThrow();
  expect(bring({ group: 'a b' })).toThrow(/group/);
  expect(bring({ settings: { ...SETTINGS, capacity: 0 } })).toThrow(/headroom/);
  expect(bring({ inForce: { ...inForce, settings: { ...SETTINGS, idleMs: -1 } } })).toThrow(/idleMs/);
  expect(bring({ inForce: { ...inForce, version: 0.5 } })).toThrow(/version/);
  expect(bring({ inForce: { ...inForce, pausedForMs: -1 } })).toThrow(/pausedForMs/);
});

test('a census has whole numbers, an operation too, and a share leaves a place at least', () => {
  expect(() => assertCensus({ epoch: 1, token: 0 }, undefined)).not.toThrow();
  expect(() => assertCensus({ epoch: 1, token: 0 }, { foreign: 0 })).not.toThrow();
  expect(() => assertCensus({ epoch: 0.5, token: 0 }, undefined)).toThrow(/epoch/);
  expect(() => assertCensus({ epoch: 1, token: -1 }, undefined)).toThrow(/token/);
  expect(() => assertCensus({ epoch: 1, token: 1 }, { foreign: Number.NaN })).toThrow(/foreign/);
  expect(() => assertOperation({ kind: 'resume' })).not.toThrow();
  expect(() => assertOperation({ kind: 'pause', forMs: -1 })).toThrow(/forMs/);
  expect(() => assertOperation({ kind: 'resize', capacity: 2, headroom: 2 })).toThrow(/headroom/);
  const share = { min: 1, max: 1, priority: 0 };
  expect(() => assertOperation({ kind: 'share', group: 'a', share, version: 3 })).not.toThrow();
  expect(() => assertOperation({ kind: 'share', group: 'a b', share })).toThrow(/group/);
  expect(() => assertOperation({ kind: 'share', group: 'a', share: { ...share, min: 2 } })).toThrow(/max/);
  expect(() => assertOperation({ kind: 'share', group: 'a', share: { ...share, min: 0, max: 0 } })).toThrow(
    /max/,
  );
});
