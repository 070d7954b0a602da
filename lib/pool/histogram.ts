/** How many values there were, by size; `upToMs` is the bound of a bucket, infinite for the last. */
export interface HistogramReport {
  readonly count: number;
  readonly sumMs: number;
  readonly maxMs: number;
  /** Only those that are not empty, smallest first. */
  readonly buckets: readonly { readonly upToMs: number; readonly count: number }[];
}

/** The bounds are the powers of two from 1 ms to about 17 minutes. */
const BUCKETS = 22;

/** Durations, counted in buckets that double. Costs no allocation, whatever comes. */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  add(ms: number): void {
    const at = ms <= 1 ? 0 : Math.min(BUCKETS - 1, 32 - Math.clz32(Math.ceil(ms) - 1));
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#count += 1;
    this.#sumMs += ms;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  report(): HistogramReport {
    const buckets = [...this.#counts]
      .map((count, at) => ({ upToMs: at === BUCKETS - 1 ? Number.POSITIVE_INFINITY : 2 ** at, count }))
      .filter(({ count }) => count > 0);
    return { count: this.#count, sumMs: this.#sumMs, maxMs: this.#maxMs, buckets };
  }
}
