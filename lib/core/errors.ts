/** Everything that can go wrong at the public edge. Expected answers between the parts (denied, queued, lost) are values. */
export type ErrorCode =
  /** The options are wrong; `details.problems` lists every problem at once. */
  | 'CONFIG_INVALID'
  /** No connection within the caller's deadline. */
  | 'ACQUIRE_TIMEOUT'
  /** The registry refused a lease and said why (`details.reason`). */
  | 'DENIED'
  /** The registry did not answer. */
  | 'REGISTRY_UNREACHABLE'
  /** The registry answered something that is no answer, or a newer version owns the resource. */
  | 'REGISTRY_INCOMPATIBLE'
  /** The database could not be reached or refused the login (`details.failure`). */
  | 'CONNECT_FAILED'
  /** The lease ended while it was in use: the statement failed or was not sent. */
  | 'LEASE_LOST'
  /** The connection died under its borrower for another reason than its lease. */
  | 'CONNECTION_LOST'
  /** A connection was used after it had been given back. */
  | 'USED_AFTER_RETURN'
  /** More callers wait in this process than `waitersMax`. */
  | 'WAITERS_FULL'
  /** The pool is closed or closing. */
  | 'POOL_CLOSED'
  /** The caller's AbortSignal fired. */
  | 'ABORTED';

const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  'ACQUIRE_TIMEOUT',
  'DENIED',
  'REGISTRY_UNREACHABLE',
  'CONNECT_FAILED',
  'LEASE_LOST',
  'CONNECTION_LOST',
  'WAITERS_FULL',
]);

export interface LeaseholdErrorOptions {
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
  /** Overrides what the code implies: a wrong password is a CONNECT_FAILED that no retry mends. */
  readonly retryable?: boolean;
  /** Milliseconds after which another try may succeed. */
  readonly retryAfterMs?: number;
}

export class LeaseholdError extends Error {
  override readonly name = 'LeaseholdError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  /** What a web layer should answer: 503 where a later request may succeed, else 500. */
  readonly statusCode: 500 | 503;
  /** Web layers (`http-errors`, middy's http-error-handler) read these two: a 503 is answered as it is, with Retry-After. */
  readonly expose: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: LeaseholdErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: withoutSecrets(options.cause) });
    this.code = code;
    this.retryable = options.retryable ?? RETRYABLE.has(code);
    this.retryAfterMs = this.retryable ? options.retryAfterMs : undefined;
    this.statusCode = this.retryable ? 503 : 500;
    this.expose = this.retryable;
    this.headers = Object.freeze(
      this.retryable ? { 'Retry-After': retryAfterSeconds(this.retryAfterMs) } : {},
    );
    this.details = Object.freeze({ ...options.details });
  }
}

/** Whole seconds are all that the header can say; at once is never right. */
const retryAfterSeconds = (ms = 0): string => String(Math.max(1, Math.ceil(ms / 1_000)));

export const isLeaseholdError = (value: unknown): value is LeaseholdError =>
  value instanceof LeaseholdError ||
  (value instanceof Error && value.name === 'LeaseholdError' && 'code' in value);

/** Also one of another realm: jest runs tests in a context of their own, and Node's errors are not of it. */
const isError = (value: unknown): value is Error =>
  value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';

/** Up to the LAST at sign: a password may have slashes and at signs in it, encoded or not. */
const CREDENTIALS_IN_URL = /\/\/[^\s"'<>]*@/g;

/** Removes what looks like `user:password@` from a text; rather too much of a URL than too little. */
export const redact = (text: string): string => text.replace(CREDENTIALS_IN_URL, '//***@');

/**
 * A copy of an error with only its name, message, code and stack. Clients hang whole commands and configurations on their
 * errors (the arguments of AUTH, a connection string), and loggers serialise whatever they find.
 */
export const withoutSecrets = (cause: unknown): Error => {
  if (cause instanceof LeaseholdError) return cause;
  const source = isError(cause) ? cause : new Error(String(cause));
  const copy: Error & { code?: string } = new Error(redact(source.message));
  copy.name = source.name;
  copy.stack = redact(source.stack ?? '');
  const code: unknown = Reflect.get(source, 'code');
  if (typeof code === 'string') copy.code = code;
  return copy;
};
