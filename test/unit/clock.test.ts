import { describe, expect, test } from '@jest/globals';
import { CoarseClock, sleep, systemClock } from '../../lib/core/clock.ts';
import { FakeClock } from '../support/fake-clock.ts';

describe('elapsedMs is the larger advance of two clocks', () => {
  const at = { monotonicMs: 1_000, wallMs: 50_000 };
  test.each([
    ['both go on', { monotonicMs: 1_300, wallMs: 50_200 }, 300],
    ['a frozen monotonic clock', { monotonicMs: 1_000, wallMs: 59_000 }, 9_000],
    ['a wall clock set back', { monotonicMs: 1_500, wallMs: 1_000 }, 500],
    ['both back', { monotonicMs: 900, wallMs: 1_000 }, 0],
  ])('%s', (_, until, expected) => {
    expect(systemClock.elapsedMs(at, until)).toBe(expected);
    expect(new FakeClock().elapsedMs(at, until)).toBe(expected);
  });

  test('it is measured until now where no end is given', async () => {
    const since = systemClock.read();
    await sleep(systemClock, 20);
    expect(systemClock.elapsedMs(since)).toBeGreaterThanOrEqual(19);
    expect(systemClock.elapsedMs({ monotonicMs: since.monotonicMs + 1e6, wallMs: since.wallMs + 1e6 })).toBe(
      0,
    );
  });
});

describe('sleep', () => {
  test('it ends after its time, and leaves no listener on the signal', async () => {
    const clock = new FakeClock();
    const { signal } = new AbortController();
    let isOver = false;
    void sleep(clock, 100, signal).then(() => {
      isOver = true;
    });
    await clock.advanceAsync(99);
    expect(isOver).toBe(false);
    await clock.advanceAsync(1);
    expect(isOver).toBe(true);
    expect(clock.pending).toEqual({ foreground: 0, background: 0 });
  });

  test('an abort ends it at once, and its timer with it; so does one from before', async () => {
    const clock = new FakeClock();
    const abort = new AbortController();
    const sleeping = sleep(clock, 100, abort.signal);
    expect(clock.pending.foreground).toBe(1);
    abort.abort();
    await sleeping;
    expect(clock.pending.foreground).toBe(0);
    await sleep(clock, 100, abort.signal);
    expect(clock.pending.foreground).toBe(0);
  });
});

test('the system clock sets timers that can be cancelled, in the foreground and behind it', async () => {
  const fired: string[] = [];
  await new Promise<void>((resolve) => {
    systemClock.setTimer(1, () => fired.push('cancelled')).cancel();
    systemClock.setBackgroundTimer(1, () => fired.push('cancelled')).cancel();
    systemClock.setBackgroundTimer(1, () => fired.push('background'));
    const long = systemClock.setTimer(2 ** 31, () => fired.push('too long for Node'));
    systemClock.setTimer(-5, () => fired.push('at once'));
    systemClock.setTimer(25, () => {
      long.cancel();
      resolve();
    });
  });
  expect(fired.toSorted()).toEqual(['at once', 'background']);
});

