import { GROUP_PATTERN, RESOURCE_PATTERN } from './label.ts';
import { LOG_LEVELS } from './log-level.ts';
import { PROFILES } from './profiles.ts';

interface PatternRule {
  readonly pattern: RegExp;
  /** What the pattern allows, in words. */
  readonly right: string;
}

interface ChoiceRule {
  readonly choices: readonly (string | boolean)[];
}

export type TextRule = (PatternRule | ChoiceRule) & {
  /** Undefined: the option is required. */
  readonly default: string | boolean | undefined;
  /** A default that depends, in words. */
  readonly defaultSays?: string;
  readonly doc: string;
};

const SWITCH = [true, false] as const;

/** The one table of options that are words or switches: it drives parsing, the docs and the tests. */
export const TEXT_OPTIONS = {
  resource: {
    pattern: RESOURCE_PATTERN,
    right: '1 to 20 characters of a-z, 0-9 and -',
    default: undefined,
    doc: 'The name of one database endpoint.',
  },
  group: {
    pattern: GROUP_PATTERN,
    right: '1 to 64 characters of A-Z, a-z, 0-9 and _ . : -',
    default: 'default',
    defaultSays: "the function's name from `env`, else `default`",
    doc: 'The consumer this process belongs to.',
  },
  profile: {
    choices: Object.keys(PROFILES),
    default: 'production',
    doc: 'Which defaults are meant, see below.',
  },
  onRegistryLoss: {
    choices: ['refuse', 'keep'],
    default: 'refuse',
    doc: 'What happens to open connections while the registry is away, see below.',
  },
  retryConnects: {
    choices: SWITCH,
    default: true,
    doc: 'A failed connect is tried again while its caller has time; `false`: the caller hears the first failure, as with `pg.Pool`.',
  },
  allowExitOnIdle: {
    choices: SWITCH,
    default: true,
    doc: 'Idle connections do not keep the process alive.',
  },
  logLevel: {
    choices: LOG_LEVELS,
    default: 'warn',
    doc: 'The least important events that the `logger` is told of.',
  },
} as const satisfies Readonly<Record<string, TextRule>>;

export type TextOption = keyof typeof TEXT_OPTIONS;

export const isRightText = (rule: TextRule, value: unknown): boolean =>
  'pattern' in rule
    ? typeof value === 'string' && rule.pattern.test(value)
    : rule.choices.some((choice) => choice === value);

/** What a value may be, in words. */
export const rightTexts = (rule: TextRule): string => {
  if ('pattern' in rule) return rule.right;
  const [last, ...others] = [...rule.choices].reverse();
  return `${others.reverse().join(', ')} or ${last}`;
};
