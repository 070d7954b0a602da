import uPlot from 'uplot';
import { element, setText } from './element.ts';
import type { Sample } from './history.ts';
import { clockMinute, clockTime, counted } from './words.ts';

/** uPlot counts in seconds. */
const secondsOf = ({ atMs }: Sample): number => atMs / 1_000;

/** Whole connections: no half ones on an axis. */
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
const AXIS_WIDTH = 44;
const LEASES_HEIGHT = 210;
const WAITERS_HEIGHT = 120;
const NARROWEST_S = 60;
const TOGETHER = 'fleet';

/** Asked for at each drawing: light and dark may change in between. */
const colour = (name: string) => (): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** From nought to a little above the highest; `least` keeps a flat line off the floor. */
const upwards =
  (least: number): uPlot.Range.Function =>
  (_self, _low, high) => [0, Math.max(least, high ?? 0) * 1.08];

const axis = (more: uPlot.Axis): uPlot.Axis => ({
  stroke: colour('--faint-ink'),
  font: '12px system-ui, sans-serif',
  grid: { stroke: colour('--line'), width: 1 },
  ticks: { show: false },
  ...more,
});

const upAxis = axis({ size: AXIS_WIDTH, incrs: STEPS, space: 34, gap: 6 });

const timeAxis = (isShown: boolean): uPlot.Axis =>
  axis({
    size: isShown ? 28 : 8,
    space: 60,
    values: (_self, splits, _at, _space, step) =>
      splits.map((seconds) =>
        isShown ? (step < 60 ? clockTime(seconds * 1_000) : clockMinute(seconds * 1_000)) : '',
      ),
  });

interface PlotParts {
  readonly host: HTMLElement;
  readonly height: number;
  readonly series: readonly uPlot.Series[];
  readonly least: number;
  readonly hasTimes: boolean;
  readonly onCursor: (at: number | null | undefined) => void;
}

const plotOf = ({ host, height, series, least, hasTimes, onCursor }: PlotParts): uPlot => {
  const options: uPlot.Options = {
    width: Math.max(1, host.clientWidth),
    height,
    padding: [6, 24, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: TOGETHER }, points: { size: 7 } },
    scales: { y: { range: upwards(least) } },
    axes: [timeAxis(hasTimes), upAxis],
    series: [{}, ...series],
    hooks: { setCursor: [({ cursor }) => onCursor(cursor.idx)] },
  };
  return new uPlot(options, [[], ...series.map(() => [])], host);
};

const stepped = uPlot.paths.stepped?.({ align: 1 });
const leaseLine: uPlot.Series = {
  stroke: colour('--leases'),
  fill: colour('--leases-area'),
  width: 2,
  points: { show: false },
  ...(stepped && { paths: stepped }),
};
const capacityLine: uPlot.Series = {
  ...leaseLine,
  stroke: colour('--ink'),
  fill: 'transparent',
  width: 1.5,
  dash: [6, 4],
};
const waiterLine: uPlot.Series = {
  ...leaseLine,
  stroke: colour('--waiters'),
  fill: colour('--waiters-area'),
};

/** Leases against the capacity, and the waiters below on the same time. */
export class Chart {
  readonly #figure = element('chart');
  readonly #leases: uPlot;
  readonly #waiters: uPlot;
  #samples: readonly Sample[] = [];
  #windowMs = 0;

  constructor() {
    const [leases, waiters] = [element('chart-leases'), element('chart-waiters')];
    const onCursor = (at: number | null | undefined): void => this.#read(at);
    this.#leases = plotOf({
      host: leases,
      height: LEASES_HEIGHT,
      series: [leaseLine, capacityLine],
      least: 1,
      hasTimes: false,
      onCursor,
    });
    this.#waiters = plotOf({
      host: waiters,
      height: WAITERS_HEIGHT,
      series: [waiterLine],
      least: 4,
      hasTimes: true,
      onCursor,
    });
    new ResizeObserver(() => this.#resize()).observe(this.#figure);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#redraw());
  }

  /** `windowMs`: how far back. */
  show(samples: readonly Sample[], windowMs: number): void {
    this.#samples = samples;
    this.#windowMs = windowMs;
    const times = samples.map(secondsOf);
    const line = (read: (sample: Sample) => number | undefined): (number | null)[] =>
      samples.map((sample) => read(sample) ?? null);
    const leases = line(({ numbers }) => numbers?.leases);
    const capacity = line(({ numbers }) => numbers?.capacity);
    this.#leases.setData([times, leases, capacity], false);
    this.#waiters.setData([times, line(({ numbers }) => numbers?.waiters)], false);
    const range = this.#range(times);
    for (const plot of [this.#leases, this.#waiters]) plot.setScale('x', range);
    this.#read(this.#leases.cursor.idx);
    this.#describe();
  }

  /** What there is, as far as it fits the window; never less than a minute. */
  #range(times: readonly number[]): { min: number; max: number } {
    const last = times.at(-1) ?? 0;
    const first = Math.min(times[0] ?? 0, last - NARROWEST_S);
    return { min: Math.max(first, last - this.#windowMs / 1_000), max: last };
  }

  #resize(): void {
    const { clientWidth: width } = this.#leases.root.parentElement ?? this.#figure;
    if (width === 0) return;
    this.#leases.setSize({ width, height: LEASES_HEIGHT });
    this.#waiters.setSize({ width, height: WAITERS_HEIGHT });
  }

  #redraw(): void {
    for (const plot of [this.#leases, this.#waiters]) plot.redraw();
  }

  /** Under the pointer, else the latest. */
  #read(at: number | null | undefined): void {
    const sample = this.#samples.at(at ?? -1);
    setText(element('readout'), sample === undefined ? '' : sampleText(sample));
  }

  #describe(): void {
    const known = this.#samples.flatMap(({ numbers }) => numbers ?? []);
    const most = (read: (numbers: (typeof known)[number]) => number): number =>
      known.reduce((high, numbers) => Math.max(high, read(numbers)), 0);
    element('plots').ariaLabel =
      `Chart: at most ${most(({ leases }) => leases)} leases and ${most(({ waiters }) => waiters)} waiting. The table below has the numbers.`;
  }
}

const sampleText = ({ atMs, numbers }: Sample): string => {
  const time = clockTime(atMs);
  if (numbers === undefined) return `${time} no answer`;
  const { leases, capacity, waiters } = numbers;
  return `${time} ${leases} of ${counted(capacity, 'connection')}, ${waiters} waiting`;
};
