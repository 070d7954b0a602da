import { DEFAULT_SHARE, type Share } from './lease.ts';
import { suggestion } from './problem.ts';
import { wholeNumber } from './right.ts';
import type { Source, Sources } from './sources.ts';

/** What a pool may say about the share of its group; the rest is no minimum, no maximum and priority 0. */
export type ShareInput = Partial<Share>;

interface FieldRule {
  readonly min: number;
  readonly max: number;
  /** The range as far as it depends on other options, in words. */
  readonly rangeSays: string;
  readonly doc: string;
}

/** The fields of a share: they drive parsing, the docs and the tests. */
export const SHARE_FIELDS: Readonly<Record<keyof Share, FieldRule>> = {
  min: {
    min: 0,
    max: DEFAULT_SHARE.max,
    rangeSays: '0 to capacity - headroom',
    doc: 'A group with fewer connections is served before anyone above theirs, whatever the priority. Precedence, not a reservation: nothing is held idle for it.',
  },
  max: {
    min: 1,
    max: DEFAULT_SHARE.max,
    rangeSays: '1 and more, not below `min`',
    doc: 'The group never holds more, even if everything else is idle.',
  },
  priority: { min: 0, max: 9, rangeSays: '0 to 9', doc: 'Above their minima, higher goes first.' },
};

const FIELDS = Object.keys(SHARE_FIELDS) as (keyof Share)[];

/** The share that the code gives, as options of their own (`share.min` …); what is wrong with its shape goes to `problems`. */
export const shareValues = (share: unknown, problems: string[]): Source['values'] => {
  if (share === undefined) return {};
  if (typeof share !== 'object' || share === null || Array.isArray(share)) {
    problems.push('share: is not an object like { min: 2, max: 20, priority: 1 }');
    return {};
  }
  const given = Object.entries(share);
  for (const [name] of given)
    if (!(FIELDS as string[]).includes(name))
      problems.push(
        `share.${name}: no such option; ${suggestion(name, FIELDS) ?? `there are ${FIELDS.join(', ')}`}`,
      );
  return Object.fromEntries(given.map(([name, value]) => [`share.${name}`, value]));
};

/** The share of a group, undefined if nobody has said anything about it; what is wrong with it goes to `problems`. */
export const parseShare = (sources: Sources, problems: string[]): Share | undefined => {
  const fields = FIELDS.map((field) => {
    const { min, max } = SHARE_FIELDS[field];
    return [field, sources.judge(`share.${field}`, wholeNumber(min, max), problems)] as const;
  });
  const given = fields.filter(([, value]) => value !== undefined);
  const isSaid = sources.valueOf('share') !== undefined || given.length > 0;
  return isSaid ? { ...DEFAULT_SHARE, ...Object.fromEntries(given) } : undefined;
};
