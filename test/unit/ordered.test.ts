import { expect, test } from '@jest/globals';
import { Ordered } from '../../lib/core/ordered.ts';
import { chooseSeed, SeededRandom } from '../support/seeded-random.ts';

/** The same by brute force. */
class Naive {
  readonly scores = new Map<string, number>();

  get sorted(): [string, number][] {
    return [...this.scores].toSorted(([a, x], [b, y]) => x - y || (a < b ? -1 : 1));
  }

  upTo(max: number, limit: number): string[] {
    return this.sorted
      .filter(([, score]) => score <= max)
      .slice(0, Math.max(0, limit))
      .map(([id]) => id);
  }

  rankOf(score: number, id: string): number {
    return this.sorted.filter(([other, at]) => at < score || (at === score && other < id)).length;
  }

  scoreAbove(min: number, skip: number): number | undefined {
    return this.sorted.filter(([, score]) => score > min)[skip]?.[1];
  }
}

const seed = chooseSeed();

test(`ordered ids agree with a naive model over 20,000 random steps, seed ${seed}`, () => {
  const random = new SeededRandom(seed);
  const ordered = new Ordered();
  const naive = new Naive();
  for (let step = 0; step < 20_000; step++) {
    const id = `id${random.whole(0, 15)}`;
    const score = random.whole(-3, 6);
    if (random.chance(0.55)) {
      ordered.set(id, score);
      naive.scores.set(id, score);
    } else {
      expect(ordered.delete(id)).toBe(naive.scores.delete(id));
    }
    const limit = random.whole(-1, 6);
    const skip = random.whole(0, 4);
    expect(ordered.size).toBe(naive.scores.size);
    expect(ordered.score(id)).toBe(naive.scores.get(id));
    expect(ordered.upTo(score, limit)).toEqual(naive.upTo(score, limit));
    expect(ordered.rankOf(score, id)).toBe(naive.rankOf(score, id));
    expect(ordered.scoreAbove(score, skip)).toBe(naive.scoreAbove(score, skip));
  }
});
