import type { ConfigInput } from '../../lib/core/config.ts';
import { DEFAULT_SHARE, type Share } from '../../lib/core/lease.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { CALM_DATABASE, type DatabaseFaults } from './database.ts';
import { CALM_NETWORK, type NetworkFaults } from './network.ts';

/** Numbers that every pool of the fleet is created with; the rest are the defaults. */
export type PoolNumbers = Omit<ConfigInput, 'resource' | 'group' | 'share'>;

/** What goes wrong, and how often; counts are for the whole run. */
export interface FaultPlan {
  readonly network: NetworkFaults;
  readonly database: DatabaseFaults;
  readonly crashes: number;
  readonly freezes: number;
  /** Chance of a freeze before any single step of an environment. */
  readonly freezeAtStep: number;
  /** Chance of a freeze or a crash just after a login was sent: nobody is there to hear what became of it. */
  readonly lossInLogin: number;
  readonly doesMonotonicStop: boolean;
  readonly cuts: number;
  readonly outages: number;
  readonly amnesias: number;
  readonly restores: number;
  readonly restarts: number;
  readonly failovers: number;
  readonly silences: number;
  readonly serverSteps: number;
  readonly wallSteps: number;
  readonly strays: number;
  /** Times in which the database refuses every login. */
  readonly lockouts: number;
  /** Pauses, drains, other sizes and shares, all by an operator. */
  readonly operations: number;
  readonly sweeps: number;
  /** Clocks are wrong by up to this part. */
  readonly drift: number;
}

export interface PlannedGroup {
  readonly name: string;
  readonly share: Share;
}

export interface Plan {
  readonly seed: number;
  readonly loadMs: number;
  readonly registryTimeoutMs: number;
  /** The operator has said that no session is open. */
  readonly isNew: boolean;
  readonly numbers: PoolNumbers;
  /** What kinds of consumers there are; at least one. */
  readonly groups: readonly PlannedGroup[];
  readonly faults: FaultPlan;
}

/** A small fleet, whose every environment has invocations of its own. */
export interface SmallPlan extends Plan {
  readonly environments: number;
  /** Mean pause between two invocations of an environment, in ms. */
  readonly pauseMs: number;
  readonly workMs: number;
  /** Chance of a statement that outlives everything. */
  readonly longWork: number;
  readonly freezesBetween: boolean;
  readonly concurrency: number;
}

export const ONE_GROUP: readonly PlannedGroup[] = [{ name: 'default', share: DEFAULT_SHARE }];

export const NO_FAULTS: FaultPlan = {
  network: CALM_NETWORK,
  database: CALM_DATABASE,
  crashes: 0,
  freezes: 0,
  freezeAtStep: 0,
  lossInLogin: 0,
  doesMonotonicStop: false,
  cuts: 0,
  outages: 0,
  amnesias: 0,
  restores: 0,
  restarts: 0,
  failovers: 0,
  silences: 0,
  serverSteps: 0,
  wallSteps: 0,
  strays: 0,
  lockouts: 0,
  operations: 0,
  sweeps: 0,
  drift: 0,
};

/** A small fleet with short times and a random mixture of faults. */
export const planOf = (seed: number): SmallPlan => {
  const random = new SeededRandom(seed);
  const numbers = { ...numbersOf(random), ...lifeOf(new SeededRandom(seed + LIFE_SEEDS)) };
  return {
    seed,
    environments: random.whole(3, 12),
    loadMs: random.whole(6, 16) * 1_000,
    pauseMs: random.pick([50, 200, 1_000, 3_000]),
    workMs: random.pick([5, 20, 100]),
    longWork: random.chance(0.3) ? 0.02 : 0,
    freezesBetween: random.chance(0.6),
    concurrency: random.chance(0.25) ? random.whole(2, 4) : 1,
    registryTimeoutMs: random.whole(100, 800),
    isNew: random.chance(0.85),
    numbers,
    groups: groupsOf(random, numbers),
    faults: faultsOf(random),
  };
};

