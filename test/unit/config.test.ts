import { describe, expect, test } from '@jest/globals';
import { parseConfig, settingsOf } from '../../lib/core/config.ts';
import { isLeaseholdError } from '../../lib/core/errors.ts';
import { NUMBER_OPTIONS } from '../../lib/core/options.ts';
import { PROFILES, type ProfileName } from '../../lib/core/profiles.ts';
import { createPool } from '../../lib/index.ts';

const problemsOf = (input: Record<string, unknown>): readonly string[] => {
  try {
    parseConfig(input, ['registry']);
    return [];
  } catch (error) {
    if (!isLeaseholdError(error)) throw error;
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', retryable: false, statusCode: 500 });
    return error.details['problems'] as readonly string[];
  }
};

const good = { resource: 'orders', capacity: 80 };

describe('defaults', () => {
  test.each([
    [80, { headroom: 8, idleMs: 300_000, quantumMs: 200, connectTimeoutMs: 3_000, connectBoundMs: 4_000 }],
    [10, { headroom: 1 }],
    [11, { headroom: 2 }],
    [2, { headroom: 1 }],
    [1, { headroom: 0, idleMs: 10_000, quantumMs: 0 }],
  ])('capacity %i', (capacity, expected) => {
    expect(parseConfig({ ...good, capacity }, [])).toMatchObject({
      ...expected,
      dangerMarginMs: 500,
      max: 10,
      group: 'default',
    });
  });

  test('a short protection brings a short connect timeout and margin', () => {
    expect(parseConfig({ ...good, protectMs: 1_000 }, [])).toMatchObject({
      connectTimeoutMs: 400,
      dangerMarginMs: 100,
    });
  });

  test('on Lambda the group is the function, and one connection is enough', () => {
    const env = { AWS_LAMBDA_FUNCTION_NAME: 'orders-api' };
    expect(parseConfig(good, [], env)).toMatchObject({ group: 'orders-api', max: 1 });
    expect(parseConfig({ ...good, group: 'mine', max: 4 }, [], env)).toMatchObject({ group: 'mine', max: 4 });
  });

  test('on Lambda Managed Instances several invocations share the process, and the pool is of normal size', () => {
    const env = { AWS_LAMBDA_FUNCTION_NAME: 'orders-api', AWS_LAMBDA_MAX_CONCURRENCY: '8' };
    expect(parseConfig(good, [], env)).toMatchObject({ group: 'orders-api', max: 10 });
    expect(parseConfig({ ...good, profile: 'development' }, [], env).max).toBe(3);
  });

  test('a blank variable of Lambda is none', () => {
    const env = { AWS_LAMBDA_FUNCTION_NAME: ' ', AWS_LAMBDA_MAX_CONCURRENCY: '' };
    expect(parseConfig(good, [], env)).toMatchObject({ group: 'default', max: 10 });
  });

  const EDGES = [1, 2, 3, 9, 10, 11, 99_999, 100_000];

  test.each(EDGES)('at capacity %i every default is inside its own range and keeps the laws', (capacity) => {
    const config = parseConfig({ ...good, capacity }, []);
    for (const [name, { min, max }] of Object.entries(NUMBER_OPTIONS)) {
      expect(Reflect.get(config, name)).toBeGreaterThanOrEqual(min);
      expect(Reflect.get(config, name)).toBeLessThanOrEqual(max);
    }
  });

  /** What the defaults of others are computed from. */
  const BASES = ['protectMs', 'operationTimeoutMs', 'connectsPerSecond'] as const;

  test.each(BASES)('at both ends of %s every default is right, whatever the capacity', (base) => {
    const { min, max } = NUMBER_OPTIONS[base];
    for (const capacity of EDGES)
      for (const value of [min, min + 1, Math.floor((min + max) / 2), max - 1, max])
        expect(problemsOf({ ...good, capacity, [base]: value })).toEqual([]);
  });

  test('the result is frozen', () => {
    expect(Object.isFrozen(parseConfig(good, []))).toBe(true);
  });
});

