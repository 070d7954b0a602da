import { NUMBER_OPTIONS, type NumberOption, type NumberRule } from './options.ts';
import { show, suggestion } from './problem.ts';
import { SHARE_FIELDS } from './share-option.ts';
import type { Source } from './sources.ts';
import { TEXT_OPTIONS, type TextRule } from './text-options.ts';

/** `process.env`, or a part of it. */
export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = 'LEASEHOLD_';

/** `protectMs` is LEASEHOLD_PROTECT_MS, `share.min` LEASEHOLD_SHARE_MIN. */
export const variableOf = (option: string): string =>
  PREFIX + option.replaceAll(/[A-Z]/g, '_$&').replaceAll('.', '_').toUpperCase();

interface SecondsRule {
  readonly options: readonly NumberOption[];
  readonly doc: string;
}

/** Variables in seconds, each with the options in ms that it sets. */
export const SECONDS = {
  STARTUP_MAX_WAIT: {
    options: ['startupMaxWaitMs'],
    doc: 'How long a start waits for registry and database; each attempt is told and logged.',
  },
  DB_OPERATION_TIMEOUT: {
    options: ['operationTimeoutMs', 'statementTimeoutMs'],
    doc: "Bounds open, check, reset and close of a connection, and is the session's statement timeout.",
  },
} as const satisfies Readonly<Record<string, SecondsRule>>;

/**
 * Variables with our prefix that are no options of a pool. Whoever wires a pool reads them, and one environment may serve
 * several programs, so they are let through everywhere.
 */
export const OTHER_VARIABLES = {
  LEASEHOLD_NAMESPACE: 'The namespace of the registry in Redis.',
  LEASEHOLD_CONTROL_URL:
    "The connection string of an administrator's role outside the capacity, for the sweeper.",
  LEASEHOLD_CONTROL_CLUSTER_ARN:
    "The cluster whose Data API is the sweeper's way to the database, in the place of `LEASEHOLD_CONTROL_URL`.",
  LEASEHOLD_CONTROL_SECRET_ARN: 'The secret of the administrator for it.',
  LEASEHOLD_CONTROL_DATABASE: 'The database for it.',
  LEASEHOLD_FOLLOW_MIN:
    'The sweeper resizes the capacity to what the database has room for, never below this.',
  LEASEHOLD_FOLLOW_MAX: 'And never above this.',
  LEASEHOLD_FOLLOW_SHARE: "The part of that room that is this resource's, above 0 and up to 1 (the default).",
  LEASEHOLD_LOOK_EVERY_MS:
    'The sweeper looks at the database at least so often; 0, the default: only where the registry has a reason.',
} as const;

type Variables = Readonly<Record<string, unknown>>;

/** An option, and what which variable says of it. */
type Given = readonly [option: string, from: { readonly name: string; readonly value: unknown }];

type Convert = (text: string) => unknown;

const toNumber: Convert = (text) => (/^-?\d+$/.test(text) ? Number(text) : text);

/** A choice that is no text (`true`) is written as one. */
const toChoice = (rule: TextRule): Convert =>
  'pattern' in rule
    ? (text) => text
    : (text) => rule.choices.find((choice) => String(choice) === text) ?? text;

const CONVERTERS: ReadonlyMap<string, Convert> = new Map([
  ...Object.entries<TextRule>(TEXT_OPTIONS).map(([option, rule]) => [option, toChoice(rule)] as const),
  ...Object.keys(NUMBER_OPTIONS).map((option) => [option, toNumber] as const),
  ...Object.keys(SHARE_FIELDS).map((field) => [`share.${field}`, toNumber] as const),
]);

/** The options that `env` gives. What no option's own check could find wrong with it goes to `problems`. */
export const readEnvironment = (env: unknown, problems: string[]): Source => {
  if (env === undefined) return { values: {}, nameOf: (option) => option };
  if (typeof env !== 'object' || env === null) {
    problems.push(`env: ${show(env)} is not a record of variables; it is process.env`);
    return { values: {}, nameOf: variableOf };
  }
  const variables = env as Variables;
  problems.push(...unknownVariables(variables));
  const given = new Map([...readOptions(variables), ...readSeconds(variables, problems)]);
  return {
    values: Object.fromEntries([...given].map(([option, { value }]) => [option, value])),
    nameOf: (option) => given.get(option)?.name ?? variableOf(option),
  };
};

/** What AWS Lambda's own variables say: the function's name, and whether one invocation at a time runs here. */
export const readLambda = (
  env: unknown,
): { readonly functionName: unknown; readonly isExclusive: boolean } => {
  const variables = Object(env) as Variables;
  const functionName = read(variables, 'AWS_LAMBDA_FUNCTION_NAME');
  // Only Managed Instances have this: they run several at once.
  const concurrency = read(variables, 'AWS_LAMBDA_MAX_CONCURRENCY');
  return { functionName, isExclusive: functionName !== undefined && concurrency === undefined };
};

const readOptions = (variables: Variables): Given[] =>
  [...CONVERTERS].flatMap(([option, convert]): Given[] => {
    const name = variableOf(option);
    const value = read(variables, name);
    if (value === undefined) return [];
    return [[option, { name, value: typeof value === 'string' ? convert(value) : value }]];
  });

/** What is there and not blank, for many tools cannot unset a variable. */
const read = (variables: Variables, name: string): unknown => {
  const value = variables[name];
  const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return isPlain ? String(value).trim() || undefined : value;
};

const unknownVariables = (variables: Variables): string[] => {
  const known = [...Object.keys(SECONDS), ...[...CONVERTERS.keys()].map(variableOf)];
  const passed = Object.keys(OTHER_VARIABLES);
  return Object.keys(variables)
    .filter((name) => name.startsWith(PREFIX) && read(variables, name) !== undefined)
    .filter((name) => !known.includes(name) && !passed.includes(name))
    .map((name) => {
      const hint = suggestion(name, [...known, ...passed]);
      return `${name}: no such variable; ${hint ?? 'they are named after the options, LEASEHOLD_PROTECT_MS after protectMs'}`;
    });
};

/** Decimals of a second, as far as they are whole milliseconds. */
const SECONDS_PATTERN = /^\d{1,9}(\.\d{1,3}0*)?$/;

const readSeconds = (variables: Variables, problems: string[]): Given[] =>
  Object.entries<SecondsRule>(SECONDS).flatMap(([name, { options }]) => {
    const value = read(variables, name);
    if (value === undefined) return [];
    const others = options.map(variableOf).filter((other) => read(variables, other) !== undefined);
    problems.push(...others.map((other) => `${name}: ${other} says the same; give one of them`));
    const { min, max } = rangeOf(options);
    const isNumber = typeof value === 'string' && SECONDS_PATTERN.test(value);
    const ms = isNumber ? Math.round(Number(value) * 1_000) : Number.NaN;
    if (ms >= min && ms <= max) return options.map((option): Given => [option, { name, value: ms }]);
    const range = `from ${min / 1_000} to ${max / 1_000}`;
    problems.push(`${name}: ${show(value)} is not a number of seconds, to the ms, ${range}`);
    return [];
  });

/** What every one of the options takes, in ms. */
const rangeOf = (options: readonly NumberOption[]): Pick<NumberRule, 'min' | 'max'> => ({
  min: Math.max(...options.map((option) => NUMBER_OPTIONS[option].min)),
  max: Math.min(...options.map((option) => NUMBER_OPTIONS[option].max)),
});
