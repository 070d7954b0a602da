import { parentPort } from 'node:worker_threads';
import { type RunResult, runSeed } from './fleet-run.ts';
import type { SeedReport } from './seeds.ts';

const TRACE_LINES = 80;

const reportOf = ({ trace, ...result }: RunResult): SeedReport => ({
  ...result,
  trace: result.violation === undefined ? '' : trace(TRACE_LINES),
});

parentPort?.on('message', async (seed: number) => {
  parentPort?.postMessage(reportOf(await runSeed(seed)));
});
