import { describe, expect, test } from '@jest/globals';
import { asset, named } from '../../.ci/embed-console.ts';
import { History } from '../../functions/console/history.ts';
import { leasesOf, segmentsOf, totalOf } from '../../functions/console/segments.ts';
import { verdictOf } from '../../functions/console/verdict.ts';
import { clockTime, duration } from '../../functions/console/words.ts';
import type { FleetCounts } from '../../functions/status-view.ts';
import { fleetView, unknownView } from '../support/fleet-view.ts';
import { chooseSeed, SeededRandom } from '../support/seeded-random.ts';

describe('the history', () => {
  const START = Date.UTC(2026, 5, 1, 14);
  const numbers = (leases: number, waiters = 0) => ({ leases, capacity: 20, waiters });

  test('keeps the last hour, and no more samples than two thousand', () => {
    const history = new History();
    for (let at = 0; at <= 7_200; at += 2) history.add({ atMs: START + at * 1_000, numbers: numbers(1) });
    expect(history.samples).toHaveLength(1_801);
    expect(history.samples[0]?.atMs).toBe(START + 3_600_000);
    for (let at = 0; at < 3_000; at++) history.add({ atMs: START + 7_200_000 + at, numbers: numbers(1) });
    expect(history.samples).toHaveLength(2_000);
  });

  test('never goes back in time: what a clock that was set back left behind is dropped', () => {
    const history = new History();
    for (const second of [0, 2, 4, 1])
      history.add({ atMs: START + second * 1_000, numbers: numbers(second) });
    expect(history.samples.map(({ atMs }) => (atMs - START) / 1_000)).toEqual([0, 1]);
  });

  test('is told by the minute, the latest first, without the minutes of silence', () => {
    const history = new History();
    const samples: [number, ReturnType<typeof numbers> | undefined][] = [
      [0, numbers(5, 1)],
      [30, numbers(9, 4)],
      [59, numbers(7)],
      [60, undefined],
      [120, numbers(3)],
    ];
    for (const [second, of] of samples) history.add({ atMs: START + second * 1_000, numbers: of });
    expect(history.minutes()).toEqual([
      { startMs: START + 120_000, leasesMin: 3, leasesMax: 3, capacity: 20, waitersMax: 0 },
      { startMs: START, leasesMin: 5, leasesMax: 9, capacity: 20, waitersMax: 4 },
    ]);
  });
});

describe('the bar', () => {
  const seed = chooseSeed();

  test(`shows the whole capacity and nothing twice, whatever is taken (LEASEHOLD_SEED=${seed})`, () => {
    const random = new SeededRandom(seed);
    for (let round = 0; round < 2_000; round++) {
      const capacity = random.whole(1, 30);
      const [safe, revocable, revoking] = [random.whole(0, 12), random.whole(0, 12), random.whole(0, 12)];
      const counts: FleetCounts = {
        ...fleetView().counts,
        capacity,
        headroom: random.whole(0, capacity - 1),
        held: safe + revocable,
        protected: safe,
        revocable,
        revoking,
        claims: random.whole(0, 3),
        foreign: random.whole(0, 3),
      };
      const segments = segmentsOf(counts);
      const taken = leasesOf(counts) + counts.claims + counts.foreign;
      expect(totalOf(segments)).toBe(Math.max(capacity, taken));
      expect(Math.min(...Object.values(segments))).toBeGreaterThanOrEqual(0);
      expect(segments.headroom).toBeLessThanOrEqual(counts.headroom);
      if (segments.free > 0) expect(segments.headroom).toBe(counts.headroom);
    }
  });
});

describe('the verdict', () => {
  const { counts } = fleetView();

  test.each([
    ['fine', 'All is well', fleetView()],
    ['fine', 'Looking …', undefined],
    [
      'attention',
      "The registry does not know orders yet: its first grant, or a deploy's first step, names it",
      unknownView(),
    ],
    ['trouble', 'Breaker open: connects to the database fail', fleetView({ breaker: 'open' })],
    ['trouble', '2 connections above the capacity', fleetView({ counts: { ...counts, debt: 2 } })],
    ['attention', 'Breaker half-open: a few connects are tried', fleetView({ breaker: 'half-open' })],
    ['attention', 'Grants are paused by an operator', fleetView({ control: 'paused' })],
    ['attention', 'An operator empties the fleet: nothing is granted', fleetView({ control: 'draining' })],
    ['attention', 'Learning for another 5 s: nothing is granted yet', fleetView({ learningMs: 4_001 })],
    ['attention', 'At capacity: 3 callers wait', fleetView({ counts: { ...counts, held: 16, waiters: 3 } })],
    [
      'attention',
      '1 session without a lease takes from the capacity',
      fleetView({ counts: { ...counts, foreign: 1 } }),
    ],
    ['attention', 'No sweeper has ever run', fleetView({ sweep: null })],
    [
      'attention',
      'The sweeper last ran 6 min ago',
      fleetView({ sweep: { agoMs: 360_000, isRunning: false, lookedAgoMs: null } }),
    ],
  ] as const)('is %s: %s', (gravity, title, view) => {
    expect(verdictOf(view)).toEqual({ gravity, title, others: [] });
  });

  test('puts what is gravest first, and silence before everything', () => {
    const view = fleetView({ control: 'paused', breaker: 'open', sweep: null });
    const sinceMs = Date.UTC(2026, 5, 1, 14);
    const { title, others } = verdictOf(view, { who: 'registry', sinceMs });
    expect(title).toBe(`Registry unreachable since ${clockTime(sinceMs)}`);
    expect(others.map(({ text }) => text)).toEqual([
      'Breaker open: connects to the database fail',
      'Grants are paused by an operator',
      'No sweeper has ever run',
    ]);
  });
});

test.each([
  [-5, '0 s'],
  [999, '0 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [3_599_999, '59 min'],
  [3_600_000, '1 h'],
  [7_500_000, '2 h 5 min'],
])('%d ms read %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});

describe('the generator', () => {
  test('names an asset after its content', () => {
    expect(asset('a.js', 'x')).toEqual({
      name: expect.stringMatching(/^a\.[0-9a-f]{8}\.js$/),
      type: 'text/javascript; charset=utf-8',
      body: 'x',
    });
    expect(asset('a.js', 'x').name).not.toBe(asset('a.js', 'y').name);
    expect(() => asset('a.exe', 'x')).toThrow('No media type is known for a.exe.');
  });

  test('puts the names into the page, and refuses one that nobody knows', () => {
    expect(named('<a href="{{b}}">{{b}}</a>', new Map([['b', 'c']]))).toBe('<a href="c">c</a>');
    expect(() => named('{{d}}', new Map())).toThrow('The page names d, and there is none.');
  });
});
