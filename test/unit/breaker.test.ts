import { describe, expect, test } from '@jest/globals';
import {
  afterFailure,
  afterTime,
  type Breaker,
  CLOSED,
  isFailure,
  mayTry,
  openForMs,
  phaseOf,
  withoutTrial,
  withTrial,
} from '../../lib/core/breaker.ts';
import { LIMITS } from '../../lib/core/limits.ts';

const NOW = 1_000_000;
const failure = { holder: 'a', isAuth: false, now: NOW, held: 5 };
/** After a failure of each, one millisecond apart. */
const failing = (breaker: Breaker, holders: readonly string[], more: Partial<typeof failure> = {}): Breaker =>
  holders.reduce(
    (before, holder, at) => afterFailure(before, { ...failure, now: NOW + at, ...more, holder }),
    breaker,
  );
const OPEN = failing(CLOSED, ['a', 'b', 'c'], { now: NOW });
const HALF_OPEN_AT = OPEN.openUntil;

describe('opening', () => {
  test.each<[string, readonly string[], Partial<typeof failure>, 'open' | 'closed']>([
    ['three holders', ['a', 'b', 'c'], {}, 'open'],
    ['three holders, one of them twice', ['a', 'b', 'a', 'c'], {}, 'open'],
    ['two holders', ['a', 'b', 'a', 'b', 'a'], {}, 'closed'],
    ['one holder, where nothing is held', ['a', 'a', 'a'], { held: 0 }, 'open'],
    ['two failures, where nothing is held', ['a', 'b'], { held: 0 }, 'closed'],
  ])('%s', (_, holders, more, expected) => {
    const breaker = failing(CLOSED, holders, more);
    expect(phaseOf(breaker, NOW + holders.length - 1)).toBe(expected);
  });

  test('only failures within the window count', () => {
    const early = failing(CLOSED, ['a', 'b']);
    const late = { ...failure, holder: 'c' };
    expect(afterFailure(early, { ...late, now: NOW + LIMITS.breakerWindowMs - 1 }).openings).toBe(1);
    expect(afterFailure(early, { ...late, now: NOW + LIMITS.breakerWindowMs }).openings).toBe(0);
  });

  test('L11 a bounded number of failures is remembered, the last ones', () => {
    const breaker = failing(CLOSED, ['first', ...Array<string>(20).fill('again')]);
    expect(breaker.failures).toHaveLength(LIMITS.breakerMemory);
    expect(failing(breaker, ['b', 'c']).openings).toBe(1);
    expect(breaker.failures.map(({ holder }) => holder)).not.toContain('first');
  });

  test.each([
    ['refused', true],
    ['auth', true],
    ['unanswered', true],
    ['closed', false],
    ['unused', false],
    ['unseen', false],
  ] as const)('%s is a failed connect: %s', (outcome, expected) => expect(isFailure(outcome)).toBe(expected));

  test('it stays open for longer each time, up to a bound, and longer where logins were refused', () => {
    const times = (isAuth: boolean): number[] =>
      [1, 2, 3, 4, 5, 6, 7, 99].map((openings) => openForMs(openings, isAuth));
    expect(times(false)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
    expect(times(true)).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });
});

describe('open and half-open', () => {
  test('nobody may try while it is open, two at once from then on', () => {
    expect(mayTry(CLOSED, NOW)).toBe(true);
    expect(mayTry(OPEN, HALF_OPEN_AT - 1)).toBe(false);
    expect(phaseOf(OPEN, HALF_OPEN_AT)).toBe('half-open');
    expect(mayTry(OPEN, HALF_OPEN_AT)).toBe(true);
    const until = HALF_OPEN_AT + 4_000;
    const one = withTrial(OPEN, { id: 'x', until });
    const two = withTrial(one, { id: 'y', until });
    expect([mayTry(one, HALF_OPEN_AT), mayTry(two, HALF_OPEN_AT)]).toEqual([true, false]);
    expect(mayTry(withoutTrial(two, 'x'), HALF_OPEN_AT)).toBe(true);
    expect(mayTry(withoutTrial(two, 'other'), HALF_OPEN_AT)).toBe(false);
  });

  test('a failure while it is open changes nothing, half-open it opens anew and ends the trials', () => {
    expect(failing(OPEN, ['d'], { now: HALF_OPEN_AT - 1 })).toBe(OPEN);
    const trying = withTrial(OPEN, { id: 'x', until: HALF_OPEN_AT + 4_000 });
    const again = failing(trying, ['d'], { now: HALF_OPEN_AT, isAuth: true });
    expect(again).toEqual({
      openings: 2,
      isAuth: true,
      openUntil: HALF_OPEN_AT + 4_000,
      failures: [],
      trials: [],
    });
  });

  test('an unanswered trial is a failure of the same kind', () => {
    const trying = withTrial({ ...OPEN, isAuth: true }, { id: 'x', until: HALF_OPEN_AT + 4_000 });
    expect(afterTime(trying, HALF_OPEN_AT + 3_999)).toBe(trying);
    expect(afterTime(trying, HALF_OPEN_AT + 4_000)).toMatchObject({
      openings: 2,
      isAuth: true,
      openUntil: HALF_OPEN_AT + 8_000,
      trials: [],
    });
  });
});
