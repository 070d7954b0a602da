import { LeaseholdError, withoutSecrets } from '../../core/errors.ts';
import type { OpenFailure, OpenResult } from '../driver.ts';
import { codeOf, isCut, isTlsTrouble } from '../network.ts';
import { tlsAdvice } from './tls.ts';

/** An ErrorResponse of the server, as `pg` hands it on. */
export interface ServerError extends Error {
  readonly code: string;
  readonly severity: string;
}

/** Only the server's own messages have a severity; Node's errors have a code, too. */
export const isServerError = (error: unknown): error is ServerError =>
  error instanceof Error &&
  typeof Reflect.get(error, 'severity') === 'string' &&
  typeof Reflect.get(error, 'code') === 'string';

/** The end of the session. The severity is translated by the server, so the codes count as well. */
export const isFatal = ({ severity, code }: ServerError): boolean =>
  severity === 'FATAL' || severity === 'PANIC' || /^(57P0\d|25P0[34])$/.test(code);

/** Where several codes stand, a server was seen or is documented to answer them; everything else is `rejected`. */
const SERVER_FAILURES: Readonly<Record<string, OpenFailure>> = {
  // Too many connections: of the server, the database or the role (four texts); DSQL: too many a second.
  '53300': 'refused',
  '53400': 'refused',
  '57P01': 'starting',
  '57P02': 'starting',
  '57P03': 'starting',
};

export const serverFailure = (code: string): OpenFailure =>
  SERVER_FAILURES[code] ?? (code.startsWith('28') ? 'auth' : 'rejected');

/** No retry mends these: database, setting, value, feature, right. */
const PERMANENT: ReadonlySet<string> = new Set(['3D000', '42704', '22023', '0A000', '42501']);

/** The server itself has refused user or password; a certificate that is not trusted here is no matter of passwords. */
export const isLoginRefusal = (result: OpenResult<unknown>): boolean =>
  result.kind === 'refused' && result.failure === 'auth' && codeOf(result.error.cause).startsWith('28');

/** What an error on this side of a started connection means; the server did not say it. */
export const localFailure = (error: unknown): OpenFailure => {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : '';
  if (isCut(code) || message.startsWith('Connection terminated')) return 'cut';
  if (isTlsTrouble(code) || /password|SASL|SCRAM|certificate/i.test(message)) return 'auth';
  return 'rejected';
};

/** What a failed login looks like from outside; nothing of the configuration but the address is in it. */
export const connectError = (
  failure: OpenFailure,
  cause: unknown,
  address: { readonly host: string; readonly port: number },
): LeaseholdError => {
  const code = codeOf(cause);
  const safe = withoutSecrets(cause);
  const advice = tlsAdvice(code, safe.message);
  return new LeaseholdError(
    'CONNECT_FAILED',
    `No connection to PostgreSQL at ${address.host}:${address.port} (${failure}): ${safe.message}${code && ` [${code}]`}${advice}`,
    {
      cause: safe,
      details: { engine: 'postgres', failure, code, host: address.host, port: address.port },
      retryable: failure !== 'auth' && !PERMANENT.has(code) && advice === '',
    },
  );
};
