import { type Environment, readEnvironment, readLambda, variableOf } from './environment.ts';
import { LeaseholdError } from './errors.ts';
import type { ResourceSettings, Share } from './lease.ts';
import type { LogLevel } from './log-level.ts';
import { lawProblems } from './option-laws.ts';
import { NUMBER_OPTIONS, type NumberOption, type NumberRule } from './options.ts';
import { show, suggestion } from './problem.ts';
import { type ProfileName, profileOf } from './profiles.ts';
import { wholeNumber } from './right.ts';
import { parseShare, type ShareInput, shareValues } from './share-option.ts';
import { type Source, Sources } from './sources.ts';
import { isRightText, rightTexts, TEXT_OPTIONS, type TextOption, type TextRule } from './text-options.ts';

/**
 * What happens to connections whose protection has lapsed while the registry gives no answer. `refuse`: nobody may use them.
 * `keep`: they stay in use, and the capacity may be exceeded by as many; none is opened.
 */
export type OnRegistryLoss = 'refuse' | 'keep';

type Numbers = Readonly<Record<NumberOption, number>>;

interface Texts {
  readonly resource: string;
  readonly group: string;
  readonly profile: ProfileName;
  readonly onRegistryLoss: OnRegistryLoss;
  readonly retryConnects: boolean;
  readonly allowExitOnIdle: boolean;
  readonly logLevel: LogLevel;
}

/** What of the options is text or numbers; the ports and the injected parts are not looked at here. */
export type ConfigInput = {
  readonly resource: string;
  readonly capacity: number;
  readonly group?: string | undefined;
  /** Which defaults are meant: 'development', 'staging' or 'production'. Default: 'production'. */
  readonly profile?: ProfileName | undefined;
  /** What the group is entitled to; the registry's word counts where it differs. */
  readonly share?: ShareInput | undefined;
  /** Default: 'refuse'. */
  readonly onRegistryLoss?: OnRegistryLoss | undefined;
  /**
   * A failed connect is tried again while its caller has time; `false`: the caller hears the first failure, as with `pg.Pool`.
   * Default: true.
   */
  readonly retryConnects?: boolean | undefined;
  /** Idle connections do not keep the process alive. Default: true. */
  readonly allowExitOnIdle?: boolean | undefined;
  /** The least important events that a logger is told of. Default: the profile's, 'warn' in production. */
  readonly logLevel?: LogLevel | undefined;
} & {
  readonly [Name in Exclude<NumberOption, 'capacity'>]?: number | undefined;
};

type Needed = 'resource' | 'capacity';

/** With an `env`, everything may come from there: each option as `LEASEHOLD_…`, which the code's own value overrules. */
export type ConfigOptions =
  | (ConfigInput & { readonly env?: Environment | undefined })
  | (Omit<ConfigInput, Needed> & Partial<Pick<ConfigInput, Needed>> & { readonly env: Environment });

export interface Config extends Numbers, Texts {
  readonly share: Share | undefined;
  /** After it no connect of a lease can still be in flight, in ms. */
  readonly connectBoundMs: number;
}

/** What a server may still do with an attempt that its client has given up, in ms (protocol: connect timeout + 1 s). */
const CONNECT_GRACE_MS = 1_000;

const NUMBERS = Object.keys(NUMBER_OPTIONS) as NumberOption[];
const TEXTS = Object.keys(TEXT_OPTIONS) as TextOption[];

/**
 * Checks everything and reports every problem at once; nothing is corrected silently. What counts, option by option: the
 * code, the environment, AWS Lambda's one connection, the profile, the default.
 *
 * @param others further allowed names.
 * @param env what `env` is: the environment, or undefined where none is to be read.
 * @param found problems that the caller has found by itself; they are told with the rest.
 * @throws LeaseholdError CONFIG_INVALID.
 */
export const parseConfig = (
  input: Readonly<Record<string, unknown>>,
  others: readonly string[],
  env?: unknown,
  found: readonly string[] = [],
): Config => {
  const problems = [...found, ...unknownNames(input, others)];
  const sources = sourcesOf(input, env, problems);
  const nameMissing = (option: string): string =>
    env === undefined ? option : `${variableOf(option)}, or the option ${option}`;
  const texts = parseTexts(sources, nameMissing, problems);
  const numbers = parseNumbers(sources, nameMissing, problems);
  const share = parseShare(sources, problems);
  if (problems.length === 0)
    problems.push(...lawProblems(numbers, share, (option) => sources.nameOf(option)));
  if (problems.length > 0) throw configError(problems);
  const connectBoundMs = numbers.connectTimeoutMs + CONNECT_GRACE_MS;
  return Object.freeze({ ...numbers, ...texts, share, connectBoundMs });
};

