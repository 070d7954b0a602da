import { type Config, parseConfig } from '../lib/core/config.ts';
import type { Environment } from '../lib/core/environment.ts';
import { show } from '../lib/core/problem.ts';
import type { FollowCapacity } from '../lib/sweeper/capacity.ts';

/** Of a function that asks the registry alone. */
export interface RegistrySettings {
  /** Undefined outside Lambda only: then the registry is this process's memory. */
  readonly redis: RedisSettings | undefined;
  /** Two stages that share a Redis or a database need two. */
  readonly namespace: string | undefined;
  /** The options of a pool, as the environment has them. */
  readonly config: Config;
}

/** Of a function that goes to the database, too. */
export interface FunctionSettings extends RegistrySettings {
  readonly database: DatabaseSettings;
  /** The sweeper's way to the database outside the capacity. */
  readonly control: ControlSettings | undefined;
  readonly follow: FollowCapacity | undefined;
  /** The sweeper looks at the database at least so often, in ms; 0: only where the registry has a reason. */
  readonly lookEveryMs: number;
}

export interface RedisSettings {
  readonly url: string;
  readonly isCluster: boolean;
  /** Log in as the URL's user, with tokens. */
  readonly iam: CacheIdentity | undefined;
}

export interface CacheIdentity {
  /** The cache's name, or the replication group's id. */
  readonly cache: string;
  readonly isServerless: boolean;
  readonly user: string;
  readonly region: string;
}

export type DatabaseSettings = { readonly url: string } & (
  | { readonly auth: 'url' }
  | { readonly auth: 'iam'; readonly region: string }
  | { readonly auth: 'secret'; readonly secretArn: string; readonly region: string }
);

export type ControlSettings =
  | { readonly kind: 'url'; readonly url: string }
  | {
      readonly kind: 'data-api';
      readonly clusterArn: string;
      readonly secretArn: string;
      readonly database: string;
      readonly region: string;
    };

/**
 * Reads a function's environment: the variables of docs/configuration.md under "The functions". The options of the pool
 * (LEASEHOLD_RESOURCE, LEASEHOLD_CAPACITY and the rest) are judged along with them.
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem at once, by the variables' names; no value of a URL is in it.
 */
export const readSettings = (env: Environment): FunctionSettings => {
  const reader = new Reader(env);
  const settings = {
    redis: readRedis(reader),
    database: readDatabase(reader),
    control: readControl(reader),
    namespace: reader.text('LEASEHOLD_NAMESPACE'),
    follow: readFollow(reader),
    lookEveryMs: reader.number('LEASEHOLD_LOOK_EVERY_MS', 0, 86_400_000) ?? 0,
  };
  return { ...settings, config: parseConfig({}, [], env, reader.problems) };
};

/** The same without a database: its variables are not read. */
export const readRegistrySettings = (env: Environment): RegistrySettings => {
  const reader = new Reader(env);
  const settings = { redis: readRedis(reader), namespace: reader.text('LEASEHOLD_NAMESPACE') };
  return { ...settings, config: parseConfig({}, [], env, reader.problems) };
};

const POSTGRES = ['postgres:', 'postgresql:'];
const REDIS = ['redis:', 'rediss:'];
const WHOLE = /^\d{1,9}$/;
const PART = /^(0?\.\d{1,6}|0|1(\.0+)?)$/;

/** A user and a password that can be decoded. (PostgreSQL's client takes a password with a lone % as it is.) */
const hasReadableLogin = (text: string, protocols: readonly string[]): boolean => {
  const { username = '', password = '' } = URL.parse(text) ?? {};
  const parts = protocols === REDIS ? [username, password] : [username];
  return parts.every((part) => part === '' || decoded(part) !== '');
};

/** Blank where it cannot be; that is a problem by then. */
const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
};

/** Variables and what is wrong with them. What is not there or blank is undefined. */
class Reader {
  readonly problems: string[] = [];
  readonly #env: Environment;

  constructor(env: Environment) {
    this.#env = env;
  }

  text(name: string): string | undefined {
    return this.#env[name]?.trim() || undefined;
  }

  required(name: string, why = ''): string {
    const text = this.text(name);
    if (text === undefined) this.problems.push(`${name}: is missing${why}`);
    return text ?? '';
  }

  url(name: string, protocols: readonly string[], why = ''): string {
    const text = this.required(name, why);
    const protocol = URL.parse(text)?.protocol ?? '';
    if (text !== '' && !protocols.includes(protocol))
      this.problems.push(`${name}: is not a URL that begins with ${protocols.join('// or ')}//`);
    else if (!hasReadableLogin(text, protocols))
      this.problems.push(`${name}: has a % in it that begins no code of a character; write %25`);
    return text;
  }

  choice<Choice extends string>(name: string, choices: readonly [Choice, ...Choice[]]): Choice {
    const text = this.text(name);
    const choice = choices.find((each) => each === text);
    if (text !== undefined && choice === undefined)
      this.problems.push(`${name}: ${show(text)} is not ${choices.join(' or ')}`);
    return choice ?? choices[0];
  }

