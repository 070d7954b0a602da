import { describe, expect, test } from '@jest/globals';
import { ASSETS, PAGE } from '../../functions/console.generated.ts';
import { type StatusParts, statusHandler } from '../../functions/status.ts';
import type { Answer } from '../../functions/status-answer.ts';
import type { FleetView } from '../../functions/status-view.ts';
import { LeaseholdError } from '../../lib/index.ts';
import { httpEvent } from '../support/lambda.ts';
import { memoryHarness, Scene } from '../support/registry-harness.ts';

const RESOURCE = 'orders';

const logged: string[] = [];
const logger = {
  warn: (message: string) => logged.push(`warn ${message}`),
  error: (message: string) => logged.push(`error ${message}`),
};

/** A resource of three connections that is known, and the status function before it. */
const open = async (more: Partial<StatusParts> = {}) => {
  const harness = await memoryHarness();
  const scene = new Scene(harness, RESOURCE);
  const clock = { ...more.clock, wallMs: () => harness.clockMs } as NonNullable<StatusParts['clock']>;
  const handler = statusHandler(() => ({
    registry: harness.registry,
    resource: RESOURCE,
    logger,
    clock,
    ...more,
  }));
  return { scene, call: (routeKey: string): Promise<Answer> => handler(httpEvent(routeKey)) };
};

const bodyOf = ({ body = '' }: Answer): unknown => JSON.parse(body);
const viewOf = (answer: Answer): FleetView => bodyOf(answer) as FleetView;

describe('GET /status', () => {
  test('tells the whole fleet, and every id by its beginning only', async () => {
    const { scene, call } = await open();
    await scene.start();
    await scene.share('checkout', { min: 1, max: 2, priority: 5 });
    await scene.granted('alpha-lease-00001', { holder: 'holder-one-is-secret' });
    await scene.granted('bravo-lease-00002', { holder: 'holder-one-is-secret' });
    await scene.queued('third', { group: 'mail' });
    scene.advance(1_000);
    expect(viewOf(await call('GET /status'))).toEqual({
      schema: 1,
      at: '2026-06-01T00:00:01.000Z',
      namespace: 'memory',
      resource: 'orders',
      isKnown: true,
      settings: scene.settings,
      counts: {
        capacity: 3,
        headroom: 1,
        held: 2,
        protected: 2,
        revocable: 0,
        revoking: 0,
        waiters: 1,
        claims: 0,
        flagged: 0,
        debt: 0,
        foreign: 0,
      },
      learningMs: 0,
      control: 'open',
      breaker: 'closed',
      version: 0,
      groups: [
        { name: 'checkout', min: 1, max: 2, priority: 5, taken: 2, waiting: 0 },
        { name: 'mail', min: 0, max: null, priority: 0, taken: 0, waiting: 1 },
      ],
      holders: {
        list: [{ holder: 'holder', group: 'checkout', protected: 2, revocable: 0, revoking: [] }],
        leasesListed: 2,
        leasesInAll: 2,
        isCut: false,
      },
      sweep: null,
    });
  });

  test('names what is being revoked by the beginning of its lease', async () => {
    const { scene, call } = await open();
    await scene.start();
    await scene.granted('alpha-lease');
    await scene.abandon('alpha-lease', { session: 'server1.42' });
    const { holders, counts } = viewOf(await call('GET /status'));
    expect(counts).toMatchObject({ held: 0, revoking: 1 });
    expect(holders.list).toEqual([
      {
        holder: 'holder',
        group: 'checkout',
        protected: 0,
        revocable: 0,
        revoking: [{ lease: 'alpha-', isSessionKnown: true }],
      },
    ]);
  });

  test('gives away nothing with which somebody could act for a holder, nor a session', async () => {
    const { scene, call } = await open();
    await scene.start();
    const { fence } = await scene.granted('alpha-lease', { holder: 'holder-one-is-secret' });
    await scene.renew('alpha-lease', { holder: 'holder-one-is-secret', session: 'server1.4242' });
    const { body = '' } = await call('GET /status');
    for (const secret of ['alpha-lease', 'holder-one', String(fence), fence.toString(36), '4242'])
      expect(body).not.toContain(secret);
  });

  test('says when the list of leases is cut', async () => {
    const { scene, call } = await open();
    const settings = { ...scene.settings, capacity: 150 };
    await scene.registry.configure(RESOURCE, settings, true);
    for (let at = 0; at < 120; at++) await scene.granted(`lease${at}`, { settings, holder: `${at}holder` });
    const { holders } = viewOf(await call('GET /status'));
    expect(holders).toMatchObject({ leasesListed: 100, leasesInAll: 120, isCut: true });
    expect(holders.list).toHaveLength(100);
  });

  test('says when the sweeper last ran', async () => {
    const { scene } = await open();
    await scene.start();
    const sweep = { agoMs: 61_000, isRunning: true };
    const inspect = async () => ({ ...(await scene.report()), sweep });
    const { call } = await open({ registry: { namespace: 'memory', inspect } });
    expect(viewOf(await call('GET /status')).sweep).toEqual({ ...sweep, lookedAgoMs: null });
  });

  test('says that the registry does not know the resource', async () => {
    const { call } = await open();
    expect(bodyOf(await call('GET /status'))).toEqual({
      schema: 1,
      at: '2026-06-01T00:00:00.000Z',
      namespace: 'memory',
      resource: 'orders',
      isKnown: false,
    });
  });

  test('is asked for anew each time, may be shown nowhere, and is what it says it is', async () => {
    const { call } = await open();
    expect((await call('GET /status')).headers).toEqual({
      'Content-Type': 'application/json; charset=utf-8',
      'Cache-Control': 'no-store',
      'Content-Security-Policy':
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'DENY',
      'X-Robots-Tag': 'noindex, nofollow',
      'Referrer-Policy': 'no-referrer',
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Resource-Policy': 'same-origin',
    });
  });

  test('answers 503 with Retry-After where the registry gives no answer', async () => {
    const inspect = async () => {
      throw new LeaseholdError('REGISTRY_UNREACHABLE', 'No answer from redis.internal:6379', {
        retryAfterMs: 1_500,
      });
    };
    const { call } = await open({ registry: { namespace: 'memory', inspect } });
    const answer = await call('GET /status');
    expect(answer.statusCode).toBe(503);
    expect(answer.headers).toMatchObject({ 'Retry-After': '2', 'Cache-Control': 'no-store' });
    expect(bodyOf(answer)).toEqual({
      schema: 1,
      error: 'REGISTRY_UNREACHABLE',
      message: 'The registry gave no answer.',
    });
    expect(logged.at(-1)).toBe('warn The registry gave no answer');
  });

  test.each([
    [new LeaseholdError('REGISTRY_INCOMPATIBLE', 'Schema 9 at redis.internal'), 'REGISTRY_INCOMPATIBLE'],
    [new TypeError('x of redis.internal is undefined'), 'INTERNAL'],
  ])('answers 500 to %s, and keeps its words to itself', async (error, code) => {
    const inspect = async () => {
      throw error;
    };
    const { call } = await open({ registry: { namespace: 'memory', inspect } });
    const answer = await call('GET /status');
    expect(answer.statusCode).toBe(500);
    expect(bodyOf(answer)).toMatchObject({ error: code });
    expect(answer.body).not.toContain('redis.internal');
    expect(logged.at(-1)).toBe('error The status could not be told');
  });

  test('asks the registry one question, and nothing else', async () => {
    const asked: unknown[] = [];
    const registry = new Proxy({} as StatusParts['registry'], {
      get: (_, name) => {
        if (name === 'namespace') return 'six666';
        return async (...args: unknown[]) => void asked.push([name, ...args]);
      },
    });
    const { call } = await open({ registry });
    expect(bodyOf(await call('GET /status'))).toMatchObject({ isKnown: false });
    expect(asked).toEqual([['inspect', 'orders', 100]]);
  });
});

