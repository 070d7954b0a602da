import type { OpenFailure } from '../driver.ts';

/** What has become of a call that failed. */
export type Fate =
  /** It never left this process, or reached nobody. */
  | 'unsent'
  /** The service has turned it away before it was executed. */
  | 'refused'
  /** It is over: this is its answer. */
  | 'answered'
  /** It may have happened, and may still run. */
  | 'unknown';

export interface Verdict {
  readonly fate: Fate;
  /** It has not happened, and may succeed a moment later. */
  readonly mayRepeat: boolean;
}

const THROTTLED: ReadonlySet<string> = new Set([
  'ThrottlingException',
  'Throttling',
  'ThrottledException',
  'TooManyRequestsException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'SlowDown',
]);

/** Errors of the database that the service shows when it could not even connect: too many connections, or starting. */
const NOT_CONNECTED: ReadonlySet<string> = new Set(['53300', '53400', '57P03']);

const read = (error: unknown, name: string): unknown => Reflect.get(Object(error), name);

const nameOf = (error: unknown): string => String(read(error, 'name') ?? '');

const messageOf = (error: unknown): string => String(read(error, 'message') ?? '');

const statusOf = (error: unknown): number => Number(read(read(error, '$metadata'), 'httpStatusCode') ?? 0);

/** The SQLSTATE that the service puts at the end of a database error's message. */
export const sqlStateOf = (error: unknown): string | undefined =>
  /\bSQLState: ([0-9A-Z]{5})\b/.exec(messageOf(error))?.[1];

/** `connect` or the name resolution failed: no byte of the request went anywhere. With several addresses, all of them must agree. */
const hasReachedNobody = (error: unknown): boolean => {
  const errors = read(error, 'errors');
  if (Array.isArray(errors) && errors.length > 0) return errors.every(hasReachedNobody);
  return read(error, 'syscall') === 'connect' || read(error, 'syscall') === 'getaddrinfo';
};

const isThrottled = (error: unknown): boolean => THROTTLED.has(nameOf(error)) || statusOf(error) === 429;

const isNotConnected = (error: unknown): boolean =>
  messageOf(error).startsWith('FATAL') && NOT_CONNECTED.has(sqlStateOf(error) ?? '');

/** The SDK had signed with a wrong clock, and has set it right since. */
const isSkewed = (error: unknown): boolean => read(read(error, '$metadata'), 'clockSkewCorrected') === true;

const isTurnedAway = (error: unknown): boolean =>
  isThrottled(error) ||
  nameOf(error) === 'DatabaseResumingException' ||
  isNotConnected(error) ||
  isSkewed(error);

/** `error`: as the HTTP handler or the service's answer made it. */
export const verdictOn = (error: unknown): Verdict => {
  if (hasReachedNobody(error)) return { fate: 'unsent', mayRepeat: true };
  if (isTurnedAway(error)) return { fate: 'refused', mayRepeat: true };
  const status = statusOf(error);
  return { fate: status >= 400 && status < 500 ? 'answered' : 'unknown', mayRepeat: false };
};

/** There is no such transaction, or no longer: it was committed or rolled back, by whomever. */
export const isTransactionGone = (error: unknown): boolean =>
  nameOf(error) === 'TransactionNotFoundException' || /transaction\b.*\bnot found/i.test(messageOf(error));

/** As it was shown to the borrower: nobody knows what became of it. */
export const isUnanswered = (error: unknown): boolean =>
  statusOf(error) >= 500 || read(read(error, 'details'), 'outcome') === 'unknown';

const AUTH: ReadonlySet<string> = new Set([
  'AccessDeniedException',
  'ForbiddenException',
  'InvalidSecretException',
  'SecretsErrorException',
  'InvalidSignatureException',
  'UnrecognizedClientException',
  'ExpiredTokenException',
  'CredentialsProviderError',
]);

/** What the failure of a first statement says about the way to the database. */
export const openFailureOf = (error: unknown, fate: Fate, isTimeout: boolean): OpenFailure => {
  if (isTimeout) return 'timeout';
  const state = sqlStateOf(error) ?? '';
  if (AUTH.has(nameOf(error)) || state.startsWith('28')) return 'auth';
  if (fate === 'unsent') return hasReachedNobody(error) ? 'unreachable' : 'rejected';
  if (fate === 'unknown') return statusOf(error) >= 500 ? 'starting' : 'cut';
  if (nameOf(error) === 'DatabaseResumingException' || state === '57P03') return 'starting';
  return fate === 'refused' ? 'refused' : 'rejected';
};
