import { Logger } from '@aws-lambda-powertools/logger';
import { describe, expect, jest, test } from '@jest/globals';
import { LeaseholdError } from '../../lib/core/errors.ts';
import { Events } from '../../lib/core/events.ts';
import type { LogLevel } from '../../lib/core/log-level.ts';
import { createPool, type PoolEvents, type PoolOptions } from '../../lib/index.ts';
import { logEvents, type PoolLogger } from '../../lib/pool/pool-log.ts';
import type { FakeClient } from '../support/fake-database.ts';
import { PoolWorld } from '../support/pool-world.ts';

type Line = readonly [level: string, message: string, fields: Readonly<Record<string, unknown>>];

const recorder = (): { readonly logger: PoolLogger; readonly lines: Line[] } => {
  const lines: Line[] = [];
  const at =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>>): void =>
      void lines.push([level, message, fields]);
  return { logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines };
};

/** What is logged of the events that `emit` emits. */
const logged = (emit: (events: Events<PoolEvents>) => void, logLevel: LogLevel = 'debug'): Line[] => {
  const events = new Events<PoolEvents>();
  const { logger, lines } = recorder();
  logEvents(events, logger, { logLevel, resource: 'orders', group: 'api' });
  emit(events);
  return lines;
};

const RETRY = { attempt: 2, delayMs: 99.7, elapsedMs: 3_000, reason: 'no answer' } as const;

const emitted = <Name extends keyof PoolEvents>(level: string, name: Name, event: PoolEvents[Name]) =>
  [level, name, (events: Events<PoolEvents>) => events.emit(name, event)] as const;

describe('levels', () => {
  test.each([
    emitted('debug', 'acquired', { waitMs: 0 }),
    emitted('debug', 'returned', { heldMs: 1 }),
    emitted('debug', 'healthChecked', { healthy: 1, closed: 0 }),
    emitted('info', 'connectionOpened', { openMs: 5 }),
    emitted('info', 'connectionClosed', { reason: 'idle', endSeen: true }),
    emitted('info', 'leaseLost', { reason: 'revoked', inUse: false }),
    emitted('warn', 'leaseLost', { reason: 'revoked', inUse: true }),
    emitted('warn', 'waiting', { position: 1, waitedMs: 1_000, because: undefined }),
    emitted('warn', 'connectionFailed', { failure: 'timeout', error: new Error('late') }),
    emitted('warn', 'leakSuspected', { heldMs: 1, stack: 'at here' }),
    emitted('warn', 'censusFailed', { error: 'away' }),
    emitted('warn', 'retry', { ...RETRY, operation: 'connect' }),
    emitted('info', 'retry', { ...RETRY, operation: 'lease' }),
    emitted('info', 'retry', { ...RETRY, operation: 'renew' }),
    emitted('info', 'retry', { ...RETRY, operation: 'farewell' }),
  ])('%s: %s', (level, _, emit) => {
    expect(logged(emit).map(([its]) => its)).toEqual([level]);
    expect(logged(emit, 'silent')).toEqual([]);
    expect(logged(emit, 'info')).toHaveLength(level === 'debug' ? 0 : 1);
    expect(logged(emit, 'warn')).toHaveLength(level === 'warn' ? 1 : 0);
  });

  test('what is left out is not listened for, so that the warm path costs nothing', () => {
    const events = new Events<PoolEvents>();
    const on = jest.spyOn(events, 'on');
    logEvents(events, recorder().logger, { logLevel: 'warn', resource: 'orders', group: 'api' });
    const names = on.mock.calls.map(([name]) => name);
    expect(names).toContain('retry');
    for (const name of ['acquired', 'returned', 'leaseGranted', 'connectionOpened'])
      expect(names).not.toContain(name);
    on.mockClear();
    logEvents(events, recorder().logger, { logLevel: 'silent', resource: 'orders', group: 'api' });
    expect(on).not.toHaveBeenCalled();
  });
});

describe('fields', () => {
  test('are the event, whose it is, and plain values', () => {
    expect(logged((events) => events.emit('retry', { ...RETRY, operation: 'connect' }))).toEqual([
      [
        'warn',
        'Trying again',
        {
          event: 'retry',
          resource: 'orders',
          group: 'api',
          operation: 'connect',
          attempt: 2,
          delayMs: 100,
          elapsedMs: 3_000,
          reason: 'no answer',
        },
      ],
    ]);
  });

  test('what is undefined is left out', () => {
    const [line] = logged((events) =>
      events.emit('waiting', { position: 3, waitedMs: 1_000, because: undefined }),
    );
    expect(Object.keys(line?.[2] ?? {})).toEqual(['event', 'resource', 'group', 'position', 'waitedMs']);
  });

  test('an error is its name, its code and its message', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), {
      code: 'ECONNREFUSED',
      password: 'hunter2',
    });
    const errors = [refused, new LeaseholdError('DENIED', 'No lease'), 'just a text', undefined, null, 5];
    const lines = logged((events) => {
      for (const error of errors) events.emit('registryFailed', { operation: 'grant', error });
    });
    expect(lines.map(([, , fields]) => fields['error'])).toEqual([
      { name: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' },
      { name: 'LeaseholdError', code: 'DENIED', message: 'No lease' },
      { name: 'Error', message: 'just a text' },
      undefined,
      { name: 'Error', message: 'null' },
      { name: 'Error', message: '5' },
    ]);
  });

  test('no credentials are written, wherever they are', () => {
    const url = ['postgres://me', 'hunter2@db/orders'].join(':');
    const lines = logged((events) => {
      events.emit('connectionFailed', { failure: 'auth', error: new Error(`cannot reach ${url}`) });
      events.emit('acquireFailed', { waitMs: 1, error: new LeaseholdError('CONNECT_FAILED', url) });
      events.emit('retry', { ...RETRY, operation: 'connect', reason: url });
      events.emit('leakSuspected', { heldMs: 1, stack: `at ${url}` });
    });
    expect(lines).toHaveLength(4);
    expect(JSON.stringify(lines)).not.toContain('hunter2');
  });
});

