import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type { Match } from './routes.ts';

export interface HttpRequest {
  readonly method: string;
  /** Path and query, as they came. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly sourceIp: string;
}

/** An account that is nobody's. */
const ACCOUNT = '0'.repeat(12);

/** What an HTTP API of API Gateway sends to a function for a request: payload format 2.0. */
export const httpEvent = (request: HttpRequest, { route, pathParameters }: Match): APIGatewayProxyEventV2 => {
  const { method, target, headers, body, sourceIp } = request;
  const [path = '/', query = ''] = splitOnce(target, '?');
  const host = headers.host ?? 'localhost';
  const cookies = headers.cookie?.split('; ');
  const queryStringParameters = joined([...new URLSearchParams(query)]);
  const now = new Date();
  return {
    version: '2.0',
    routeKey: route.routeKey,
    rawPath: path,
    rawQueryString: query,
    ...(cookies === undefined ? {} : { cookies }),
    headers: plainHeaders(headers),
    ...(query === '' ? {} : { queryStringParameters }),
    requestContext: {
      accountId: ACCOUNT,
      apiId: 'local',
      domainName: host,
      domainPrefix: host.split('.')[0] ?? '',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp, userAgent: headers['user-agent'] ?? '' },
      requestId: randomUUID(),
      routeKey: route.routeKey,
      stage: '$default',
      time: clfTime(now),
      timeEpoch: now.getTime(),
    },
    ...(Object.keys(pathParameters).length === 0 ? {} : { pathParameters }),
    ...bodyOf(body, headers['content-type']),
  };
};

const splitOnce = (text: string, mark: string): readonly string[] => {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
};

/** Names in lower case; several values of one name are joined by commas, and cookies have a place of their own. */
const plainHeaders = ({ cookie: _, ...headers }: IncomingHttpHeaders): Record<string, string> =>
  joined(
    Object.entries(headers).flatMap(([name, value]) =>
      [value ?? []].flat().map((each) => [name, each] as const),
    ),
  );

const joined = (pairs: readonly (readonly [string, string])[]): Record<string, string> => {
  const values: Record<string, string> = {};
  for (const [name, value] of pairs) values[name] = name in values ? `${values[name]},${value}` : value;
  return values;
};

/** What is text by its type goes as it is, anything else in base64. */
const TEXT = /^(?:text\/|application\/(?:[\w.+-]+\+)?(?:json|xml)\b|application\/javascript\b)/i;

const bodyOf = (body: Buffer, type = ''): { body?: string; isBase64Encoded: boolean } => {
  if (body.length === 0) return { isBase64Encoded: false };
  return TEXT.test(type)
    ? { body: body.toString(), isBase64Encoded: false }
    : { body: body.toString('base64'), isBase64Encoded: true };
};

/** 01/Jun/2026:00:00:00 +0000 */
const clfTime = (date: Date): string => {
  const [, day, month, year, time] = /, (\d+) (\w+) (\d+) ([\d:]+)/.exec(date.toUTCString()) ?? [];
  return `${day}/${month}/${year}:${time} +0000`;
};
