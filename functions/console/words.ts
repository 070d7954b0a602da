/** Numbers and times as the page says them. */

export const counted = (count: number, one: string, many: string = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** `4 s`, `3 min`, `2 h 5 min`: as exact as somebody wants to read it. */
export const duration = (ms: number): string => {
  if (ms < MINUTE_MS) return `${Math.max(0, Math.floor(ms / SECOND_MS))} s`;
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min`;
  const minutes = Math.floor((ms % HOUR_MS) / MINUTE_MS);
  return `${Math.floor(ms / HOUR_MS)} h${minutes > 0 ? ` ${minutes} min` : ''}`;
};

const two = (value: number): string => String(value).padStart(2, '0');

/** `14:03:09`, where the reader is. */
export const clockTime = (wallMs: number): string => {
  const date = new Date(wallMs);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
};

/** `14:03`. */
export const clockMinute = (wallMs: number): string => clockTime(wallMs).slice(0, 5);
