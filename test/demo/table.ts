import Table from 'cli-table3';
import type { DemoResult, FaultPhaseResult } from './result.ts';
import type { PhaseResult } from './tally.ts';

type Cell = (phase: PhaseResult) => string;

const count = (value: number): string => value.toLocaleString('en');

const ROWS: readonly (readonly [name: string, cell: Cell])[] = [
  ['invocations completed', ({ completed }) => count(completed)],
  ['connections refused by the database', ({ refusedByDatabase }) => count(refusedByDatabase)],
  ['invocations failed', ({ failed }) => count(failed)],
  ['peak backends', ({ peakBackends }) => count(peakBackends)],
  ['latency p50', ({ p50Ms }) => `${p50Ms} ms`],
  ['latency p99', ({ p99Ms }) => `${p99Ms} ms`],
];

/** The result for a person, without colours: it may go to a file. */
export const resultTable = ({ capacity, naive, leasehold, faults }: DemoResult): string => {
  const table = new Table({
    head: ['', 'naive', 'with leasehold', 'leasehold, with faults'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  const phases = [naive, leasehold, faults];
  for (const [name, cell] of ROWS) table.push([name, ...phases.map(cell)]);
  table.push(
    ['backends that the database allows', ...phases.map(() => count(capacity))],
    [
      'registry calls per invocation',
      '-',
      ...[leasehold, faults].map((p) => String(p.registryCallsPerInvocation)),
    ],
    ['processes killed / frozen', '-', '-', `${faults.killed} / ${faults.frozen}`],
  );
  return table.toString();
};

/** What the table has no room for. */
export const remarks = ({ naive, leasehold, faults }: DemoResult): string[] => [
  ...failureRemark('naive', naive),
  ...failureRemark('with leasehold', leasehold),
  ...failureRemark('with faults', faults),
  ...slotRemark(faults),
  `Thawed processes placed ${count(faults.ordersAfterThaw)} orders under new leases, ${faults.ordersOnLostLeases} under leases from before the freeze.`,
];

const failureRemark = (name: string, { failures }: PhaseResult): string[] => {
  const causes = Object.entries(failures).sort(([, a], [, b]) => b - a);
  if (causes.length === 0) return [];
  return [`Failed ${name}: ${causes.map(([cause, times]) => `${count(times)} ${cause}`).join(', ')}.`];
};

const slotRemark = ({ slotsBack, longestSlotMs, slotBoundMs }: FaultPhaseResult): string[] =>
  slotsBack === 0
    ? []
    : [
        `${slotsBack} slots of killed and frozen processes came back; somebody wanted one of them for ${longestSlotMs} ms at most (promised: ${slotBoundMs} ms).`,
      ];
