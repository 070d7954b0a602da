import type { Logger } from '@aws-lambda-powertools/logger';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { isLeaseholdError } from '../lib/index.ts';
import { BadRequest } from './order.ts';

interface FailedRequest {
  response: unknown;
  error: Error | null | undefined;
}

/**
 * Turns errors into answers: 400 for what the caller got wrong, 503 with Retry-After where a later try may succeed, else
 * 500. Nothing of an internal error's text reaches the caller; middy's http-error-handler would send a 503's own message.
 */
export const problemAnswers = (logger: Logger) => ({
  onError: (request: FailedRequest): void => {
    const { error } = request;
    if (error instanceof BadRequest) {
      request.response = answer(400, error.message);
      return;
    }
    if (isLeaseholdError(error) && error.statusCode === 503) {
      logger.warn('No connection for an order', error);
      request.response = answer(503, 'The service is busy. Please try again.', error.headers);
      return;
    }
    logger.error('An order failed', error ?? new Error('without an error'));
    request.response = answer(500, 'Something went wrong.');
  },
});

const answer = (
  statusCode: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): APIGatewayProxyStructuredResultV2 => ({
  statusCode,
  headers: { 'Content-Type': 'application/json', ...headers },
  body: JSON.stringify({ message }),
});
