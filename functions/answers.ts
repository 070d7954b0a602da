import type { Logger } from '@aws-lambda-powertools/logger';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { type LeaseholdError, withoutSecrets } from '../lib/core/errors.ts';
import { isLeaseholdError } from '../lib/index.ts';
import { isRepeatable } from './order-request.ts';

export type Answer = APIGatewayProxyStructuredResultV2;

export const answer = (
  statusCode: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Answer => ({
  statusCode,
  headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers },
  body: JSON.stringify(body),
});

interface FailedRequest {
  event: APIGatewayProxyEventV2;
  response: unknown;
  error: Error | null | undefined;
}

/**
 * Turns errors into answers: 503 with Retry-After where a later try may succeed and does no harm, else 500. Nothing of an
 * internal error's text reaches the caller; middy's http-error-handler would send a 503's own message.
 */
export const problemAnswers = (logger: Logger) => ({
  onError: (request: FailedRequest): void => {
    const { error, event } = request;
    // A server's error may quote the row that it is about; of that nothing is logged.
    const cause = withoutSecrets(error);
    if (hasNotBegun(error)) {
      logger.warn('No connection for an order', cause);
      request.response = answer(503, { message: 'The service is busy. Please try again.' }, error.headers);
    } else if (isCutOff(error) && isRepeatable(event)) {
      logger.warn('An order was cut off', cause);
      request.response = answer(503, { message: 'Please try again.' }, { 'Retry-After': '1' });
    } else {
      logger.error('An order failed', cause);
      request.response = answer(500, { message: 'Something went wrong.' });
    }
  },
});

const CUT_CODES = ['LEASE_LOST', 'CONNECTION_LOST'];

/** There was no connection to be had, so nothing of the request was done. */
const hasNotBegun = (error: unknown): error is LeaseholdError =>
  isLeaseholdError(error) && error.retryable && !CUT_CODES.includes(error.code);

/** As PostgreSQL says it: the session was ended, the server goes down, or takes no writes any more; and as Node says it. */
const CUT = /^(57P0\d|25P0[34]|25006|08\d{3}|ECONNRESET|EPIPE|ETIMEDOUT)$/;

/** The connection went away in the middle of it: whether the order was written, nobody here knows. */
const isCutOff = (error: unknown): boolean => {
  const { code, message } = Object(error) as { readonly code?: unknown; readonly message?: unknown };
  if (CUT_CODES.includes(String(code)) || CUT.test(String(code))) return true;
  return /^Connection terminated/.test(String(message));
};
