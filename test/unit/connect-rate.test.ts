import { expect, test } from '@jest/globals';
import { connectAfterMs, nextTat, startsLeft } from '../../lib/core/connect-rate.ts';
import { LIMITS } from '../../lib/core/limits.ts';
import { chooseSeed, SeededRandom } from '../support/seeded-random.ts';

test('without a rate nothing is put off, and nothing booked', () => {
  expect(connectAfterMs({ connectsPerSecond: 0, connectBurst: 1 }, 9e15, 0)).toBe(0);
  expect(nextTat({ connectsPerSecond: 0, connectBurst: 1 }, 5, 9)).toBe(0);
});

test('in no stretch of time do more connects start than the burst and what the rate adds, whenever they are asked for', () => {
  const seed = chooseSeed();
  const random = new SeededRandom(seed);
  for (let round = 0; round < 50; round++) {
    const rate = { connectsPerSecond: random.whole(1, 300), connectBurst: random.whole(1, 20) };
    let [tat, now] = [0, Date.UTC(2026, 5, 1)];
    const starts: number[] = [];
    for (let at = 0; at < 200; at++) {
      now += random.chance(0.2) ? random.whole(0, 2_000) : random.whole(0, 3);
      starts.push(now + connectAfterMs(rate, tat, now));
      tat = nextTat(rate, tat, now);
    }
    const worst = starts.map((from, at) =>
      Math.max(
        ...starts.slice(at).map((to, more) => more + 1 - (to - from) * (rate.connectsPerSecond / 1_000)),
      ),
    );
    // A start is a whole millisecond, rounded up: the one before it may be later by less than one.
    const slack = rate.connectsPerSecond / 1_000 + 1e-3;
    expect({ seed, round, isWithin: Math.max(...worst) <= rate.connectBurst + slack }).toEqual({
      seed,
      round,
      isWithin: true,
    });
  }
});

test.each([
  [0, 1],
  [1, 1],
  [10, 1],
  [10, 3],
  [40, 7],
])(
  '%i connects a second, %i at once: as many are left as can be granted before one is put off too long',
  (connectsPerSecond, connectBurst) => {
    const rate = { connectsPerSecond, connectBurst };
    let [tat, now] = [0, 1_000_000];
    for (const passedMs of [0, 1, 300, 4_000, 60_000]) {
      now += passedMs;
      const left = startsLeft(rate, tat, now);
      let granted = 0;
      while (connectsPerSecond > 0 && connectAfterMs(rate, tat, now) <= LIMITS.connectAfterMaxMs) {
        tat = nextTat(rate, tat, now);
        granted += 1;
      }
      expect(left).toBe(connectsPerSecond === 0 ? Number.POSITIVE_INFINITY : granted);
      expect(startsLeft(rate, tat, now)).toBe(connectsPerSecond === 0 ? Number.POSITIVE_INFINITY : 0);
    }
  },
);