describe('a pool', () => {
  test('tells its logger what happens, down to logLevel', async () => {
    const world = new PoolWorld(10);
    const { logger, lines } = recorder();
    const pool = await world.start({ logger, logLevel: 'debug' });
    await world.until(pool.use(() => undefined));
    expect(lines.map(([, , fields]) => fields['event'])).toEqual([
      'leaseGranted',
      'connectionOpened',
      'acquired',
      'returned',
    ]);
  });

  test('by default tells warnings only: each failed attempt to connect, and each retry', async () => {
    const world = new PoolWorld(10);
    const { logger, lines } = recorder();
    const pool = await world.start({ logger, acquireTimeoutMs: 4_000 });
    world.database.nextOpens.push({ how: 'refuse', failure: 'unreachable' });
    await world.until(pool.use(() => undefined));
    expect(lines.map(([level, , fields]) => [level, fields['event']])).toEqual([
      ['warn', 'connectionFailed'],
      ['warn', 'retry'],
    ]);
  });

  test('that cannot start says so at every attempt, with a growing pause', async () => {
    const world = new PoolWorld(10);
    const { logger, lines } = recorder();
    const pool = await world.start({ logger, env: { STARTUP_MAX_WAIT: '60' } });
    for (let left = 3; left > 0; left -= 1)
      world.database.nextOpens.push({ how: 'refuse', failure: 'starting' });
    await world.until(pool.warm());
    const retries = lines.filter(([, , { event }]) => event === 'retry').map(([, , fields]) => fields);
    expect(retries).toMatchObject([
      { operation: 'connect', attempt: 1, delayMs: 1_000 },
      { operation: 'connect', attempt: 2, delayMs: 2_000 },
      { operation: 'connect', attempt: 3, delayMs: 4_000 },
    ]);
  });

  test('is not hurt by a logger that throws, or fails later', async () => {
    const world = new PoolWorld(10);
    const fail = (): never => {
      throw new Error('no disk');
    };
    const later = async (): Promise<void> => fail();
    for (const write of [fail, later]) {
      const logger = { debug: write, info: write, warn: write, error: write };
      const pool = world.pool({ logger, logLevel: 'debug' });
      await world.registry.configure('orders', pool.config, true);
      expect(await world.until(pool.use(() => 'fine'))).toBe('fine');
    }
  });

  test('does not hear of each use unless it is to be logged', () => {
    const { registry, database } = new PoolWorld(10);
    const { logger } = recorder();
    const hears = (options: Partial<PoolOptions<FakeClient>>): boolean => {
      const pool = createPool({
        resource: 'orders',
        capacity: 10,
        registry,
        driver: database.driver,
        ...options,
      });
      return pool.events.hears('acquired') || pool.events.hears('returned');
    };
    expect(hears({})).toBe(false);
    expect(hears({ logger })).toBe(false);
    expect(hears({ logger, logLevel: 'info' })).toBe(false);
    expect(hears({ logger, logLevel: 'debug' })).toBe(true);
  });

  test('takes the loggers of Powertools and of Node as they are', () => {
    const loggers: readonly PoolLogger[] = [new Logger({ serviceName: 'orders' }), console];
    for (const logger of loggers) expect(() => new PoolWorld(10).pool({ logger })).not.toThrow();
  });

  test('takes a logger that wants the fields first through an adapter', () => {
    const lines: unknown[] = [];
    /** As pino has it. */
    const fieldsFirst = { warn: (fields: object, message: string) => void lines.push([message, fields]) };
    const warn = (message: string, fields: object): void => fieldsFirst.warn(fields, message);
    const quiet = (): void => undefined;
    const pool = new PoolWorld(10).pool({ logger: { debug: quiet, info: quiet, warn, error: warn } });
    pool.events.emit('leftLent', { count: 2 });
    expect(lines).toEqual([
      ['An invocation ended without giving connections back', expect.objectContaining({ count: 2 })],
    ]);
  });
});