describe('the fake clock', () => {
  test('timers fire in order of their moments, ties in the order they were set, each at its own moment', () => {
    const clock = new FakeClock();
    const start = clock.read();
    const fired: [string, number][] = [];
    const note = (name: string) => () => void fired.push([name, clock.elapsedMs(start)]);
    clock.setTimer(30, note('c'));
    clock.setTimer(10, note('a'));
    clock.setBackgroundTimer(10, () => {
      note('b')();
      clock.setTimer(5, note('b+5'));
    });
    clock.setTimer(-1, note('now'));
    clock.setTimer(100, note('later')).cancel();
    clock.advance(30);
    expect(fired).toEqual([
      ['now', 0],
      ['a', 10],
      ['b', 10],
      ['b+5', 15],
      ['c', 30],
    ]);
    expect(clock.elapsedMs(start)).toBe(30);
  });

  test('advanceAsync lets promises run between timers, also those that set the next timer', async () => {
    const clock = new FakeClock();
    const start = clock.read();
    const moments: number[] = [];
    const loop = async (): Promise<void> => {
      for (let round = 0; round < 3; round++) {
        await sleep(clock, 10);
        await Promise.resolve();
        moments.push(clock.elapsedMs(start));
      }
    };
    void loop();
    await clock.advanceAsync(100);
    expect(moments).toEqual([10, 20, 30]);
  });

  test('in a freeze time passes and nothing fires; the thaw fires what is overdue, at once and in order', async () => {
    const clock = new FakeClock();
    const start = clock.read();
    const fired: string[] = [];
    clock.setTimer(20, () => fired.push('b'));
    clock.setTimer(10, () => fired.push('a'));
    clock.setTimer(5_000, () => fired.push('later'));
    clock.freeze(1_000);
    expect([fired, clock.elapsedMs(start), clock.nextTimerMs]).toEqual([[], 1_000, 0]);
    await clock.thawAsync();
    expect([fired, clock.elapsedMs(start), clock.nextTimerMs]).toEqual([['a', 'b'], 1_000, 4_000]);
  });

  test('a monotonic clock that stops in a freeze leaves the wall clock to tell, and timers go on from there', () => {
    const clock = new FakeClock();
    const start = clock.read();
    let isFired = false;
    clock.setTimer(10, () => {
      isFired = true;
    });
    clock.freeze(60_000, { monotonicStops: true });
    clock.thaw();
    expect([isFired, clock.elapsedMs(start)]).toEqual([false, 60_000]);
    clock.advance(10);
    expect(isFired).toBe(true);
  });

  test('a step of the wall clock is seen by it alone', () => {
    const clock = new FakeClock(1_000_000);
    const start = clock.read();
    clock.stepWall(-500);
    expect(clock.read()).toEqual({ monotonicMs: start.monotonicMs, wallMs: 999_500 });
    expect(clock.elapsedMs(start)).toBe(0);
    clock.stepWall(2_000);
    expect(clock.elapsedMs(start)).toBe(1_500);
  });
});

describe('coarse readings', () => {
  const CROWD = 20;

  /** A fake clock that counts looks, and lets a test end a turn of the event loop. */
  const crowded = () => {
    const clock = new FakeClock();
    const looks = { count: 0 };
    const turn = { end: (): void => undefined };
    const coarse = new CoarseClock({
      read: () => clock.read(),
      wallMs: () => {
        looks.count += 1;
        return clock.wallMs();
      },
      afterTurn: (callback) => {
        turn.end = callback;
        return true;
      },
      elapsedMs: (since, until) => clock.elapsedMs(since, until),
      setTimer: (ms, callback) => clock.setTimer(ms, callback),
      setBackgroundTimer: (ms, callback) => clock.setBackgroundTimer(ms, callback),
    });
    return { clock, coarse, looks, turn };
  };

  test('are the same while the wall clock stands within a few ms, and new when it has moved on', () => {
    const clock = new FakeClock();
    const coarse = new CoarseClock(clock);
    const first = coarse.read();
    clock.advance(4);
    expect(coarse.read()).toBe(first);
    expect(coarse.wallMs).toBe(clock.wallMs());
    clock.advance(1);
    expect(coarse.read()).toEqual(clock.read());
  });

  test.each([
    [
      'a freeze in which the monotonic clock stands still',
      (clock: FakeClock) => clock.freeze(60_000, { monotonicStops: true }),
    ],
    ['a wall clock that was set back', (clock: FakeClock) => clock.stepWall(-60_000)],
  ])('are new after %s', (_, happen) => {
    const clock = new FakeClock();
    const coarse = new CoarseClock(clock);
    coarse.read();
    happen(clock);
    expect(coarse.read()).toEqual(clock.read());
  });

  test('in a crowd nobody looks until the turn is over; then everybody does again', () => {
    const { clock, coarse, looks, turn } = crowded();
    for (let reads = 0; reads < CROWD; reads += 1) coarse.read();
    const before = looks.count;
    expect(before).toBeLessThan(CROWD);
    clock.advance(1_000);
    coarse.read();
    expect(looks.count).toBe(before);
    turn.end();
    expect(coarse.read()).toEqual(clock.read());
    expect(looks.count).toBe(before + 1);
  });

  test('without turns to tell apart everybody looks', () => {
    const clock = new FakeClock();
    const coarse = new CoarseClock(clock);
    for (let reads = 0; reads < CROWD; reads += 1) coarse.read();
    clock.advance(1_000);
    expect(coarse.read()).toEqual(clock.read());
  });

  test('of the system know when a turn of the event loop is over', async () => {
    let isOver = false;
    systemClock.afterTurn?.(() => {
      isOver = true;
    });
    await Promise.resolve();
    expect(isOver).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
    expect(isOver).toBe(true);
  });
});
