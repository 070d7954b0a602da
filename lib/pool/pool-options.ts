import type { Clock } from '../core/clock.ts';
import { type ConfigInput, configError, parseConfig } from '../core/config.ts';
import { isLeaseholdError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import type { Driver } from '../driver/driver.ts';
import type { Registry } from '../registry/registry.ts';

export type PoolOptions<Connection> = ConfigInput & {
  /** The only authority on how many connections the fleet may hold. */
  readonly registry: Registry;
  /** How to open and end connections of one engine. */
  readonly driver: Driver<Connection>;
  /** Where the function's name, and so the group and the default `max`, come from: `process.env`, or nothing. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  readonly random?: Random;
};

/** Option names that are not in the table of numbers. */
export const PORTS = ['registry', 'driver', 'env', 'clock', 'random'] as const;

const REQUIRED = {
  registry: { method: 'grant', right: 'redisRegistry(client), or memoryRegistry() for a single process' },
  driver: { method: 'open', right: 'postgresDriver(pg, config)' },
} as const;

/** Every problem of the options at once, the missing parts included. */
export const checkOptions = (options: unknown): void => {
  const given = (typeof options === 'object' && options !== null ? options : {}) as Readonly<
    Record<string, unknown>
  >;
  const missing = Object.entries(REQUIRED)
    .filter(([name, { method }]) => typeof Reflect.get(Object(given[name]), method) !== 'function')
    .map(([name, { right }]) => `${name}: is missing or is none; it is ${right}`);
  if (missing.length === 0) return;
  throw configError([...problemsOf(given), ...missing]);
};

const problemsOf = (given: Readonly<Record<string, unknown>>): readonly string[] => {
  try {
    parseConfig(given, PORTS);
    return [];
  } catch (error) {
    return isLeaseholdError(error) ? (error.details['problems'] as readonly string[]) : [];
  }
};