  number(name: string, min: number, max: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = WHOLE.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    this.problems.push(`${name}: ${show(text)} is not a whole number from ${min} to ${max}`);
    return undefined;
  }

  part(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (PART.test(text) && Number(text) > 0) return Number(text);
    this.problems.push(`${name}: ${show(text)} is not a number above 0 and up to 1`);
    return undefined;
  }

  /** Lambda sets it. */
  region(why: string): string {
    return this.required('AWS_REGION', `; ${why} needs it`);
  }
}

const readRedis = (reader: Reader): RedisSettings | undefined => {
  const isOnLambda = reader.text('AWS_LAMBDA_FUNCTION_NAME') !== undefined;
  const cache = reader.text('REDIS_IAM_CACHE');
  const isCluster = reader.choice('REDIS_MODE', ['single', 'cluster']) === 'cluster';
  const isServerless = reader.choice('REDIS_IAM_SERVERLESS', ['true', 'false']) === 'true';
  if (!isOnLambda && reader.text('REDIS_URL') === undefined) return undefined;
  const url = reader.url(
    'REDIS_URL',
    REDIS,
    '; a registry in memory would limit each environment alone, not the fleet together',
  );
  if (cache === undefined) return { url, isCluster, iam: undefined };
  const { protocol, username } = URL.parse(url) ?? { protocol: '', username: '' };
  if (protocol === 'redis:' || username === '')
    reader.problems.push(
      'REDIS_URL: with REDIS_IAM_CACHE it is rediss://USER@HOST:PORT, for tokens need TLS',
    );
  const region = reader.region('REDIS_IAM_CACHE');
  return { url, isCluster, iam: { cache, isServerless, region, user: decoded(username) } };
};

const readDatabase = (reader: Reader): DatabaseSettings => {
  const url = reader.url('DATABASE_URL', POSTGRES);
  const auth = reader.choice('DATABASE_AUTH', ['url', 'iam', 'secret']);
  const secretArn = reader.text('DATABASE_SECRET_ARN');
  if (auth !== 'secret' && secretArn !== undefined)
    reader.problems.push('DATABASE_SECRET_ARN: is given, but DATABASE_AUTH is not secret');
  if (auth === 'url') return { url, auth };
  if (URL.parse(url)?.password)
    reader.problems.push(`DATABASE_URL: has a password, but DATABASE_AUTH is ${auth}; leave one of them out`);
  const region = reader.region(`DATABASE_AUTH=${auth}`);
  if (auth === 'iam') return { url, auth, region };
  return {
    url,
    auth,
    region,
    secretArn: reader.required('DATABASE_SECRET_ARN', '; DATABASE_AUTH is secret'),
  };
};

const CONTROL = 'LEASEHOLD_CONTROL_';
const DATA_API = ['CLUSTER_ARN', 'SECRET_ARN', 'DATABASE'].map((name) => CONTROL + name);

const readControl = (reader: Reader): ControlSettings | undefined => {
  const isDataApi = DATA_API.some((name) => reader.text(name) !== undefined);
  const hasUrl = reader.text(`${CONTROL}URL`) !== undefined;
  if (hasUrl && isDataApi)
    reader.problems.push(`${CONTROL}URL: is given beside ${DATA_API.join(', ')}; give one way`);
  if (hasUrl) return { kind: 'url', url: reader.url(`${CONTROL}URL`, POSTGRES) };
  if (!isDataApi) return undefined;
  const [clusterArn = '', secretArn = '', database = ''] = DATA_API.map((name) =>
    reader.required(name, '; the three are needed together'),
  );
  return {
    kind: 'data-api',
    clusterArn,
    secretArn,
    database,
    region: reader.region(`${CONTROL}CLUSTER_ARN`),
  };
};

const FOLLOW = 'LEASEHOLD_FOLLOW_';
const CAPACITY_MAX = 100_000;

const readFollow = (reader: Reader): FollowCapacity | undefined => {
  const [min, max] = ['MIN', 'MAX'].map((name) => reader.number(FOLLOW + name, 1, CAPACITY_MAX));
  const share = reader.part(`${FOLLOW}SHARE`);
  const given = ['MIN', 'MAX', 'SHARE'].filter((name) => reader.text(FOLLOW + name) !== undefined);
  if (given.length === 0) return undefined;
  for (const name of ['MIN', 'MAX'])
    if (!given.includes(name))
      reader.problems.push(`${FOLLOW}${name}: is missing; ${FOLLOW}MIN and ${FOLLOW}MAX belong together`);
  if (min === undefined || max === undefined) return undefined;
  if (min > max) reader.problems.push(`${FOLLOW}MIN: ${min} is above ${FOLLOW}MAX`);
  return { min, max, ...(share === undefined ? {} : { share }) };
};