const numbersOf = (random: SeededRandom): PoolNumbers => {
  const capacity = random.whole(1, 6);
  const headroom = random.chance(0.25) ? 0 : random.whole(0, Math.floor(capacity / 2));
  const protectMs = random.whole(1_000, 2_500);
  return {
    capacity,
    headroom,
    protectMs,
    idleMs: random.chance(0.4) ? protectMs : random.whole(protectMs, 4_000),
    quantumMs: headroom === 0 ? 0 : random.pick([0, 50, 200]),
    connectTimeoutMs: random.whole(100, Math.floor(protectMs * 0.4)),
    dutyMs: random.whole(100, 1_500),
    max: random.pick([1, 1, 2, 3]),
    acquireTimeoutMs: random.pick([300, 1_500, 5_000, 10_000]),
    checkAfterIdleMs: random.pick([0, 500, 5_000]),
    operationTimeoutMs: random.whole(60, 600),
    claimMs: random.pick([100, 500, 1_000]),
    ...(random.chance(0.25) && {
      connectsPerSecond: random.pick([2, 5, 20]),
      connectBurst: random.whole(1, 4),
    }),
  };
};

/** Drawn apart, so that the rest of a plan stays what it was. */
const LIFE_SEEDS = 1_000_000_007;

/** How long connections live, and who looks after them. */
const lifeOf = (random: SeededRandom): Partial<PoolNumbers> => ({
  healthCheckIntervalMs: random.chance(0.4) ? random.whole(200, 3_000) : 0,
  ...(random.chance(0.2) && { min: 1 }),
  ...(random.chance(0.3) && { maxLifetimeMs: random.whole(1_000, 6_000) }),
  ...(random.chance(0.15) && { maxUses: random.whole(1, 5) }),
  ...(random.chance(0.3) && { idleTimeoutMs: random.whole(100, 1_000) }),
});

/** Up to three groups; their minima have room. */
const groupsOf = (random: SeededRandom, { capacity, headroom = 0 }: PoolNumbers): readonly PlannedGroup[] => {
  if (random.chance(0.5)) return ONE_GROUP;
  let left = capacity - headroom;
  return ['a', 'b', 'c'].slice(0, random.whole(2, 3)).map((name) => {
    const min = random.chance(0.5) ? random.whole(0, left) : 0;
    left -= min;
    const max = random.chance(0.5) ? DEFAULT_SHARE.max : random.whole(Math.max(1, min), capacity);
    return { name, share: { min, max, priority: random.whole(0, 1) } };
  });
};

const faultsOf = (random: SeededRandom): FaultPlan => {
  const some = (most: number, chance = 0.35): number => (random.chance(chance) ? random.whole(1, most) : 0);
  const rate = (most: number, chance = 0.35): number =>
    random.chance(chance) ? most * random.fraction() : 0;
  const doesMonotonicStop = random.chance(0.5);
  const restores = some(2, 0.12);
  return {
    network: {
      dropRequest: rate(0.1),
      dropReply: rate(0.1),
      duplicate: rate(0.1),
      late: rate(0.1),
      lateMaxMs: random.pick([50, 500, 4_000]),
    },
    database: {
      slowLogin: rate(0.5),
      refused: rate(0.1),
      unseenEnd: rate(0.3),
      unseenGone: rate(0.5),
      slowAnswer: rate(0.2),
      denied: rate(0.1, 0.15),
    },
    crashes: some(5, 0.5),
    freezes: some(6, 0.5),
    freezeAtStep: rate(0.004, 0.4),
    lossInLogin: rate(0.3, 0.3),
    doesMonotonicStop,
    cuts: some(2, 0.25),
    outages: some(2, 0.15),
    amnesias: some(2, 0.2),
    restores,
    restarts: some(2, 0.2),
    failovers: some(2, 0.2),
    silences: some(2, 0.2),
    // The log that a restoration reads again knows no steps.
    serverSteps: restores > 0 ? 0 : some(2, 0.15),
    // Both clocks of a frozen machine wrong at once is more than anybody can see through.
    wallSteps: doesMonotonicStop ? 0 : some(3, 0.3),
    strays: some(3, 0.2),
    lockouts: some(2, 0.15),
    operations: some(5, 0.35),
    sweeps: some(4, 0.25),
    drift: rate(0.01, 0.4),
  };
};
