import { parseConfig } from '../lib/core/config.ts';
import type { Environment } from '../lib/core/environment.ts';

/** What a function is made of besides the options of its pool, which the pool reads for itself. */
export interface FunctionSettings {
  readonly databaseUrl: string;
  /** An administrator's role outside the capacity, for the sweeper. */
  readonly controlUrl: string | undefined;
  /** Undefined outside Lambda only: then the registry is this process's memory. */
  readonly redisUrl: string | undefined;
  /** Two stages that share a Redis or a database need two. */
  readonly namespace: string | undefined;
}

/**
 * Reads a function's environment: REDIS_URL, DATABASE_URL, and if wanted LEASEHOLD_CONTROL_URL and LEASEHOLD_NAMESPACE. The
 * options of the pool (LEASEHOLD_RESOURCE, LEASEHOLD_CAPACITY and the rest) are judged along with them.
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem at once, by the variables' names; no value of a URL is in it.
 */
export const readSettings = (env: Environment): FunctionSettings => {
  const redisUrl = textOf(env, 'REDIS_URL');
  const databaseUrl = textOf(env, 'DATABASE_URL');
  const controlUrl = textOf(env, 'LEASEHOLD_CONTROL_URL');
  parseConfig({}, [], env, [
    ...redisProblems(redisUrl, env),
    ...urlProblems('DATABASE_URL', databaseUrl, POSTGRES),
    ...(controlUrl === undefined ? [] : urlProblems('LEASEHOLD_CONTROL_URL', controlUrl, POSTGRES)),
  ]);
  const namespace = textOf(env, 'LEASEHOLD_NAMESPACE');
  return { databaseUrl: databaseUrl ?? '', controlUrl, redisUrl, namespace };
};

/** What is there and not blank. */
const textOf = (env: Environment, variable: string): string | undefined => env[variable]?.trim() || undefined;

const redisProblems = (redisUrl: string | undefined, env: Environment): string[] => {
  if (redisUrl !== undefined) return urlProblems('REDIS_URL', redisUrl, REDIS);
  if (textOf(env, 'AWS_LAMBDA_FUNCTION_NAME') === undefined) return [];
  return [
    'REDIS_URL: is missing; a registry in memory would limit each environment alone, not the fleet together',
  ];
};

const POSTGRES = ['postgres:', 'postgresql:'];
const REDIS = ['redis:', 'rediss:'];

const urlProblems = (name: string, text: string | undefined, protocols: readonly string[]): string[] => {
  if (text === undefined) return [`${name}: is missing`];
  const protocol = URL.parse(text)?.protocol ?? '';
  return protocols.includes(protocol)
    ? []
    : [`${name}: is not a URL that begins with ${protocols.join('// or ')}//`];
};
