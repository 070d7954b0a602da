import { describe, expect, it, test } from '@jest/globals';
import { httpAnswer } from '../local/http-answer.ts';
import { type HttpRequest, httpEvent } from '../local/http-event.ts';
import { failed } from '../local/outcome.ts';
import { matchRoute } from '../local/routes.ts';

const ROUTES = [
  'GET /console/{asset}',
  'GET /console',
  'POST /orders',
  'GET /orders/{id}',
  'GET /orders/latest',
  'ANY /files/{path+}',
].map((routeKey) => ({ routeKey, functionKey: 'orders' }));

describe('a route of an HTTP API', () => {
  it.each([
    ['POST', '/orders', 'POST /orders', {}],
    ['GET', '/orders/17', 'GET /orders/{id}', { id: '17' }],
    ['GET', '/orders/latest', 'GET /orders/latest', {}],
    ['GET', '/orders/a%20b', 'GET /orders/{id}', { id: 'a b' }],
    ['GET', '/console', 'GET /console', {}],
    ['GET', '/console/app.js', 'GET /console/{asset}', { asset: 'app.js' }],
    ['PUT', '/files/a/b', 'ANY /files/{path+}', { path: 'a/b' }],
  ])('%s %s is %s', (method, path, routeKey, pathParameters) => {
    const match = matchRoute(ROUTES, method, path);
    expect(match?.route.routeKey).toBe(routeKey);
    expect(match?.pathParameters).toEqual(pathParameters);
  });

  it.each([
    ['GET', '/'],
    ['GET', '/orders'],
    ['GET', '/orders/'],
    ['GET', '/orders/1/items'],
    ['DELETE', '/orders/1'],
    ['PUT', '/files/'],
  ])('%s %s is none', (method, path) => {
    expect(matchRoute(ROUTES, method, path)).toBeUndefined();
  });

  test('the default one takes what no other does', () => {
    const routes = [{ routeKey: '$default', functionKey: 'rest' }, ...ROUTES];
    expect(matchRoute(routes, 'GET', '/x')?.route.functionKey).toBe('rest');
    expect(matchRoute(routes, 'GET', '/console')?.route.functionKey).toBe('orders');
  });
});

const eventOf = (changes: Partial<HttpRequest>) => {
  const request = { method: 'POST', target: '/orders', headers: {}, body: Buffer.alloc(0), sourceIp: '::1' };
  const route = { routeKey: 'POST /orders', functionKey: 'orders' };
  return httpEvent({ ...request, ...changes }, { route, pathParameters: {} });
};

describe('an event of payload format 2.0', () => {
  it('joins several values of a query parameter by commas, and keeps the query as it came', () => {
    const event = eventOf({ target: '/orders?a=1&b=x%20y&a=2' });
    expect(event.rawPath).toBe('/orders');
    expect(event.rawQueryString).toBe('a=1&b=x%20y&a=2');
    expect(event.queryStringParameters).toEqual({ a: '1,2', b: 'x y' });
  });

  it('has cookies in a place of their own', () => {
    const event = eventOf({ headers: { cookie: 'a=1; b=2', 'x-id': '7' } });
    expect(event.cookies).toEqual(['a=1', 'b=2']);
    expect(event.headers).toEqual({ 'x-id': '7' });
  });

  it.each([
    ['application/json', 'text'],
    ['application/problem+json; charset=utf-8', 'text'],
    ['text/plain', 'text'],
    ['application/octet-stream', 'base64'],
    ['application/x-www-form-urlencoded', 'base64'],
    [undefined, 'base64'],
  ])('has a body of type %s as %s', (type, form) => {
    const { body, isBase64Encoded } = eventOf({
      body: Buffer.from('héllo'),
      headers: type === undefined ? {} : { 'content-type': type },
    });
    expect(isBase64Encoded).toBe(form === 'base64');
    expect(Buffer.from(body ?? '', isBase64Encoded ? 'base64' : 'utf8').toString()).toBe('héllo');
  });

  it('has no body, no parameters and no cookies where there are none', () => {
    const event = eventOf({});
    for (const field of ['body', 'pathParameters', 'queryStringParameters', 'cookies'])
      expect(event).not.toHaveProperty(field);
  });
});

const answered = (result: unknown) => httpAnswer({ kind: 'answered', payload: JSON.stringify(result) });

describe('an answer of an HTTP API', () => {
  it('is what the function says, each cookie a header of its own', () => {
    const answer = answered({
      statusCode: 201,
      headers: { Location: '/orders/1' },
      cookies: ['a=1', 'b=2'],
      body: Buffer.from('png').toString('base64'),
      isBase64Encoded: true,
    });
    expect(answer).toEqual({
      status: 201,
      headers: [
        ['location', '/orders/1'],
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ],
      body: Buffer.from('png'),
    });
  });

  it('is the result itself where it has no status code', () => {
    expect(answered({ id: 1 })).toMatchObject({ status: 200, body: Buffer.from('{"id":1}') });
  });

  it.each([
    ['failed', failed('Error', 'boom\nat x'), 500, 'Error: boom at x'],
    ['cannot be read', { kind: 'answered', payload: '{' } as const, 500, 'Local.InvalidResponse'],
    [
      'has a status that is none',
      { kind: 'answered', payload: '{"statusCode":7}' } as const,
      500,
      'no valid',
    ],
    ['was throttled', { kind: 'throttled' } as const, 503, 'throttled'],
  ])('tells nobody why an invocation %s, but in x-local-error', (_, outcome, status, reason) => {
    const answer = httpAnswer(outcome);
    expect(answer.status).toBe(status);
    expect(new Map(answer.headers).get('x-local-error')).toContain(reason);
    expect(Object.keys(JSON.parse(answer.body.toString()))).toEqual(['message']);
  });
});
