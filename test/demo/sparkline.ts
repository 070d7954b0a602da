const BLOCKS = ' ▁▂▃▄▅▆▇█';

/** A row of bars of the same width for every point; `top` fills the height. Anything above nothing is seen. */
export const sparkline = (points: readonly number[], top: number): string =>
  points.map((point) => BLOCKS[level(point, top)]).join('');

const level = (point: number, top: number): number => {
  if (point <= 0 || top <= 0) return 0;
  return Math.min(BLOCKS.length - 1, Math.max(1, Math.round((point / top) * (BLOCKS.length - 1))));
};

/** Values over time, in as many points as fit the width. */
export class Series {
  readonly #points: number[] = [];
  readonly #pointMs: number;
  readonly #combine: (a: number, b: number) => number;

  constructor(totalMs: number, width: number, combine: 'most' | 'sum') {
    this.#pointMs = totalMs / width;
    this.#combine = combine === 'most' ? Math.max : (a, b) => a + b;
  }

  get points(): readonly number[] {
    return this.#points;
  }

  get most(): number {
    return Math.max(0, ...this.#points);
  }

  add(atMs: number, value: number): void {
    const at = Math.floor(atMs / this.#pointMs);
    while (this.#points.length <= at) this.#points.push(0);
    this.#points[at] = this.#combine(this.#points[at] ?? 0, value);
  }
}
