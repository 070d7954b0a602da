/** One figure: ours beside its peers, from rounds in which every side took its turn. */
export interface Result {
  readonly name: string;
  readonly ours: number;
  readonly unit: string;
  readonly peers: readonly { readonly name: string; readonly value: number }[];
  /** Ours against the best peer; above 1 is better for us. */
  readonly ratio: number;
  readonly goal: string;
  readonly met: boolean;
}

export interface Side {
  readonly name: string;
  /** Runs `count` operations. */
  run(count: number): Promise<void>;
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
};

const WARM_UP_ROUNDS = 2;

/** Median microseconds an operation of each side; the sides take turns, so that a slow moment of the machine hits all. */
export const compare = async (
  sides: readonly Side[],
  rounds: number,
  count: number,
): Promise<Map<string, number>> => {
  const times = new Map<string, number[]>(sides.map(({ name }) => [name, []]));
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    for (const side of sides) {
      const startedAt = performance.now();
      await side.run(count);
      if (round >= 0) times.get(side.name)?.push(((performance.now() - startedAt) * 1_000) / count);
    }
  }
  return new Map([...times].map(([name, values]) => [name, median(values)]));
};
