import { isLeaseholdError } from '../core/errors.ts';

/** In the words of `mysql2`. */
export const poolClosed = (cause?: unknown): Error =>
  new Error('Pool is closed.', cause === undefined ? undefined : { cause });

/**
 * Why `getConnection` failed, as callers of `mysql2` know it: what it would have said itself keeps its own message, `code` and
 * `errno`, with ours as the cause; what only the registry can say stays ours.
 */
export const mysqlErrorOf = (error: unknown): unknown => {
  if (!isLeaseholdError(error)) return error;
  if (error.code === 'POOL_CLOSED') return poolClosed(error);
  const { cause, details } = error;
  if (error.code !== 'CONNECT_FAILED' || !(cause instanceof Error) || details['failure'] === 'timeout')
    return error;
  const { code, errno } = details;
  return Object.assign(new Error(cause.message || error.message, { cause: error }), {
    ...(code ? { code } : {}),
    ...(errno ? { errno } : {}),
    fatal: true,
  });
};
