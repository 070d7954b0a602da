import type { FunctionError, Outcome } from './outcome.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

/**
 * What an HTTP API makes of a function's outcome. Besides, `x-local-error` names what went wrong behind it, which API Gateway
 * keeps to itself.
 */
export const httpAnswer = (outcome: Outcome): HttpAnswer => {
  if (outcome.kind === 'throttled') return busy('throttled');
  if (outcome.kind === 'failed') return broken(outcome.error);
  try {
    return answered(JSON.parse(outcome.payload) as unknown);
  } catch (error) {
    return broken({ errorType: 'Local.InvalidResponse', errorMessage: String(error) });
  }
};

export const notFound = (): HttpAnswer => message(404, 'Not Found', []);

/** The integration did not answer in time, or there was no room for it. */
export const busy = (reason: string): HttpAnswer =>
  message(503, 'Service Unavailable', [['x-local-error', reason]]);

const broken = ({ errorType, errorMessage }: FunctionError): HttpAnswer =>
  message(500, 'Internal Server Error', [['x-local-error', printable(`${errorType}: ${errorMessage}`)]]);

const message = (status: number, text: string, headers: HttpAnswer['headers']): HttpAnswer => ({
  status,
  headers: [['content-type', 'application/json'], ...headers],
  body: Buffer.from(JSON.stringify({ message: text })),
});

const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, ' ').slice(0, 500);

interface StructuredResult {
  readonly statusCode: unknown;
  readonly headers?: Readonly<Record<string, string | number | boolean>>;
  readonly cookies?: readonly string[];
  readonly body?: unknown;
  readonly isBase64Encoded?: boolean;
}

/** Payload format 2.0: what has no status code is the body itself. */
const answered = (result: unknown): HttpAnswer => {
  if (typeof result !== 'object' || result === null || !('statusCode' in result))
    return {
      status: 200,
      headers: [['content-type', 'application/json']],
      body: Buffer.from(JSON.stringify(result)),
    };
  const {
    statusCode,
    headers = {},
    cookies = [],
    body = '',
    isBase64Encoded = false,
  } = result as StructuredResult;
  const status = Number(statusCode);
  if (!Number.isInteger(status) || status < 100 || status > 599 || typeof body !== 'string')
    throw new Error('The function returned no valid response.');
  return {
    status,
    headers: [
      ...Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)] as const),
      ...cookies.map((cookie) => ['set-cookie', cookie] as const),
    ],
    body: Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'),
  };
};
