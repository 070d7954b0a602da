import { describe, expect, test } from '@jest/globals';
import { type Config, parseConfig } from '../../lib/core/config.ts';
import { type Environment, OTHER_VARIABLES, SECONDS, variableOf } from '../../lib/core/environment.ts';
import { NUMBER_OPTIONS } from '../../lib/core/options.ts';
import { SHARE_FIELDS } from '../../lib/core/share-option.ts';
import { TEXT_OPTIONS } from '../../lib/core/text-options.ts';
import { createPool, isLeaseholdError } from '../../lib/index.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import { createSweeper } from '../../lib/sweeper/sweeper.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDatabase } from '../support/fake-database.ts';
import { chooseSeed, SeededRandom } from '../support/seeded-random.ts';

const BASE = { LEASEHOLD_RESOURCE: 'orders', LEASEHOLD_CAPACITY: '80' };

const parse = (env: Environment, code: Readonly<Record<string, unknown>> = {}): Config =>
  parseConfig(code, [], { ...BASE, ...env });

const problemsOf = (env: unknown, code: Readonly<Record<string, unknown>> = {}): readonly string[] => {
  try {
    parseConfig(code, [], env);
    return [];
  } catch (error) {
    if (!isLeaseholdError(error)) throw error;
    expect(error.code).toBe('CONFIG_INVALID');
    return error.details['problems'] as readonly string[];
  }
};

const wrong = (env: Environment): readonly string[] => problemsOf({ ...BASE, ...env });

describe('variables', () => {
  test.each(Object.entries(NUMBER_OPTIONS))('%s has one, with its range', (name, { min, max }) => {
    const variable = variableOf(name);
    const given = (value: number): readonly string[] =>
      wrong({ [variable]: String(value) }).filter((text) => text.includes('is not a whole number'));
    expect(given(min)).toEqual([]);
    expect(given(max)).toEqual([]);
    for (const value of [min - 1, max + 1])
      expect(given(value)).toEqual([
        expect.stringMatching(
          new RegExp(`^${variable}: -?\\d+ is not a whole number of \\w+ from ${min} to`),
        ),
      ]);
  });

  test.each([
    ['LEASEHOLD_PROTECT_MS', '20000', { protectMs: 20_000, dangerMarginMs: 1_000 }],
    ['LEASEHOLD_CONNECTS_PER_SECOND', '100', { connectsPerSecond: 100, connectBurst: 100 }],
    ['LEASEHOLD_RESOURCE', 'billing', { resource: 'billing' }],
    ['LEASEHOLD_GROUP', 'api', { group: 'api' }],
    ['LEASEHOLD_ON_REGISTRY_LOSS', 'keep', { onRegistryLoss: 'keep' }],
    ['LEASEHOLD_RETRY_CONNECTS', 'false', { retryConnects: false }],
    ['LEASEHOLD_RETRY_CONNECTS', 'true', { retryConnects: true }],
    ['LEASEHOLD_ALLOW_EXIT_ON_IDLE', 'false', { allowExitOnIdle: false }],
    ['LEASEHOLD_LOG_LEVEL', 'debug', { logLevel: 'debug' }],
    ['LEASEHOLD_PROFILE', 'development', { profile: 'development', max: 3, logLevel: 'debug' }],
    ['LEASEHOLD_SHARE_MIN', '5', { share: { min: 5, max: 1_000_000_000, priority: 0 } }],
    ['LEASEHOLD_SHARE_MAX', '9', { share: { min: 0, max: 9, priority: 0 } }],
    ['LEASEHOLD_SHARE_PRIORITY', '2', { share: { min: 0, max: 1_000_000_000, priority: 2 } }],
    ['LEASEHOLD_MAX', ' 4 ', { max: 4 }],
    ['LEASEHOLD_MAX', '  ', { max: 10 }],
    ['LEASEHOLD_MAX', undefined, { max: 10 }],
  ])('%s=%s', (variable, value, expected) => {
    expect(parse({ [variable]: value })).toMatchObject(expected);
  });

  test.each([
    ['LEASEHOLD_MAX', '1e1', '"1e1" is not a whole number of connections from 1 to 1000'],
    ['LEASEHOLD_MAX', '0x5', '"0x5" is not a whole number'],
    ['LEASEHOLD_MAX', '1.5', '"1.5" is not a whole number'],
    ['LEASEHOLD_MAX', '99999999999999999999', '100000000000000000000 is not a whole number'],
    ['LEASEHOLD_RETRY_CONNECTS', 'yes', '"yes" is not true or false'],
    ['LEASEHOLD_PROFILE', 'Production', '"Production" is not development, staging or production'],
    ['LEASEHOLD_LOG_LEVEL', 'verbose', '"verbose" is not silent, error, warn, info or debug'],
    ['LEASEHOLD_GROUP', 'a b', '"a b" is not 1 to 64 characters'],
    ['LEASEHOLD_SHARE_PRIORITY', '10', '10 is not a whole number from 0 to 9'],
    ['AWS_LAMBDA_FUNCTION_NAME', 'a b', '"a b" is not 1 to 64 characters'],
  ])('%s=%s is refused by its name', (variable, value, text) => {
    expect(wrong({ [variable]: value })).toEqual([expect.stringContaining(`${variable}: ${text}`)]);
  });

  test('none is read where no environment is given', () => {
    process.env['LEASEHOLD_MAX'] = '7';
    try {
      expect(parseConfig({ resource: 'orders', capacity: 80 }, []).max).toBe(10);
    } finally {
      delete process.env['LEASEHOLD_MAX'];
    }
  });

  test('what is missing is named by both of its names', () => {
    expect(problemsOf({})).toEqual([
      'LEASEHOLD_RESOURCE, or the option resource: nothing is not 1 to 20 characters of a-z, 0-9 and -',
      'LEASEHOLD_CAPACITY, or the option capacity: nothing is not a whole number of connections from 1 to 100000',
    ]);
  });

  test.each([5, null, 'LEASEHOLD_MAX=3', () => ({})])('an env that is no record is refused: %p', (env) => {
    expect(problemsOf(env, { resource: 'orders', capacity: 5 })).toEqual([
      expect.stringContaining('is not a record of variables; it is process.env'),
    ]);
  });
});

