import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import {
  type ErrorCode,
  isLeaseholdError,
  LeaseholdError,
  redact,
  withoutSecrets,
} from '../../lib/core/errors.ts';

/** Made at run time: no file of the project holds a password. */
const SECRET = ['hunter', '2'].join('');
const url = (scheme: string, user = 'app'): string => `${scheme}://${user}:${SECRET}@db.internal:5432/orders`;

describe('a LeaseholdError', () => {
  test.each<[ErrorCode, boolean]>([
    ['ACQUIRE_TIMEOUT', true],
    ['DENIED', true],
    ['REGISTRY_UNREACHABLE', true],
    ['CONNECT_FAILED', true],
    ['LEASE_LOST', true],
    ['CONNECTION_LOST', true],
    ['WAITERS_FULL', true],
    ['CONFIG_INVALID', false],
    ['REGISTRY_INCOMPATIBLE', false],
    ['USED_AFTER_RETURN', false],
    ['POOL_CLOSED', false],
    ['ABORTED', false],
  ])('%s may be retried: %p, and the status says so', (code, retryable) => {
    const error = new LeaseholdError(code, 'why', { retryAfterMs: 70 });
    expect(error).toMatchObject({
      name: 'LeaseholdError',
      code,
      message: 'why',
      retryable,
      statusCode: retryable ? 503 : 500,
      expose: retryable,
      retryAfterMs: retryable ? 70 : undefined,
      headers: retryable ? { 'Retry-After': '1' } : {},
    });
    expect(error).toBeInstanceOf(Error);
    expect(isLeaseholdError(error)).toBe(true);
  });

  test('the caller may overrule what its code implies', () => {
    const error = new LeaseholdError('CONNECT_FAILED', 'wrong password', {
      retryable: false,
      retryAfterMs: 5,
    });
    expect(error).toMatchObject({ retryable: false, statusCode: 500, retryAfterMs: undefined });
  });

  test('its details cannot be changed afterwards, and another copy of the library is recognised', () => {
    const details = { reason: 'FULL' };
    const error = new LeaseholdError('DENIED', 'full', { details });
    expect(() => Object.assign(error.details, { reason: 'x' })).toThrow(TypeError);
    const foreign = Object.assign(new Error('full'), { name: 'LeaseholdError', code: 'DENIED' });
    expect(isLeaseholdError(foreign)).toBe(true);
    expect(
      [new Error('x'), 'x', undefined, { name: 'LeaseholdError', code: 'X' }].map(isLeaseholdError),
    ).toEqual([false, false, false, false]);
  });
});

describe('no secret can reach a message or a log', () => {
  /** Whatever a logger does with an error. */
  const everythingOf = (error: Error): string =>
    [
      inspect(error, { depth: 9, showHidden: true }),
      JSON.stringify(error),
      JSON.stringify(error.cause),
      error.message,
      error.stack,
      String(error.cause),
      (error.cause as Error | undefined)?.stack,
    ].join('\n');

  /** What ioredis hangs on its errors. */
  const replyError = (): Error =>
    Object.assign(new Error(`WRONGPASS invalid username-password pair for ${url('redis')}`), {
      name: 'ReplyError',
      code: 'WRONGPASS',
      command: { name: 'auth', args: ['app', SECRET] },
      options: { password: SECRET },
    });

  test('a cause keeps its name, message, code and stack, and nothing else', () => {
    const error = new LeaseholdError('REGISTRY_UNREACHABLE', 'no answer', { cause: replyError() });
    expect(everythingOf(error)).not.toContain(SECRET);
    expect(error.cause).toMatchObject({ name: 'ReplyError', code: 'WRONGPASS' });
    expect((error.cause as Error).message).toContain('//***@db.internal');
    expect((error.cause as Error).stack).toContain('errors.test');
  });

  test('the cause of a cause does not travel', () => {
    const cause = new Error('outer', { cause: replyError() });
    expect(everythingOf(new LeaseholdError('DENIED', 'no', { cause }))).not.toContain(SECRET);
  });

  test('a cause that is no error becomes one', () => {
    expect(withoutSecrets(`could not reach ${url('postgres')}`).message).toBe(
      'could not reach postgres://***@db.internal:5432/orders',
    );
    expect(withoutSecrets(undefined).message).toBe('undefined');
  });

  test('a LeaseholdError passes as it is', () => {
    const inner = new LeaseholdError('DENIED', 'no');
    expect(withoutSecrets(inner)).toBe(inner);
  });

  test.each(['redis', 'rediss', 'postgres', 'postgresql', 'mysql'])(
    'credentials in a %s URL are cut out',
    (scheme) => {
      expect(redact(`tried ${url(scheme)}, then ${url(scheme, '')}.`)).not.toContain(SECRET);
    },
  );

  test('addresses without credentials stay readable', () => {
    expect(redact('redis://cache.internal:6379 and a@b')).toBe('redis://cache.internal:6379 and a@b');
  });

  test('a password with a slash in it is cut out', () => {
    expect(redact(`redis://:${SECRET}/x@cache:6379`)).not.toContain(SECRET);
  });
  test('a password with an at sign in it is cut out whole', () => {
    expect(redact(['redis://:x', SECRET, 'cache:6379'].join('@'))).not.toContain(SECRET);
  });
});
