import type { Clock } from '../core/clock.ts';
import { type Config, type ConfigOptions, parseConfig } from '../core/config.ts';
import type { Random } from '../core/random.ts';
import type { Driver } from '../driver/driver.ts';
import type { Registry } from '../registry/registry.ts';
import type { PoolLogger } from './pool-log.ts';

/** With an `env` (`process.env`), the resource, the capacity and every other option may come from there. */
export type PoolOptions<Connection> = ConfigOptions & {
  /** The only authority on how many connections the fleet may hold. */
  readonly registry: Registry;
  /** How to open and end connections of one engine. */
  readonly driver: Driver<Connection>;
  /** Told of the pool's events down to `logLevel`. Default: none, and nothing is written. */
  readonly logger?: PoolLogger | undefined;
  readonly clock?: Clock;
  readonly random?: Random;
};

/** Option names that are not in the tables. */
const PORTS = ['registry', 'driver', 'env', 'logger', 'clock', 'random'] as const;

const REQUIRED = {
  registry: { method: 'grant', right: 'redisRegistry(client), or memoryRegistry() for a single process' },
  driver: { method: 'open', right: 'postgresDriver(pg, config)' },
} as const;

const LOGGER_METHODS = ['debug', 'info', 'warn', 'error'] as const;

/** @throws LeaseholdError CONFIG_INVALID with every problem of the options at once, the missing parts included. */
export const parseOptions = (options: unknown): Config => {
  const given = (typeof options === 'object' && options !== null ? options : {}) as Readonly<
    Record<string, unknown>
  >;
  return parseConfig(given, PORTS, given['env'], [...missingParts(given), ...loggerProblems(given)]);
};

const hasMethod = (value: unknown, name: string): boolean =>
  typeof Reflect.get(Object(value), name) === 'function';

const missingParts = (given: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(REQUIRED)
    .filter(([name, { method }]) => !hasMethod(given[name], method))
    .map(([name, { right }]) => `${name}: is missing or is none; it is ${right}`);

const loggerProblems = ({ logger }: Readonly<Record<string, unknown>>): string[] => {
  const missing = LOGGER_METHODS.filter((name) => logger !== undefined && !hasMethod(logger, name));
  return missing.length === 0 ? [] : [`logger: has no method ${missing.join(', ')}`];
};