describe('seconds', () => {
  test.each([
    [{ STARTUP_MAX_WAIT: '90' }, { startupMaxWaitMs: 90_000 }],
    [{ STARTUP_MAX_WAIT: '0' }, { startupMaxWaitMs: 0 }],
    [{ STARTUP_MAX_WAIT: '1.001' }, { startupMaxWaitMs: 1_001 }],
    [{ STARTUP_MAX_WAIT: '' }, { startupMaxWaitMs: 600_000 }],
    [
      { DB_OPERATION_TIMEOUT: '2.5' },
      { operationTimeoutMs: 2_500, statementTimeoutMs: 2_500, connectTimeoutMs: 2_500 },
    ],
    [{ DB_OPERATION_TIMEOUT: '0.5000' }, { operationTimeoutMs: 500, statementTimeoutMs: 500 }],
    [{ DB_OPERATION_TIMEOUT: '30' }, { operationTimeoutMs: 30_000, connectTimeoutMs: 3_000 }],
    [{}, { startupMaxWaitMs: 600_000, operationTimeoutMs: 3_000, statementTimeoutMs: 0 }],
  ])('%j', (env, expected) => {
    expect(parse(env)).toMatchObject(expected);
  });

  test.each([
    ['STARTUP_MAX_WAIT', '10 minutes', '"10 minutes"'],
    ['STARTUP_MAX_WAIT', '-1', '"-1"'],
    ['STARTUP_MAX_WAIT', '0.0005', '"0.0005"'],
    ['STARTUP_MAX_WAIT', '86400.001', '"86400.001"'],
    ['STARTUP_MAX_WAIT', 'Infinity', '"Infinity"'],
    ['DB_OPERATION_TIMEOUT', '0', '"0"'],
    ['DB_OPERATION_TIMEOUT', '61', '"61"'],
    ['DB_OPERATION_TIMEOUT', '1e1', '"1e1"'],
  ])('%s=%s is refused', (variable, value, shown) => {
    expect(wrong({ [variable]: value })).toEqual([
      expect.stringContaining(`${variable}: ${shown} is not a number of seconds, to the ms, from 0`),
    ]);
  });

  test.each(Object.entries(SECONDS))('%s and what it sets are not given both', (variable, { options }) => {
    for (const option of options)
      expect(wrong({ [variable]: '20', [variableOf(option)]: '20000' })).toEqual([
        `${variable}: ${variableOf(option)} says the same; give one of them`,
      ]);
  });

  test('the code may overrule one of the options that a variable sets', () => {
    expect(parse({ DB_OPERATION_TIMEOUT: '1' }, { operationTimeoutMs: 2_000 })).toMatchObject({
      operationTimeoutMs: 2_000,
      statementTimeoutMs: 1_000,
    });
  });
});

