import { DEFAULT_SHARE, type Share } from './lease.ts';

const PRIORITY_MAX = 9;

/** What a pool may say about the share of its group; the rest is no minimum, no maximum and priority 0. */
export type ShareInput = Partial<Share>;

/** The share of a group, undefined if nothing was said about it; what is wrong with it goes to `problems`. */
export const parseShare = (input: unknown, problems: string[]): Share | undefined => {
  if (input === undefined) return undefined;
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    problems.push('share: is not an object like { min: 2, max: 20, priority: 1 }');
    return undefined;
  }
  const given = input as Readonly<Record<keyof Share, unknown>>;
  const { min: noMin, max: noMax, priority: normal } = DEFAULT_SHARE;
  const { min = noMin, max = noMax, priority = normal, ...others } = given;
  for (const name of Object.keys(others))
    problems.push(`share.${name}: no such option; there are min, max, priority`);
  const isWhole = [
    isWithin('share.min', min, 0, DEFAULT_SHARE.max, problems),
    isWithin('share.max', max, 1, DEFAULT_SHARE.max, problems),
    isWithin('share.priority', priority, 0, PRIORITY_MAX, problems),
  ].every(Boolean);
  return isWhole ? ({ min, max, priority } as Share) : undefined;
};

const isWithin = (name: string, value: unknown, min: number, max: number, problems: string[]): boolean => {
  if (Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max) return true;
  problems.push(`${name}: ${String(value)} is not a whole number from ${min} to ${max}`);
  return false;
};
