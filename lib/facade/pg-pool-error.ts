import type pg from 'pg';
import { isLeaseholdError, LeaseholdError } from '../core/errors.ts';
import type { PgPoolModule } from './pg-pool-config.ts';

export const AFTER_END = 'Cannot use a pool after calling end on the pool';
const TIMED_OUT = 'timeout exceeded when trying to connect';
const SQLSTATE = /^[0-9A-Z]{5}$/;

/**
 * Why `connect` failed, as callers of `pg.Pool` know it: what `pg` itself would have said keeps its own message and code,
 * with ours as the cause; what only the registry can say stays ours.
 */
export const pgErrorOf = (module: PgPoolModule, error: unknown): unknown => {
  if (!isLeaseholdError(error)) return error;
  if (error.code === 'POOL_CLOSED') return new Error(AFTER_END, { cause: error });
  if ('waitedMs' in error.details || error.details['failure'] === 'timeout') return timedOut(error);
  return error.code === 'CONNECT_FAILED' ? connectFailed(module, error) : error;
};

/** It stays an error of ours, so that a web layer answers 503. */
const timedOut = ({ code, message, details, retryable, retryAfterMs, cause }: LeaseholdError): Error =>
  new LeaseholdError(code, `${TIMED_OUT}: ${message}`, {
    details,
    retryable,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(cause === undefined ? {} : { cause }),
  });

const connectFailed = (module: PgPoolModule, error: LeaseholdError): Error => {
  const { cause } = error;
  if (!(cause instanceof Error)) return error;
  const code: unknown = Reflect.get(cause, 'code');
  // With several addresses Node's own message is empty.
  const message = cause.message || error.message;
  const own = serverError(module, cause, code) ?? Object.assign(new Error(message), code ? { code } : {});
  Object.defineProperty(own, 'cause', { value: error, configurable: true, writable: true });
  return own;
};

/** The server's own word against a login is always fatal. */
const serverError = (
  { DatabaseError }: PgPoolModule,
  { name, message }: Error,
  code: unknown,
): pg.DatabaseError | undefined => {
  const isServers = name === 'error' && typeof code === 'string' && SQLSTATE.test(code);
  if (DatabaseError === undefined || !isServers) return undefined;
  return Object.assign(new DatabaseError(message, message.length, 'error'), { code, severity: 'FATAL' });
};