describe('profiles', () => {
  const NAMES = Object.keys(PROFILES) as ProfileName[];

  test.each(NAMES)('%s is right at every capacity, and changes nothing that the fleet shares', (profile) => {
    for (const capacity of [1, 2, 10, 80, 100_000]) {
      const config = parseConfig({ ...good, capacity, profile }, []);
      expect(config).toMatchObject({ ...PROFILES[profile], profile });
      expect(settingsOf(config)).toEqual(settingsOf(parseConfig({ ...good, capacity }, [])));
    }
  });

  test('production is what holds where nothing is said', () => {
    const { profile, ...said } = parseConfig({ ...good, profile: 'production' }, []);
    expect(profile).toBe('production');
    expect(parseConfig(good, [])).toMatchObject(said);
    expect(said).toMatchObject({ logLevel: 'warn', leakAfterMs: 0, max: 10 });
  });

  test.each(NAMES)('on Lambda %s has one connection, unless somebody says more', (profile) => {
    const env = { AWS_LAMBDA_FUNCTION_NAME: 'orders-api' };
    expect(parseConfig({ ...good, profile }, [], env).max).toBe(1);
    expect(parseConfig({ ...good, profile, max: 2 }, [], env).max).toBe(2);
  });

  test('what the code says overrules its profile, and a law that this breaks tells where the other value is from', () => {
    expect(parseConfig({ ...good, profile: 'development', max: 7 }, []).max).toBe(7);
    expect(problemsOf({ ...good, profile: 'development', min: 5 })).toEqual([
      'min: 5 is more than max of the profile development (3)',
    ]);
  });

  test('another name is refused, with those that there are', () => {
    expect(problemsOf({ ...good, profile: 'prod' })).toEqual([
      'profile: "prod" is not development, staging or production',
    ]);
  });
});

describe('share', () => {
  test('what is not said is no minimum, no maximum and priority 0', () => {
    expect(parseConfig(good, []).share).toBeUndefined();
    const share = { min: 0, max: 1_000_000_000, priority: 0 };
    expect(parseConfig({ ...good, share: {} }, []).share).toEqual(share);
    expect(parseConfig({ ...good, share: { min: 3, priority: 9 } }, []).share).toEqual({
      ...share,
      min: 3,
      priority: 9,
    });
  });

  test.each([
    ['no object', 5, ['share: is not an object like { min: 2, max: 20, priority: 1 }']],
    [
      'everything wrong at once',
      { min: -1, max: 0, priority: 10, maximum: 3 },
      [
        'share.maximum: no such option; there are min, max, priority',
        'share.min: -1 is not a whole number from 0 to 1000000000',
        'share.max: 0 is not a whole number from 1 to 1000000000',
        'share.priority: 10 is not a whole number from 0 to 9',
      ],
    ],
    ['no whole number', { min: 0.5 }, ['share.min: 0.5 is not a whole number from 0 to 1000000000']],
    ['a minimum above the maximum', { min: 3, max: 2 }, ['share.min: 3 is more than share.max (2)']],
    [
      'a minimum that cannot be served',
      { min: 73 },
      ['share.min: 73 is more than capacity less headroom (72)'],
    ],
  ])('%s is refused', (_, share, expected) => {
    expect(problemsOf({ ...good, share })).toEqual(expected);
  });

  test('a wrong share is told together with everything else', () => {
    const problems = problemsOf({ resource: 'orders', capacity: 0, share: { min: 5, max: -1 } });
    expect(problems).toEqual([
      expect.stringContaining('capacity: 0'),
      expect.stringContaining('share.max: -1'),
    ]);
  });

  test('onRegistryLoss is refuse or keep', () => {
    expect(parseConfig(good, []).onRegistryLoss).toBe('refuse');
    expect(parseConfig({ ...good, onRegistryLoss: 'keep' }, []).onRegistryLoss).toBe('keep');
    expect(problemsOf({ ...good, onRegistryLoss: 'stay' })).toEqual([
      'onRegistryLoss: "stay" is not refuse or keep',
    ]);
  });
});