export const configError = (problems: readonly string[]): LeaseholdError =>
  new LeaseholdError(
    'CONFIG_INVALID',
    `The options are not valid:\n${problems.map((text) => `  - ${text}`).join('\n')}`,
    {
      details: { problems },
    },
  );

export const settingsOf = (config: Config): ResourceSettings => ({
  capacity: config.capacity,
  headroom: config.headroom,
  protectMs: config.protectMs,
  idleMs: config.idleMs,
  connectBoundMs: config.connectBoundMs,
  quantumMs: config.quantumMs,
  dutyMs: config.dutyMs,
  ticketLivenessMs: config.ticketLivenessMs,
  waitersMax: config.waitersMax,
  claimMs: config.claimMs,
  connectsPerSecond: config.connectsPerSecond,
  connectBurst: config.connectBurst,
});

const unknownNames = (input: Readonly<Record<string, unknown>>, others: readonly string[]): string[] => {
  const known = ['share', ...TEXTS, ...NUMBERS, ...others];
  return Object.keys(input)
    .filter((name) => !known.includes(name))
    .map((name) => `${name}: no such option; ${suggestion(name, known) ?? `there are ${known.join(', ')}`}`);
};

/** Everything that has a say, the defaults of the tables aside. */
const sourcesOf = (input: Readonly<Record<string, unknown>>, env: unknown, problems: string[]): Sources => {
  const code = { ...input, ...shareValues(input['share'], problems) };
  const given = new Sources([{ values: code, nameOf: (option) => option }, readEnvironment(env, problems)]);
  const name = given.valueOf('profile') ?? TEXT_OPTIONS.profile.default;
  const profile = isRightText(TEXT_OPTIONS.profile, name) ? profileOf(name as ProfileName) : {};
  return given.followedBy(lambdaSource(given, env), {
    values: profile,
    nameOf: (option) => `${option} of the profile ${String(name)}`,
  });
};

/** One invocation at a time needs one connection, whatever the profile. */
const lambdaSource = (given: Sources, env: unknown): Source => {
  const { functionName, isExclusive } = readLambda(env);
  // A name that nobody uses need not be right.
  const group = given.valueOf('group') === undefined ? functionName : undefined;
  return {
    values: { group, max: isExclusive ? 1 : undefined },
    nameOf: (option) => (option === 'group' ? 'AWS_LAMBDA_FUNCTION_NAME' : `${option} on AWS Lambda`),
  };
};

type NameMissing = (option: string) => string;

const parseTexts = (sources: Sources, nameMissing: NameMissing, problems: string[]): Texts => {
  const parsed = TEXTS.map((option) => {
    const rule: TextRule = TEXT_OPTIONS[option];
    const says = rightTexts(rule);
    const value = sources.judge(option, { isRight: (it) => isRightText(rule, it), says }, problems);
    if (rule.default === undefined && sources.valueOf(option) === undefined)
      problems.push(`${nameMissing(option)}: nothing is not ${says}`);
    return [option, value ?? rule.default] as const;
  });
  return Object.fromEntries(parsed) as unknown as Texts;
};

const parseNumbers = (sources: Sources, nameMissing: NameMissing, problems: string[]): Numbers => {
  const parsed: Partial<Record<NumberOption, number>> = {};
  for (const option of NUMBERS) {
    const rule: NumberRule = NUMBER_OPTIONS[option];
    const right = wholeNumber(rule.min, rule.max, rule.unit);
    const fallback = typeof rule.default === 'function' ? rule.default(parsed as Numbers) : rule.default;
    const value = sources.judge(option, right, problems);
    if (sources.valueOf(option) === undefined && !right.isRight(fallback))
      problems.push(`${nameMissing(option)}: ${show(fallback)} is not ${right.says}`);
    // A wrong value must not make a second problem out of a default that builds on it.
    parsed[option] = (value as number | undefined) ?? fallback ?? rule.min;
  }
  return parsed as Numbers;
};