describe('GET /console', () => {
  test('is the page, with a policy that lets it load its own and nothing else', async () => {
    const { call } = await open();
    const { statusCode, headers, body } = await call('GET /console');
    expect([statusCode, body]).toEqual([200, PAGE]);
    expect(headers).toMatchObject({
      'Content-Type': 'text/html; charset=utf-8',
      'Cache-Control': 'no-cache',
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'Content-Security-Policy': [
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'",
        "require-trusted-types-for 'script'; trusted-types 'none'",
      ].join('; '),
    });
  });

  test('names only relative addresses, and every asset that it names is there for ever', async () => {
    const { call } = await open();
    const addresses = [...PAGE.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, address = '']) => address);
    const assets = addresses.filter((address) => address.startsWith('console/'));
    expect(assets).toHaveLength(ASSETS.size);
    expect(addresses.filter((address) => !assets.includes(address))).toEqual(['#main', 'status', 'status']);
    for (const address of assets) {
      const { statusCode, headers, body } = await call(`GET /${address}`);
      expect([statusCode, body]).toEqual([200, ASSETS.get(address.slice('console/'.length))?.body]);
      expect(headers).toMatchObject({ 'Cache-Control': 'public, max-age=31536000, immutable' });
    }
  });

  test('needs no registry and no configuration', async () => {
    const handler = statusHandler(() => {
      throw new Error('not configured');
    });
    expect((await handler(httpEvent('GET /console'))).statusCode).toBe(200);
    await expect(handler(httpEvent('GET /status'))).rejects.toThrow('not configured');
  });

  test('with a slash is sent to where its relative addresses hold', async () => {
    const { call } = await open();
    const { statusCode, headers } = await call('GET /dev/console/');
    expect([statusCode, headers?.['Location']]).toEqual([308, '../console']);
  });
});

describe('every other request', () => {
  test.each([
    '/',
    '/orders',
    '/status/x',
    '/status/',
    '/consoles',
    '/console/none.js',
    '/console/a/b',
    '/xstatus',
  ])('is answered 404 at %s', async (path) => {
    const { call } = await open();
    const answer = await call(`GET ${path}`);
    expect(answer.statusCode).toBe(404);
    expect(bodyOf(answer)).toEqual({ schema: 1, error: 'NOT_FOUND', message: 'There is nothing here.' });
  });

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('is answered 405 to %s', async (method) => {
    const { call } = await open();
    for (const path of ['/status', '/console', `/console/${[...ASSETS.keys()][0]}`]) {
      const { statusCode, headers } = await call(`${method} ${path}`);
      expect([statusCode, headers?.['Allow']]).toEqual([405, 'GET, HEAD']);
    }
  });

  test('HEAD has the headers of GET, and no body', async () => {
    const { call } = await open();
    for (const path of ['/status', '/console']) {
      const { body, ...head } = await call(`GET ${path}`);
      expect(body).not.toBe('');
      expect(await call(`HEAD ${path}`)).toEqual({ ...head, body: '' });
    }
  });

  test('may have a stage in front of its path', async () => {
    const { call } = await open();
    for (const path of ['/dev/status', '/dev/console', `/a/b/console/${[...ASSETS.keys()][0]}`])
      expect((await call(`GET ${path}`)).statusCode).toBe(200);
  });
});
