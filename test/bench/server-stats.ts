import type { Redis } from 'ioredis';

const numberIn = (text: string, pattern: RegExp): number => {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`Redis does not tell ${String(pattern)}`);
  return Number(found);
};

/** Microseconds that the server spends on each script that `work` makes it run. */
export const scriptMicros = async (client: Redis, work: () => Promise<unknown>): Promise<number> => {
  await client.config('RESETSTAT');
  await work();
  return numberIn(await client.info('commandstats'), /cmdstat_evalsha:.*?usec_per_call=([\d.]+)/);
};

export const usedMemory = async (client: Redis): Promise<number> =>
  numberIn(await client.info('memory'), /used_memory:(\d+)/);
