import type { ResourceSettings } from './lease.ts';
import { LIMITS } from './limits.ts';

/** GCRA: one number says how far the database's connects are booked ahead. `tat`: theoretical arrival time of the next one, in ms. */
type Rate = Pick<ResourceSettings, 'connectsPerSecond' | 'connectBurst'>;

/** Whole ms that a connect granted now is put off. */
export const connectAfterMs = (
  { connectsPerSecond, connectBurst }: Rate,
  tat: number,
  now: number,
): number => {
  if (connectsPerSecond === 0) return 0;
  const intervalMs = 1_000 / connectsPerSecond;
  return Math.max(0, Math.ceil(tat + intervalMs - connectBurst * intervalMs - now));
};

/** Ms until a connect granted now can have made a connection, as far as the rate delays it: 0 where nothing is put off. */
export const connectedAfterMs = (rate: Rate, tat: number, now: number): number => {
  const putOffMs = connectAfterMs(rate, tat, now);
  return putOffMs === 0 ? 0 : putOffMs + LIMITS.connectMs;
};

/** The booking after one more connect. */
export const nextTat = ({ connectsPerSecond }: Rate, tat: number, now: number): number =>
  connectsPerSecond === 0 ? 0 : Math.max(tat, now) + 1_000 / connectsPerSecond;

/** Connects that may still be granted now, without one that is put off for too long. */
export const startsLeft = ({ connectsPerSecond, connectBurst }: Rate, tat: number, now: number): number => {
  if (connectsPerSecond === 0) return Number.POSITIVE_INFINITY;
  const freeMs = LIMITS.connectAfterMaxMs - Math.max(0, tat - now);
  return Math.max(0, Math.floor((freeMs * connectsPerSecond) / 1_000) + connectBurst);
};
