import type { RDSDataClientConfig } from '@aws-sdk/client-rds-data';
import { configError } from '../../core/config.ts';
import { show, suggestion } from '../../core/problem.ts';
import { wholeNumber } from '../../core/right.ts';
import { OPERATIONS, type RdsDataModule } from './module.ts';

export interface DataApiOptions {
  /** The cluster's ARN. */
  readonly resourceArn: string;
  /** The ARN of the secret with the role's name and password. */
  readonly secretArn: string;
  readonly database?: string;
  /**
   * What `new RDSDataClient` takes (`region`, `endpoint`, `credentials`, …), its retries aside: the SDK sends a statement again
   * when its answer was lost, and a write would happen twice. What can be repeated is repeated here.
   */
  readonly client?: RDSDataClientConfig;
  /** How long one call may go unanswered, in ms. Default: 50,000; the service itself gives up after 45 s. */
  readonly callTimeoutMs?: number;
  /**
   * How long what the service has turned away unexecuted (database resuming, throttled, not reached) is repeated, in ms.
   * Default: 30,000; 0: never.
   */
  readonly retryForMs?: number;
  /** The service's own limit between two calls of a transaction, in ms. Default: 180,000. */
  readonly transactionIdleMs?: number;
  /** The service's own limit for a transaction, in ms. Default: 86,400,000. */
  readonly transactionMaxMs?: number;
  /**
   * A comment with the lease before each statement: by it the database's session list shows whose statement runs. Without it
   * what a dead holder had is only believed gone when NO statement without a lease's name runs. Default: true.
   */
  readonly markStatements?: boolean;
}

export type Settings = Required<Omit<DataApiOptions, 'client' | 'database'>> & {
  readonly database: string | undefined;
};

const DEFAULTS = {
  callTimeoutMs: 50_000,
  retryForMs: 30_000,
  transactionIdleMs: 180_000,
  transactionMaxMs: 86_400_000,
} as const;

type Duration = keyof typeof DEFAULTS;
const DURATIONS = Object.keys(DEFAULTS) as Duration[];
const TEXTS = ['resourceArn', 'secretArn'] as const;
const NAMES: readonly string[] = [...TEXTS, ...DURATIONS, 'database', 'client', 'markStatements'];
/** The longest that a transaction of the service lasts. */
const DURATION_MAX_MS = 86_400_000;
/** A repeat by the SDK is a statement that runs twice. */
const REFUSED_OF_CLIENT = ['maxAttempts', 'retryMode', 'retryStrategy'] as const;

/** @throws LeaseholdError CONFIG_INVALID with every problem at once. */
export const parseSettings = (module: RdsDataModule, options: DataApiOptions): Settings => {
  const problems = settingsProblems(module, options);
  if (problems.length > 0) throw configError(problems);
  const { resourceArn, secretArn, database, markStatements = true } = options;
  const durations = Object.fromEntries(DURATIONS.map((name) => [name, options[name] ?? DEFAULTS[name]]));
  return {
    ...(durations as Record<Duration, number>),
    resourceArn,
    secretArn,
    database,
    markStatements,
  };
};

export const settingsProblems = (module: RdsDataModule, options: DataApiOptions): string[] => {
  const missing = ['RDSDataClient', ...OPERATIONS.map((name) => `${name}Command`)].filter(
    (name) => typeof Reflect.get(Object(module), name) !== 'function',
  );
  const given = Object(options) as Readonly<Record<string, unknown>>;
  return [
    ...(missing.length === 0
      ? []
      : ['The first argument must be the module `@aws-sdk/client-rds-data`, all of it.']),
    ...Object.keys(given)
      .filter((name) => !NAMES.includes(name))
      .map((name) => `${name}: is no option; ${suggestion(name, NAMES) ?? `there are ${NAMES.join(', ')}`}`),
    ...TEXTS.filter((name) => typeof given[name] !== 'string' || given[name] === '').map(
      (name) => `${name}: ${show(given[name])} is not an ARN`,
    ),
    ...optional(given, 'database', (value) => typeof value === 'string', 'a name'),
    ...optional(given, 'markStatements', (value) => typeof value === 'boolean', 'true or false'),
    ...DURATIONS.flatMap((name) => durationProblem(given, name)),
    ...clientProblems(given['client']),
  ];
};

const optional = (
  given: Readonly<Record<string, unknown>>,
  name: string,
  isRight: (value: unknown) => boolean,
  right: string,
): string[] =>
  given[name] === undefined || isRight(given[name]) ? [] : [`${name}: ${show(given[name])} is not ${right}`];

const durationProblem = (given: Readonly<Record<string, unknown>>, name: Duration): string[] => {
  const { isRight, says } = wholeNumber(name === 'retryForMs' ? 0 : 1, DURATION_MAX_MS, 'ms');
  return optional(given, name, isRight, says);
};

const clientProblems = (client: unknown): string[] => {
  if (client === undefined) return [];
  if (typeof client !== 'object' || client === null || typeof Reflect.get(client, 'send') === 'function')
    return [
      'client: must be the configuration of a client, not a client: one that repeats would replay writes',
    ];
  return REFUSED_OF_CLIENT.filter((name) => Reflect.get(client, name) !== undefined).map(
    (name) => `client.${name}: leave it out; the SDK would send a write again whose answer was lost`,
  );
};
