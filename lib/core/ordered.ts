/** Ids ordered by a score, ties by id: the in-memory twin of a Redis sorted set. */
export class Ordered {
  readonly #scores = new Map<string, number>();
  readonly #sorted: string[] = [];

  get size(): number {
    return this.#scores.size;
  }

  score(id: string): number | undefined {
    return this.#scores.get(id);
  }

  set(id: string, score: number): void {
    this.delete(id);
    this.#sorted.splice(this.#position(score, id), 0, id);
    this.#scores.set(id, score);
  }

  delete(id: string): boolean {
    const score = this.#scores.get(id);
    if (score === undefined) return false;
    this.#sorted.splice(this.#position(score, id), 1);
    this.#scores.delete(id);
    return true;
  }

  clear(): void {
    this.#scores.clear();
    this.#sorted.length = 0;
  }

  /** How many entries come before (score, id). */
  rankOf(score: number, id: string): number {
    return this.#position(score, id);
  }

  /** Up to `limit` ids in order, whose score is at most `max`. */
  upTo(max: number, limit: number): string[] {
    const page: string[] = [];
    for (const id of this.#sorted) {
      if (page.length >= limit || this.#scoreOf(id) > max) break;
      page.push(id);
    }
    return page;
  }

  /** The score of the entry `skip` places after the first one with a score above `min`. */
  scoreAbove(min: number, skip: number): number | undefined {
    const id = this.#sorted[this.#position(min, '\uffff') + skip];
    return id === undefined ? undefined : this.#scoreOf(id);
  }

  #scoreOf(id: string): number {
    return this.#scores.get(id) ?? Number.NaN;
  }

  /** First place whose entry is not before (score, id). */
  #position(score: number, id: string): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#sorted[middle] ?? '';
      const otherScore = this.#scoreOf(other);
      if (otherScore < score || (otherScore === score && other < id)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
