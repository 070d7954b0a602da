import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { RunResult } from './fleet-run.ts';

/** A result that can travel: the trace is text, and only of a seed that failed. */
export type SeedReport = Omit<RunResult, 'trace'> & { readonly trace: string };

const WORKERS_MAX = 4;

/**
 * Runs the seeds in threads of their own: inside jest's own context every mention of a global costs a call, which makes
 * this code three times slower. Stops at the first seed that fails; reports are in the order of the seeds.
 */
export const runSeeds = async (seeds: readonly number[]): Promise<readonly SeedReport[]> => {
  const reports: SeedReport[] = [];
  let next = 0;
  let hasFailed = false;
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL('./seed-worker.ts', import.meta.url));
    try {
      for (let at = next++; at < seeds.length && !hasFailed; at = next++) {
        const report = await ask(worker, seeds[at] ?? 0);
        reports[at] = report;
        if (report.violation !== undefined) hasFailed = true;
      }
    } finally {
      await worker.terminate();
    }
  };
  const workers = Math.min(seeds.length, WORKERS_MAX, availableParallelism());
  await Promise.all(Array.from({ length: workers }, work));
  return reports.filter((report) => report !== undefined);
};

const ask = (worker: Worker, seed: number): Promise<SeedReport> =>
  new Promise((resolve, reject) => {
    const settle = (): void => {
      worker.off('message', onMessage);
      worker.off('error', onError);
    };
    const onMessage = (report: SeedReport): void => {
      settle();
      resolve(report);
    };
    const onError = (error: unknown): void => {
      settle();
      reject(new Error(`Seed ${seed} ended its thread.`, { cause: error }));
    };
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.postMessage(seed);
  });
