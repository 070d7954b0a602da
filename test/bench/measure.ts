/** One figure: ours beside its peers, from rounds in which every side took its turn. */
export interface Result {
  readonly name: string;
  readonly ours: number;
  readonly unit: string;
  readonly peers: readonly Peer[];
  /** Ours against the best peer; above 1 is better for us. */
  readonly ratio: number;
  readonly goal: string;
  readonly met: boolean;
}

export interface Peer {
  readonly name: string;
  readonly value: number;
}

export interface Side {
  readonly name: string;
  /** Runs `count` operations. */
  run(count: number): Promise<void>;
}

export const OURS = 'leasehold';

/** The value below which the given part of all values lies. */
export const quantile = (values: readonly number[], part: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
};

export const median = (values: readonly number[]): number => quantile(values, 0.5);

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

/** What a figure is called and what it must reach; `met` is told all values, ours and the peers'. */
export interface Goal {
  readonly name: string;
  readonly unit: string;
  /** More is better for throughput and fairness, less for times and sizes. */
  readonly better: 'more' | 'less';
  readonly goal?: string;
  readonly met?: (ours: number, peer: (name: string) => number) => boolean;
}

/** A figure that nothing is asked of is there for the record. */
export const toResult = (values: ReadonlyMap<string, number>, goal: Goal): Result => {
  const { name, unit, better, met } = goal;
  const of = (side: string): number => values.get(side) ?? Number.NaN;
  const ours = of(OURS);
  const peers = [...values].filter(([side]) => side !== OURS).map(([side, value]) => ({ name: side, value }));
  const all = peers.map(({ value }) => value);
  const ratio = better === 'more' ? ours / Math.max(...all) : Math.min(...all) / ours;
  return {
    name,
    ours,
    unit,
    peers,
    ratio,
    goal: goal.goal ?? 'for the record',
    met: met?.(ours, of) ?? true,
  };
};
