import type mysql from 'mysql2';
import { LeaseholdError } from '../../core/errors.ts';
import type { Address } from './failure.ts';
import type { MysqlModule } from './module.ts';

/** What `mysql2` makes of the configuration, of what this driver asks for. */
export interface ParsedConfig extends Address {
  readonly socketPath?: string;
  readonly enableKeepAlive?: boolean;
  readonly keepAliveInitialDelay?: number;
}

/** Checks what the user passed in; all problems in one error, and never a value that may be a secret. */
export const checkConfig = (module: MysqlModule<unknown>, config: mysql.ConnectionOptions): ParsedConfig => {
  const given = [...moduleProblems(module), ...configProblems(config)];
  if (given.length > 0) throw unusable(given);
  const parsed = parse(module, config);
  if (typeof parsed === 'string') throw unusable([parsed]);
  const { port, socketPath } = parsed;
  if (socketPath === undefined && !(port > 0 && port <= 65_535))
    throw unusable(['`port` must be a number from 1 to 65535.']);
  return parsed;
};

const unusable = (problems: readonly string[]): LeaseholdError =>
  new LeaseholdError('CONFIG_INVALID', `The MySQL driver cannot be used: ${problems.join(' ')}`, {
    details: { problems },
  });

const moduleProblems = (module: unknown): string[] => {
  const part = (name: string): unknown => Reflect.get(Object(module), name);
  const Connection = part('PromiseConnection') ?? part('Connection');
  const parts = [part('createConnection'), part('createPool'), Connection];
  if (parts.some((each) => typeof each !== 'function'))
    return ['The first argument must be the module `mysql2` or `mysql2/promise`.'];
  const prototype: unknown = Reflect.get(Object(Connection), 'prototype');
  return typeof Reflect.get(Object(prototype), 'reset') === 'function'
    ? []
    : ['mysql2 3.24 or later is needed (`Connection.reset`).'];
};

const configProblems = (config: mysql.ConnectionOptions): string[] => {
  if (typeof config !== 'object' || config === null)
    return ['The second argument must be a configuration object, such as `{ uri }`.'];
  const isShared = config.stream !== undefined && typeof config.stream !== 'function';
  return isShared ? ['`stream` must be a function: each connection needs a stream of its own.'] : [];
};

/** A pool of `mysql2` reads its configuration when it is made, and connects nowhere before it is asked to. */
const parse = (module: MysqlModule<unknown>, config: mysql.ConnectionOptions): ParsedConfig | string => {
  try {
    const pool: unknown = module.createPool({ ...config });
    const core: unknown = Reflect.get(Object(pool), 'pool') ?? pool;
    const { connectionConfig } = Reflect.get(Object(core), 'config') as { connectionConfig: ParsedConfig };
    return connectionConfig;
  } catch (error) {
    const name = error instanceof Error ? String(Reflect.get(error, 'code') ?? error.name) : 'unknown error';
    return `The connection settings are malformed (${name}); their text is not repeated here.`;
  }
};
