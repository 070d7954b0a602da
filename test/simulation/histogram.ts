const BUCKETS_A_DECADE = 60;
const SMALLEST_MS = 0.1;

/** Waiting times in buckets that are 4 % wide: a hundred million of them cost as much memory as ten. */
export class Histogram {
  count = 0;
  maxMs = 0;
  #buckets: number[] = [];

  add(ms: number): void {
    this.count += 1;
    this.maxMs = Math.max(this.maxMs, ms);
    const at = ms < SMALLEST_MS ? 0 : 1 + Math.floor(BUCKETS_A_DECADE * Math.log10(ms / SMALLEST_MS));
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
  }

  /** The time that this part of all did not exceed; 0 of none. */
  quantile(part: number): number {
    let left = Math.ceil(part * this.count);
    for (const [at, count] of this.#buckets.entries()) {
      left -= count ?? 0;
      if (left <= 0) return at === 0 ? 0 : Math.min(this.maxMs, SMALLEST_MS * 10 ** (at / BUCKETS_A_DECADE));
    }
    return this.maxMs;
  }

  clear(): void {
    this.count = 0;
    this.maxMs = 0;
    this.#buckets = [];
  }
}