describe('refusals', () => {
  test.each([
    ['unknown option', { ...good, nonsense: 5 }, ['nonsense: no such option; there are share, resource']],
    ['slip of the pen', { ...good, capcity: 5 }, ['capcity: no such option; did you mean capacity?']],
    ['near miss', { ...good, protect: 5 }, ['protect: no such option; did you mean protectMs?']],
    [
      'capacity 0',
      { ...good, capacity: 0 },
      ['capacity: 0 is not a whole number of connections from 1 to 100000'],
    ],
    ['capacity missing', { resource: 'orders' }, ['capacity: nothing is not a whole number']],
    ['capacity as text', { ...good, capacity: '80' }, ['capacity: "80" is not a whole number']],
    ['not a number', { ...good, idleMs: Number.NaN }, ['idleMs: NaN is not']],
    [
      'protection too long',
      { ...good, protectMs: 60_001 },
      ['protectMs: 60001 is not a whole number of ms from 1000 to 60000'],
    ],
    [
      'resource',
      { ...good, resource: 'Orders_DB' },
      ['resource: "Orders_DB" is not 1 to 20 characters of a-z, 0-9 and -'],
    ],
    ['group', { ...good, group: 'a b' }, ['group: "a b" is not 1 to 64 characters']],
    ['headroom', { ...good, headroom: 41 }, ['headroom: 41 is more than half of capacity (80); at most 40']],
    ['idle below protection', { ...good, idleMs: 5_000 }, ['idleMs: 5000 is below protectMs (10000)']],
    [
      'margin',
      { ...good, dangerMarginMs: 4_000 },
      ['dangerMarginMs: 4000 is not below a third of protectMs'],
    ],
    [
      'connect timeout',
      { ...good, connectTimeoutMs: 5_000 },
      ['connectTimeoutMs: 5000 is not below half of protectMs'],
    ],
    ['quantum without headroom', { ...good, headroom: 0, quantumMs: 100 }, ['quantumMs: 100 needs headroom']],
  ])('%s', (_, input, expected) => {
    const problems = problemsOf(input);
    expect(problems).toHaveLength(expected.length);
    for (const [at, text] of expected.entries()) expect(problems[at]).toContain(text);
  });

  test('every problem is told at once', () => {
    expect(problemsOf({ resource: '', capacity: 0, headroom: -1, nonsense: 1, group: '' })).toHaveLength(5);
  });

  test.each([
    ['an object without a prototype', Object.create(null), 'an object'],
    ['a list', ['secret'], 'a list'],
    ['a function', () => 'secret', 'a function'],
    ['null', null, 'null'],
    ['a symbol', Symbol('secret'), 'a symbol'],
    ['a large number', 5n, '5'],
  ])('%s is refused everywhere, and not looked into', (_, value, shown) => {
    const names = ['resource', 'group', 'profile', 'retryConnects', 'capacity', 'protectMs'];
    const problems = problemsOf(Object.fromEntries(names.map((name) => [name, value])));
    expect(problems).toHaveLength(names.length);
    for (const problem of problems) expect(problem).toContain(`: ${shown} is not `);
    expect(problems.join()).not.toContain('secret');
    expect(problemsOf({ ...good, share: { min: value } })).toEqual([
      expect.stringContaining(`share.min: ${shown} is not a whole number`),
    ]);
  });

  test('a value that looks like a credential is not repeated', () => {
    const password = ['p', 'w', '1'].join('');
    expect(problemsOf({ ...good, resource: `postgres://me:${password}@host/db` }).join()).not.toContain(
      password,
    );
  });

  test.each(Object.entries(NUMBER_OPTIONS))(
    '%s accepts its range and nothing beyond',
    (name, { min, max }) => {
      const at = (value: number) =>
        problemsOf({ ...good, [name]: value }).filter((text) => text.includes('is not a whole number'));
      expect(at(min)).toEqual([]);
      expect(at(max)).toEqual([]);
      expect(at(min - 1)).toHaveLength(1);
      expect(at(max + 1)).toHaveLength(1);
    },
  );

  test('a missing registry and driver are named beside the other problems', () => {
    const options = { resource: 'orders', capacity: 0 } as unknown as Parameters<typeof createPool>[0];
    expect(() => createPool(options)).toThrow(
      /registry: is missing[\s\S]*driver: is missing[\s\S]*capacity: 0/,
    );
    expect(() => createPool(undefined as unknown as Parameters<typeof createPool>[0])).toThrow(
      /CONFIG|options/,
    );
  });
});
