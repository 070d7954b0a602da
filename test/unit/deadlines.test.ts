import { expect, test } from '@jest/globals';
import { Deadlines } from '../../lib/registry/redis/deadlines.ts';
import { FakeClock } from '../support/fake-clock.ts';

const open = () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock, 1_000);
  const expired: string[] = [];
  const start = (name: string) => deadlines.start(() => expired.push(name));
  return { clock, deadlines, expired, start };
};

test('each expires after its own time, with one timer for all', () => {
  const { clock, expired, start } = open();
  start('a');
  clock.advance(400);
  start('b');
  expect(clock.pending.foreground).toBe(1);
  clock.advance(599);
  expect(expired).toEqual([]);
  clock.advance(1);
  expect(expired).toEqual(['a']);
  clock.advance(399);
  expect(expired).toEqual(['a']);
  clock.advance(1);
  expect(expired).toEqual(['a', 'b']);
  expect(clock.pending.foreground).toBe(0);
});

test('what has finished does not expire, and the last to finish leaves no timer behind', () => {
  const { clock, deadlines, expired, start } = open();
  const a = start('a');
  clock.advance(900);
  const b = start('b');
  expect(deadlines.finish(a)).toBe(true);
  clock.advance(900);
  expect(deadlines.has(b)).toBe(true);
  expect(deadlines.finish(b)).toBe(true);
  expect(clock.pending.foreground).toBe(0);
  clock.advance(10_000);
  expect(expired).toEqual([]);
});

test('what has expired cannot finish', () => {
  const { clock, deadlines, start } = open();
  const a = start('a');
  clock.advance(1_000);
  expect(deadlines.has(a)).toBe(false);
  expect(deadlines.finish(a)).toBe(false);
});

test('one that begins as another expires has its whole time', () => {
  const { clock, deadlines, expired, start } = open();
  deadlines.start(() => start('next'));
  clock.advance(1_000);
  expect(clock.pending.foreground).toBe(1);
  clock.advance(999);
  expect(expired).toEqual([]);
  clock.advance(1);
  expect(expired).toEqual(['next']);
  expect(clock.pending.foreground).toBe(0);
});

test('after a freeze everything overdue expires at the first timer', () => {
  const { clock, expired, start } = open();
  start('a');
  clock.advance(500);
  start('b');
  clock.freeze(5_000);
  clock.thaw();
  expect(expired).toEqual(['a', 'b']);
});