describe('precedence', () => {
  const env = { LEASEHOLD_PROFILE: 'development', LEASEHOLD_MAX: '6' };

  test('code, environment, profile, default, option by option', () => {
    expect(parse(env, { max: 8 })).toMatchObject({ max: 8, logLevel: 'debug', localWaitersMax: 10_000 });
    expect(parse(env)).toMatchObject({ max: 6, logLevel: 'debug', acquireTimeoutMs: 8_000 });
    expect(parse(env, { profile: 'staging' })).toMatchObject({
      max: 6,
      logLevel: 'info',
      profile: 'staging',
    });
    expect(parse(env, { max: undefined }).max).toBe(6);
  });

  test('so it is with the fields of a share', () => {
    const share = { LEASEHOLD_SHARE_MIN: '3', LEASEHOLD_SHARE_PRIORITY: '4' };
    expect(parse(share, { share: { min: 5 } }).share).toEqual({ min: 5, max: 1_000_000_000, priority: 4 });
  });

  test('on Lambda the environment may say more than one connection', () => {
    const lambda = { AWS_LAMBDA_FUNCTION_NAME: 'orders-api' };
    expect(parse({ ...lambda, LEASEHOLD_PROFILE: 'development' }).max).toBe(1);
    expect(parse({ ...lambda, ...env })).toMatchObject({ max: 6, group: 'orders-api' });
    expect(parse({ ...lambda, LEASEHOLD_GROUP: 'api' }).group).toBe('api');
  });

  test('a wrong value is told also where the code overrules it', () => {
    expect(problemsOf({ LEASEHOLD_MAX: 'many' }, { resource: 'orders', capacity: 5, max: 2 })).toEqual([
      'LEASEHOLD_MAX: "many" is not a whole number of connections from 1 to 1000',
    ]);
  });
});

describe('laws between options', () => {
  test.each([
    [
      { LEASEHOLD_HEADROOM: '41' },
      {},
      'LEASEHOLD_HEADROOM: 41 is more than half of LEASEHOLD_CAPACITY (80); at most 40',
    ],
    [
      { LEASEHOLD_PROTECT_MS: '20000' },
      { idleMs: 9_000 },
      'idleMs: 9000 is below LEASEHOLD_PROTECT_MS (20000)',
    ],
    [{ LEASEHOLD_IDLE_MS: '9000' }, {}, 'LEASEHOLD_IDLE_MS: 9000 is below protectMs (10000)'],
    [
      { LEASEHOLD_MIN: '2', AWS_LAMBDA_FUNCTION_NAME: 'f' },
      {},
      'LEASEHOLD_MIN: 2 is more than max on AWS Lambda (1)',
    ],
    [
      { LEASEHOLD_SHARE_MIN: '73' },
      {},
      'LEASEHOLD_SHARE_MIN: 73 is more than LEASEHOLD_CAPACITY less headroom (72)',
    ],
    [
      { LEASEHOLD_SHARE_MAX: '2' },
      { share: { min: 3 } },
      'share.min: 3 is more than LEASEHOLD_SHARE_MAX (2)',
    ],
  ])('%j with %j', (env, code, text) => {
    expect(problemsOf({ ...BASE, ...env }, code)).toEqual([text]);
  });
});

describe('names', () => {
  test.each([
    ['LEASEHOLD_CAPCITY', 'did you mean LEASEHOLD_CAPACITY?'],
    ['LEASEHOLD_PROTECT', 'did you mean LEASEHOLD_PROTECT_MS?'],
    ['LEASEHOLD_STARTUP_MAX_WAIT', 'did you mean STARTUP_MAX_WAIT?'],
    ['LEASEHOLD_DB_OPERATION_TIMEOUT', 'did you mean DB_OPERATION_TIMEOUT?'],
    ['LEASEHOLD_NAMESPASE', 'did you mean LEASEHOLD_NAMESPACE?'],
    ['LEASEHOLD_COLOUR', 'they are named after the options, LEASEHOLD_PROTECT_MS after protectMs'],
    ['LEASEHOLD_', 'they are named after the options, LEASEHOLD_PROTECT_MS after protectMs'],
    ['LEASEHOLD___PROTO__', 'they are named after the options, LEASEHOLD_PROTECT_MS after protectMs'],
  ])('%s is not known', (variable, hint) => {
    expect(wrong({ [variable]: '1' })).toEqual([`${variable}: no such variable; ${hint}`]);
  });

  test('those that are no options are let through, and so is everything with another prefix', () => {
    const others = Object.fromEntries(Object.keys(OTHER_VARIABLES).map((name) => [name, 'x']));
    expect(
      wrong({ ...others, PATH: '/bin', LEASE_MAX: 'x', leasehold_max: 'x', LEASEHOLD_COLOUR: ' ' }),
    ).toEqual([]);
  });

  test('no two options share a variable', () => {
    const options = [
      ...Object.keys(TEXT_OPTIONS),
      ...Object.keys(NUMBER_OPTIONS),
      ...Object.keys(SHARE_FIELDS).map((field) => `share.${field}`),
    ];
    const variables = [...options.map(variableOf), ...Object.keys(OTHER_VARIABLES), ...Object.keys(SECONDS)];
    expect(new Set(variables).size).toBe(variables.length);
  });

  test('every problem is told at once, each by the name under which its value was given', () => {
    const env = { LEASEHOLD_CAPACITY: 'many', LEASEHOLD_COLOUR: 'red', STARTUP_MAX_WAIT: 'long' };
    const problems = problemsOf(env, { resource: 'Orders', protectMs: 5, share: { min: -1 } });
    expect(problems.map((text) => text.split(':')[0])).toEqual([
      'LEASEHOLD_COLOUR',
      'STARTUP_MAX_WAIT',
      'resource',
      'LEASEHOLD_CAPACITY',
      'protectMs',
      'share.min',
    ]);
  });
});

