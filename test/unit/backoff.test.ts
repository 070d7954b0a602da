import { describe, expect, test } from '@jest/globals';
import {
  failureDelayMs,
  listeningPollDelayMs,
  pollDelayMs,
  refusedDelayMs,
  registryDelayMs,
  serviceDelayMs,
} from '../../lib/core/backoff.ts';

const poll = (position: number, waitedMs: number, fraction: number, hintMs = 500): number =>
  pollDelayMs({ position, waitedMs, hintMs, fraction });

describe('the poll of a waiting caller', () => {
  test.each([
    // position, waited, fraction, delay
    [1, 0, 0.5, 10],
    [1, 0, 0, 10],
    [1, 0, 0.999, 15],
    [10, 0, 0.5, 100],
    [10, 0, 0, 50],
    [10, 1_000, 0.5, 50],
    [10, 60_000, 0.5, 50],
    [40, 0, 0.5, 400],
    [1_000, 0, 0, 500],
    [1_000, 0, 0.999, 500],
  ])('position %i after %i ms with %d: %i ms', (position, waitedMs, fraction, expected) => {
    expect(Math.round(poll(position, waitedMs, fraction))).toBe(expected);
  });

  test('the hint bounds it from above and never delays it', () => {
    expect(poll(100, 0, 0.5, 20)).toBe(20);
    expect(poll(1, 0, 0.5, 400)).toBe(10);
    expect(poll(1, 0, 0.5, 0)).toBe(1);
  });

  test('a better place and a longer wait never poll more slowly', () => {
    for (let position = 1; position < 200; position += 1) {
      expect(poll(position, 0, 0.5)).toBeLessThanOrEqual(poll(position + 1, 0, 0.5));
      expect(poll(position, 500, 0.5)).toBeLessThanOrEqual(poll(position, 0, 0.5));
    }
  });
});

describe('the poll of a caller that hears wake-ups', () => {
  test.each([
    // liveness, hint, fraction, delay
    [1_500, 500, 0, 500],
    [1_500, 500, 0.999, 400],
    [600, 500, 0, 200],
    [600, 500, 0.999, 160],
    [60_000, 500, 0, 500],
    [1_500, 120, 0.5, 120],
    [1_500, 0, 0.5, 10],
  ])('a ticket that lives %i ms, hint %i ms, %d: %i ms', (livenessMs, hintMs, fraction, expected) => {
    expect(Math.round(listeningPollDelayMs({ livenessMs, hintMs, fraction }))).toBe(expected);
  });
});

test('after failed connects: 1, 2, 4, 8, 16, 32, 60, 60 s, give or take a fifth', () => {
  const delays = (fraction: number) =>
    [1, 2, 3, 4, 5, 6, 7, 8].map((failures) => failureDelayMs(failures, fraction) / 1_000);
  expect(delays(0.5)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  expect(delays(0)).toEqual([0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 48, 48]);
  expect(failureDelayMs(1, 0.999_999)).toBeLessThan(1_200);
});

test('an unanswering registry: full jitter, doubling from 20 ms to 1 s', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 20].map((failures) => registryDelayMs(failures, 0.5))).toEqual([
    10, 20, 40, 80, 160, 320, 500, 500,
  ]);
  expect(registryDelayMs(1, 0)).toBe(1);
});

test('a refusal for want of connections is tried again after 5 to 50 ms', () => {
  expect(refusedDelayMs(0)).toBe(5);
  expect(refusedDelayMs(0.999_999)).toBeLessThan(50);
});

test('what a service turned away is repeated after 50 ms to 3 s, with equal jitter', () => {
  expect([1, 2, 3, 20].map((attempt) => serviceDelayMs(attempt, 0))).toEqual([50, 100, 200, 1_500]);
  expect([1, 2, 3, 20].map((attempt) => serviceDelayMs(attempt, 1))).toEqual([100, 200, 400, 3_000]);
});
