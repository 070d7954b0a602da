import { configError, parseConfig } from '../lib/core/config.ts';
import { isLeaseholdError } from '../lib/core/errors.ts';
import { NUMBER_OPTIONS, type NumberOption } from '../lib/core/options.ts';
import type { PoolOptions } from '../lib/index.ts';

/** The environment of a function, as a record. */
export type Environment = Readonly<Record<string, string | undefined>>;

type PoolSettings = Pick<
  PoolOptions<unknown>,
  NumberOption | 'resource' | 'group' | 'share' | 'onRegistryLoss'
>;

export interface FunctionSettings {
  readonly databaseUrl: string;
  /** An administrator's role outside the capacity, for the sweeper. */
  readonly controlUrl: string | undefined;
  /** Undefined outside Lambda only: then the registry is this process's memory. */
  readonly redisUrl: string | undefined;
  /** Two stages that share a Redis or a database need two. */
  readonly namespace: string | undefined;
  readonly pool: PoolSettings;
}

/** `protectMs` is LEASEHOLD_PROTECT_MS, `share.min` LEASEHOLD_SHARE_MIN. */
const variableOf = (option: string): string =>
  `LEASEHOLD_${option.replaceAll(/[A-Z]/g, '_$&').replaceAll('.', '_').toUpperCase()}`;

const TEXTS = ['resource', 'group', 'onRegistryLoss'] as const;
const OPTIONS = [...TEXTS, ...(Object.keys(NUMBER_OPTIONS) as NumberOption[])] as const;
/** LEASEHOLD_SHARE_MIN … */
const SHARE = ['min', 'max', 'priority'] as const;

/**
 * Reads a function's environment: REDIS_URL, DATABASE_URL, LEASEHOLD_RESOURCE, LEASEHOLD_CAPACITY, and if wanted
 * LEASEHOLD_CONTROL_URL, LEASEHOLD_NAMESPACE, LEASEHOLD_GROUP, LEASEHOLD_SHARE_MIN, _MAX and _PRIORITY,
 * LEASEHOLD_ON_REGISTRY_LOSS and every option of the table (LEASEHOLD_PROTECT_MS …).
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem at once, by the variables' names; no value of a URL is in it.
 */
export const readSettings = (env: Environment): FunctionSettings => {
  const redisUrl = env['REDIS_URL'] || undefined;
  const databaseUrl = env['DATABASE_URL'] ?? '';
  const controlUrl = env['LEASEHOLD_CONTROL_URL'] || undefined;
  const pool = poolOptions(env);
  const problems = [
    ...redisProblems(redisUrl, env),
    ...urlProblems('DATABASE_URL', databaseUrl, POSTGRES),
    ...(controlUrl === undefined ? [] : urlProblems('LEASEHOLD_CONTROL_URL', controlUrl, POSTGRES)),
    ...poolProblems(pool, env),
  ];
  if (problems.length > 0) throw configError(problems);
  return { databaseUrl, controlUrl, redisUrl, namespace: env['LEASEHOLD_NAMESPACE'] || undefined, pool };
};

const poolOptions = (env: Environment): PoolSettings => {
  const given = OPTIONS.flatMap((option) => {
    const text = textOf(env, variableOf(option));
    return text === undefined ? [] : [[option, option in NUMBER_OPTIONS ? Number(text) : text] as const];
  });
  const share = SHARE.flatMap((name) => {
    const text = textOf(env, variableOf(`share.${name}`));
    return text === undefined ? [] : [[name, Number(text)] as const];
  });
  const all = share.length === 0 ? given : [...given, ['share', Object.fromEntries(share)] as const];
  return Object.fromEntries(all) as PoolSettings;
};

/** What is there and not blank. */
const textOf = (env: Environment, variable: string): string | undefined => env[variable]?.trim() || undefined;

const poolProblems = (pool: PoolSettings, env: Environment): string[] => {
  try {
    parseConfig(pool, [], env);
    return [];
  } catch (error) {
    if (!isLeaseholdError(error)) throw error;
    const problems = error.details['problems'] as readonly string[];
    return problems.map((problem) => problem.replace(/^[\w.]+(?=:)/, variableOf));
  }
};

const redisProblems = (redisUrl: string | undefined, env: Environment): string[] => {
  if (redisUrl !== undefined) return urlProblems('REDIS_URL', redisUrl, REDIS);
  if (env['AWS_LAMBDA_FUNCTION_NAME'] === undefined) return [];
  return [
    'REDIS_URL: is missing; a registry in memory would limit each environment alone, not the fleet together',
  ];
};

const POSTGRES = ['postgres:', 'postgresql:'];
const REDIS = ['redis:', 'rediss:'];

const urlProblems = (name: string, text: string, protocols: readonly string[]): string[] => {
  if (text === '') return [`${name}: is missing`];
  const protocol = URL.parse(text)?.protocol ?? '';
  return protocols.includes(protocol)
    ? []
    : [`${name}: is not a URL that begins with ${protocols.join('// or ')}//`];
};