describe('a pool and a sweeper', () => {
  const registry = memoryRegistry();
  const { driver } = new FakeDatabase(new FakeClock(), 5);

  test('take everything from the environment, the resource and its capacity included', () => {
    const env: Environment = { ...BASE, LEASEHOLD_MAX: '2' };
    expect(createPool({ registry, driver, env }).config).toMatchObject({
      resource: 'orders',
      capacity: 80,
      max: 2,
    });
    expect(() => createSweeper({ registry, driver, env })).not.toThrow();
  });

  test('without one, the compiler wants them in the code', () => {
    // @ts-expect-error
    expect(() => createPool({ registry, driver })).toThrow('resource: nothing is not');
    // @ts-expect-error
    expect(() => createSweeper({ registry, driver, resource: 'orders' })).toThrow('capacity: nothing is not');
  });

  test('tell what is wrong with their parts and with the environment at once', () => {
    const options = {
      registry: {},
      driver,
      logger: { info: () => undefined },
      env: { ...BASE, LEASEHOLD_MAX: '0' },
    };
    expect(() => Reflect.apply(createPool, undefined, [options])).toThrow(
      /registry: is missing[\s\S]*logger: has no method debug, warn, error[\s\S]*LEASEHOLD_MAX: 0/,
    );
  });
});

describe('bad input', () => {
  const seed = chooseSeed();
  const random = new SeededRandom(seed);
  const PASSWORD = 'hunter2';
  const VARIABLES = [
    ...[...Object.keys(TEXT_OPTIONS), ...Object.keys(NUMBER_OPTIONS)].map(variableOf),
    ...Object.keys(SHARE_FIELDS).map((field) => variableOf(`share.${field}`)),
    ...Object.keys(SECONDS),
    'LEASEHOLD_',
    'LEASEHOLD_NONE',
    'LEASEHOLD_constructor',
    '__proto__',
    'AWS_LAMBDA_FUNCTION_NAME',
    'AWS_LAMBDA_MAX_CONCURRENCY',
  ];
  const VALUES: readonly (() => unknown)[] = [
    () => String(random.whole(-5, 100_000)),
    () => String(random.fraction() * 100),
    () => `postgres://me:${PASSWORD}@db/orders`,
    () => `x postgres://me:${PASSWORD} 1@db`,
    () => `me:${PASSWORD}@db`,
    () => `redis://:${PASSWORD}`,
    () => String.fromCodePoint(...Array.from({ length: 9 }, () => random.whole(0, 0xd7ff))),
    () =>
      random.pick(['', ' ', 'true', 'false', 'keep', 'debug', 'staging', 'NaN', 'Infinity', '-0', '1e400']),
    () => undefined,
    () => random.pick([null, 5, true, [], {}, Object.create(null), () => PASSWORD, Symbol(PASSWORD), 5n]),
  ];

  test(`random environments are taken or refused, never anything else, and no secret is told (LEASEHOLD_SEED=${seed})`, () => {
    let taken = 0;
    for (let run = 0; run < 3_000; run += 1) {
      const names = Array.from({ length: random.whole(0, 6) }, () => random.pick(VARIABLES));
      const env = Object.fromEntries(names.map((name) => [name, random.pick(VALUES)()]));
      const problems = problemsOf({ ...(random.chance(0.5) ? BASE : {}), ...env });
      if (problems.length === 0) taken += 1;
      expect(problems.join('\n')).not.toContain(PASSWORD);
    }
    expect(taken).toBeGreaterThan(0);
  });
});
