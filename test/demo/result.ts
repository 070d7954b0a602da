import type { Arguments } from './arguments.ts';
import type { FaultResult } from './faults.ts';
import type { PhaseResult } from './tally.ts';

export interface FaultPhaseResult extends PhaseResult, FaultResult {
  /** Slots of killed and frozen processes, and the longest time for which somebody wanted one of them. */
  readonly slotsBack: number;
  readonly longestSlotMs: number;
  /** What the protocol promises: one protection time and one connect. */
  readonly slotBoundMs: number;
}

export interface DemoResult {
  /** Its engine, as a person calls it. */
  readonly database: string;
  readonly registry: 'redis' | 'memory';
  readonly capacity: number;
  readonly environments: number;
  readonly seconds: number;
  readonly naive: PhaseResult;
  readonly leasehold: PhaseResult;
  readonly faults: FaultPhaseResult;
}

/** The object that `--json` prints. */
export const toJson = ({ naive, leasehold, faults, ...facts }: DemoResult): string => {
  const { completed, refusedByDatabase, failed } = naive;
  const { failures: _, ...underLeases } = leasehold;
  const { killed, frozen, failures: __, ...more } = faults;
  return JSON.stringify(
    {
      ...facts,
      naive: { completed, refusedByDatabase, failed },
      leasehold: underLeases,
      faults: { killed, frozen, ...more },
    },
    undefined,
    2,
  );
};

/** Fewer refusals than this, and the naive fleet has shown nothing. */
const TELLING_REFUSALS = 20;

export interface Verdict {
  readonly isGood: boolean;
  readonly sentence: string;
}

export const verdictOn = (result: DemoResult, { capacity }: Pick<Arguments, 'capacity'>): Verdict => {
  const { naive, leasehold, faults } = result;
  const broken = [
    ...brokenBy('with leasehold', leasehold, capacity),
    ...brokenBy('with faults', faults, capacity),
    ...(faults.ordersOnLostLeases > 0
      ? [`${faults.ordersOnLostLeases} orders were placed on leases that had been lost`]
      : []),
  ];
  if (broken.length > 0) return { isGood: false, sentence: `leasehold FAILED: ${broken.join('; ')}.` };
  if (naive.refusedByDatabase < TELLING_REFUSALS) {
    const sentence = `Nothing shown: the naive fleet was refused only ${naive.refusedByDatabase} times; give it more --environments or --seconds.`;
    return { isGood: false, sentence };
  }
  const sentence =
    `Same database, same limit of ${capacity}: it refused the naive fleet ${naive.refusedByDatabase} times, and the fleet with leasehold ` +
    `not once, nor with ${faults.killed} of its processes killed and ${faults.frozen} frozen.`;
  return { isGood: true, sentence };
};

const brokenBy = (when: string, phase: PhaseResult, capacity: number): string[] => [
  ...(phase.refusedByDatabase > 0 ? [`${phase.refusedByDatabase} connections refused ${when}`] : []),
  ...(phase.peakBackends > capacity ? [`${phase.peakBackends} backends ${when}, above ${capacity}`] : []),
  ...(phase.completed === 0 ? [`nothing was completed ${when}`] : []),
];
