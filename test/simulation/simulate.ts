/** `npm run simulate`: a large fleet on the virtual clock. Progress goes to stderr, the result to stdout. */
import { writeFile } from 'node:fs/promises';
import Table from 'cli-table3';
import { type LargeResult, LargeRun, type Progress } from './large-run.ts';
import { plotOf } from './plot.ts';
import { readArguments, type SimulateArguments, UsageError } from './simulate-arguments.ts';

const USAGE = 2;

const count = (value: number): string => value.toLocaleString('en');
const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : count(Math.round(value))} ms`;
const seconds = (value: number): string => `${value.toFixed(1)} s`;

/** One line that is written over, on a terminal only. */
const showProgress = (total: number) => {
  const { stderr } = process;
  if (!stderr.isTTY) return { tell: () => undefined, clear: () => undefined };
  return {
    tell: ({ virtualMs, steps, waiting, sessions }: Progress) =>
      stderr.write(
        `\r\u001b[K${seconds(virtualMs / 1_000)} of ${total} s, ${count(steps)} steps, ${count(sessions)} sessions, ${count(waiting)} waiting`,
      ),
    clear: () => stderr.write('\r\u001b[K'),
  };
};

const tableOf = (result: LargeResult, realSeconds: number): string => {
  const table = new Table({ colAligns: ['left', 'right'], style: { head: [], border: [], compact: true } });
  const checked = Object.values(result.lawsChecked).reduce((sum, looks) => sum + looks, 0);
  const failed = Object.values(result.failures).reduce((sum, times) => sum + times, 0);
  table.push(
    ['environments, of them used', `${count(result.environments)}, ${count(result.environmentsStarted)}`],
    ['invocations', count(result.invocations)],
    ['served', count(result.served)],
    ['failed', count(failed)],
    ['no environment was free', count(result.throttled)],
    ['wait p50', ms(result.waitP50Ms)],
    ['wait p99', ms(result.waitP99Ms)],
    ['longest wait', ms(result.waitMaxMs)],
    ['most callers waiting', count(result.peakWaiting)],
    ['most sessions, of capacity', `${count(result.peakSessions)} of ${count(result.capacity)}`],
    ['registry operations per invocation', result.registryOperationsPerInvocation.toFixed(2)],
    ['leases granted', count(result.grants)],
    ['leases revoked', count(result.revocations)],
    ['laws looked at', count(checked)],
    ['steps', count(result.steps)],
    ['real time', seconds(realSeconds)],
    ['virtual seconds per real second', (result.virtualSeconds / realSeconds).toFixed(2)],
  );
  return table.toString();
};

const remarksOn = ({ failures, excused }: LargeResult): string[] => [
  ...list('Failed', failures),
  ...list('Stated exceptions seen', excused),
];

const list = (heading: string, counts: Readonly<Record<string, number>>): string[] => {
  const entries = Object.entries(counts);
  return entries.length === 0
    ? []
    : [`${heading}: ${entries.map(([name, times]) => `${count(times)} ${name}`).join(', ')}.`];
};

const verdictOn = ({ violation, seed }: LargeResult): string =>
  violation === undefined
    ? `Every law held. Seed ${seed}.`
    : `Seed ${seed} breaks ${violation.law} at ${violation.atMs.toFixed(1)} ms: ${violation.text}`;

const print = (result: LargeResult, given: SimulateArguments, realSeconds: number): void => {
  if (given.isJson) {
    process.stdout.write(`${JSON.stringify({ ...result, realSeconds })}\n`);
    return;
  }
  process.stdout.write(
    `${[tableOf(result, realSeconds), ...remarksOn(result), '', verdictOn(result)].join('\n')}\n`,
  );
};

const main = async (): Promise<void> => {
  try {
    const given = readArguments(process.argv.slice(2));
    // A file that cannot be written should be known before the minutes, not after.
    if (given.svg !== undefined) await writeFile(given.svg, '');
    const progress = showProgress(given.seconds);
    const since = performance.now();
    const result = await new LargeRun(given).run(progress.tell);
    progress.clear();
    if (given.svg !== undefined) await writeFile(given.svg, plotOf(result));
    print(result, given, (performance.now() - since) / 1_000);
    if (result.violation !== undefined) process.exitCode = 1;
  } catch (error) {
    if (error instanceof UsageError) process.exitCode = USAGE;
    else {
      process.stderr.write(
        `\nThe simulation ended before its time: ${error instanceof Error ? error.message : String(error)}\n`,
      );
      process.exitCode = 1;
    }
  }
};

await main();
