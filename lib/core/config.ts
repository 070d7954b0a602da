import { LeaseholdError, redact } from './errors.ts';
import { GROUP_PATTERN, RESOURCE_PATTERN } from './label.ts';
import type { ResourceSettings, Share } from './lease.ts';
import { NUMBER_OPTIONS, type NumberOption, type NumberRule } from './options.ts';
import { parseShare, type ShareInput } from './share-option.ts';

/**
 * What happens to connections whose protection has lapsed while the registry gives no answer. `refuse`: nobody may use them.
 * `keep`: they stay in use, and the capacity may be exceeded by as many; none is opened.
 */
export type OnRegistryLoss = 'refuse' | 'keep';

type Numbers = Readonly<Record<NumberOption, number>>;

/** What of the options is text or numbers; the ports and the injected parts are not looked at here. */
export type ConfigInput = {
  readonly resource: string;
  readonly capacity: number;
  readonly group?: string | undefined;
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
} & {
  readonly [Name in Exclude<NumberOption, 'capacity'>]?: number | undefined;
};

export interface Config extends Numbers {
  readonly resource: string;
  readonly group: string;
  readonly share: Share | undefined;
  readonly onRegistryLoss: OnRegistryLoss;
  readonly retryConnects: boolean;
  readonly allowExitOnIdle: boolean;
  /** After it no connect of a lease can still be in flight, in ms. */
  readonly connectBoundMs: number;
}

/** What a server may still do with an attempt that its client has given up, in ms (protocol: connect timeout + 1 s). */
const CONNECT_GRACE_MS = 1_000;

const SWITCHES = ['retryConnects', 'allowExitOnIdle'] as const;

const names = Object.keys(NUMBER_OPTIONS) as NumberOption[];

/** Checks everything and reports every problem at once; nothing is corrected silently. `others`: further allowed names. */
export const parseConfig = (
  input: Readonly<Record<string, unknown>>,
  others: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Config => {
  const problems = [...unknownNames(input, others), ...textProblems(input)];
  const functionName = env['AWS_LAMBDA_FUNCTION_NAME'];
  const numbers = parseNumbers(
    { max: functionName === undefined ? undefined : 1, ...defined(input) },
    problems,
  );
  const share = parseShare(input['share'], problems);
  if (problems.length === 0) problems.push(...crossProblems(numbers, share));
  if (problems.length > 0) throw configError(problems);
  return Object.freeze({
    ...numbers,
    resource: input['resource'] as string,
    group: (input['group'] as string | undefined) ?? functionName ?? 'default',
    share,
    onRegistryLoss: (input['onRegistryLoss'] as OnRegistryLoss | undefined) ?? 'refuse',
    retryConnects: (input['retryConnects'] as boolean | undefined) ?? true,
    allowExitOnIdle: (input['allowExitOnIdle'] as boolean | undefined) ?? true,
    connectBoundMs: numbers.connectTimeoutMs + CONNECT_GRACE_MS,
  });
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

const defined = (input: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));

const unknownNames = (input: Readonly<Record<string, unknown>>, others: readonly string[]): string[] => {
  const known = ['resource', 'group', 'share', 'onRegistryLoss', ...SWITCHES, ...names, ...others];
  return Object.keys(input)
    .filter((name) => !known.includes(name))
    .map((name) => `${name}: no such option${suggestion(name, known)}`);
};

const suggestion = (name: string, known: readonly string[]): string => {
  const plain = (text: string): string => text.toLowerCase().replace(/(ms|timeout|max|_|-)/g, '');
  const near = known.find((other) => plain(other) !== '' && plain(other) === plain(name));
  return near === undefined ? `; there are ${known.join(', ')}` : `; did you mean ${near}?`;
};

const textProblems = (input: Readonly<Record<string, unknown>>): string[] => {
  const problems: string[] = [];
  const check = (name: string, pattern: RegExp, right: string): void => {
    const value = input[name];
    if (typeof value === 'string' && pattern.test(value)) return;
    problems.push(`${name}: ${show(value)} is not ${right}`);
  };
  check('resource', RESOURCE_PATTERN, '1 to 20 characters of a-z, 0-9 and -');
  if (input['group'] !== undefined)
    check('group', GROUP_PATTERN, '1 to 64 characters of A-Z, a-z, 0-9 and _ . : -');
  if (input['onRegistryLoss'] !== undefined) check('onRegistryLoss', /^(refuse|keep)$/, 'refuse or keep');
  for (const name of SWITCHES) {
    const value = input[name];
    if (value !== undefined && typeof value !== 'boolean')
      problems.push(`${name}: ${show(value)} is not true or false`);
  }
  return problems;
};

const parseNumbers = (input: Readonly<Record<string, unknown>>, problems: string[]): Numbers => {
  const parsed: Partial<Record<NumberOption, number>> = {};
  for (const name of names) {
    const rule: NumberRule = NUMBER_OPTIONS[name];
    const fallback = typeof rule.default === 'function' ? rule.default(parsed as Numbers) : rule.default;
    const value = input[name] ?? fallback;
    const isInRange =
      Number.isSafeInteger(value) && (value as number) >= rule.min && (value as number) <= rule.max;
    if (!isInRange)
      problems.push(
        `${name}: ${show(value)} is not a whole number of ${rule.unit} from ${rule.min} to ${rule.max}`,
      );
    // A wrong value must not make a second problem out of a default that builds on it.
    parsed[name] = isInRange ? (value as number) : (fallback ?? rule.min);
  }
  return parsed as Numbers;
};

/** The laws between options, each with what would be right. */
const crossProblems = (
  numbers: Numbers,
  { min, max }: Pick<Share, 'min' | 'max'> = { min: 0, max: 0 },
): string[] => {
  const { capacity, headroom, protectMs, idleMs, dangerMarginMs, connectTimeoutMs, quantumMs } = numbers;
  const { min: least, max: most } = numbers;
  const laws: readonly (readonly [boolean, string])[] = [
    [
      headroom <= capacity / 2,
      `headroom: ${headroom} is more than half of capacity (${capacity}); at most ${Math.floor(capacity / 2)}`,
    ],
    [idleMs >= protectMs, `idleMs: ${idleMs} is below protectMs (${protectMs})`],
    [
      dangerMarginMs < protectMs / 3,
      `dangerMarginMs: ${dangerMarginMs} is not below a third of protectMs (${protectMs})`,
    ],
    [
      connectTimeoutMs < protectMs / 2,
      `connectTimeoutMs: ${connectTimeoutMs} is not below half of protectMs (${protectMs})`,
    ],
    [headroom > 0 || quantumMs === 0, `quantumMs: ${quantumMs} needs headroom; it is 0 where headroom is 0`],
    [least <= most, `min: ${least} is more than max (${most})`],
    [min <= max, `share.min: ${min} is more than share.max (${max})`],
    [
      min <= capacity - headroom,
      `share.min: ${min} is more than capacity less headroom (${capacity - headroom})`,
    ],
  ];
  return laws.filter(([holds]) => !holds).map(([, text]) => text);
};

const SHOWN_CHARACTERS = 40;

const show = (value: unknown): string =>
  value === undefined
    ? 'nothing'
    : typeof value === 'string'
      ? JSON.stringify(redact(value).slice(0, SHOWN_CHARACTERS))
      : String(value);
