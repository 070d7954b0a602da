import type { LargeResult, Sample } from './large-run.ts';

interface Line {
  readonly name: string;
  readonly colour: string;
  readonly of: (sample: Sample) => number;
}

interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
  /** Drawn across, with its name. */
  readonly limit?: { readonly name: string; readonly at: number };
}

const WIDTH = 960;
const PANEL_HEIGHT = 170;
const LEFT = 72;
const RIGHT = 16;
const TOP = 44;
const GAP = 56;
const TICKS = 4;
const [BLUE, ORANGE, GREEN, GREY] = ['#2563a8', '#c2571a', '#2f7d4f', '#666'];

/** Waiting callers, leases and waiting times over the virtual time, as one picture that needs nothing else. */
export const plotOf = (result: LargeResult): string => {
  const panels = panelsOf(result);
  const height = TOP + panels.length * (PANEL_HEIGHT + GAP);
  const heading =
    `${count(result.environments)} environments, ${count(result.capacity)} connections, ` +
    `${count(result.invocations)} invocations in ${result.virtualSeconds} s (seed ${result.seed})`;
  const drawn = panels.map((panel, at) => drawPanel(panel, result.samples, TOP + at * (PANEL_HEIGHT + GAP)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#222">`,
    `<title>${heading}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="${LEFT}" y="20" font-size="14">${heading}</text>`,
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
};

const panelsOf = ({ capacity }: LargeResult): readonly Panel[] => [
  {
    title: 'Arrivals a second',
    lines: [{ name: 'arrivals', colour: GREEN, of: ({ arrivalsPerSecond }) => arrivalsPerSecond }],
  },
  { title: 'Callers waiting', lines: [{ name: 'waiting', colour: ORANGE, of: ({ waiting }) => waiting }] },
  {
    title: 'Leases that count, and sessions at the database',
    lines: [
      { name: 'leases', colour: BLUE, of: ({ leases }) => leases },
      { name: 'sessions', colour: GREEN, of: ({ sessions }) => sessions },
    ],
    limit: { name: 'capacity', at: capacity },
  },
  {
    title: 'Wait for a connection, ms',
    lines: [
      { name: 'p99', colour: ORANGE, of: ({ p99Ms }) => p99Ms },
      { name: 'p50', colour: BLUE, of: ({ p50Ms }) => p50Ms },
    ],
  },
];

const drawPanel = ({ title, lines, limit }: Panel, samples: readonly Sample[], top: number): string => {
  const highest = Math.max(1, limit?.at ?? 0, ...lines.flatMap(({ of }) => samples.map(of)));
  const max = niceCeiling(highest);
  const endMs = samples.at(-1)?.atMs ?? 1;
  const x = (atMs: number): number => LEFT + ((WIDTH - LEFT - RIGHT) * atMs) / endMs;
  const y = (value: number): number => top + PANEL_HEIGHT * (1 - value / max);
  const ticks = Array.from({ length: TICKS + 1 }, (_, at) => (max * at) / TICKS);
  const times = Array.from({ length: TICKS + 1 }, (_, at) => (endMs * at) / TICKS);
  return [
    `<text x="${LEFT}" y="${top - 8}">${title}</text>`,
    ...lines.map(({ name, colour }, at) => legend(name, colour, at, top)),
    ...ticks.map((value) => rule(y(value), count(value))),
    ...times.map((atMs) => timeMark(x(atMs), top + PANEL_HEIGHT, atMs)),
    ...(limit === undefined ? [] : [drawLimit(y(limit.at), limit.name)]),
    ...lines.map(({ colour, of }) => {
      const points = samples
        .map((sample) => `${x(sample.atMs).toFixed(1)},${y(of(sample)).toFixed(1)}`)
        .join(' ');
      return `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
    }),
  ].join('\n');
};

const legend = (name: string, colour: string, at: number, top: number): string =>
  `<text x="${WIDTH - RIGHT - 80 * at}" y="${top - 8}" text-anchor="end" fill="${colour}">${name}</text>`;

const rule = (y: number, label: string): string =>
  `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}" stroke="#e3e3e3"/>` +
  `<text x="${LEFT - 8}" y="${(y + 4).toFixed(1)}" text-anchor="end" fill="${GREY}">${label}</text>`;

const timeMark = (x: number, y: number, atMs: number): string =>
  `<text x="${x.toFixed(1)}" y="${y + 16}" text-anchor="middle" fill="${GREY}">${count(atMs / 1_000)} s</text>`;

const drawLimit = (y: number, name: string): string =>
  `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}" stroke="#b00020" stroke-dasharray="5 4"/>` +
  `<text x="${WIDTH - RIGHT}" y="${(y + 14).toFixed(1)}" text-anchor="end" fill="#b00020">${name}</text>`;

/** A little above, such that its quarters are round, too. */
const niceCeiling = (value: number): number => {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10].find((factor) => factor * power >= value) ?? 10;
  return step * power;
};

const count = (value: number): string => value.toLocaleString('en', { maximumFractionDigits: 2 });
