import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cacheToken } from '../../functions/cache-token.ts';
import { FLEET_METRICS, measureFailedSweep, measureFleet } from '../../functions/fleet-metrics.ts';
import { readRegistrySettings, readSettings } from '../../functions/settings.ts';
import type { Environment } from '../../lib/core/environment.ts';
import { isLeaseholdError } from '../../lib/index.ts';
import { fleetSeen, type SweepReport } from '../../lib/sweeper/sweep-report.ts';

const URLS = { REDIS_URL: 'rediss://app@cache:6379', DATABASE_URL: 'postgres://app@db:5432/orders' };
const ENV: Environment = {
  ...URLS,
  AWS_REGION: 'eu-central-1',
  LEASEHOLD_RESOURCE: 'orders',
  LEASEHOLD_CAPACITY: '80',
};

const problemsOf = (more: Environment): readonly string[] => {
  try {
    readSettings({ ...ENV, ...more });
  } catch (error) {
    if (isLeaseholdError(error)) return error.details['problems'] as readonly string[];
    throw error;
  }
  throw new Error('Nothing was wrong.');
};

describe('the settings of a function', () => {
  it('are plain where nothing else is said', () => {
    expect(readSettings(ENV)).toEqual({
      redis: { url: URLS.REDIS_URL, isCluster: false, iam: undefined },
      database: { url: URLS.DATABASE_URL, auth: 'url' },
      control: undefined,
      namespace: undefined,
      follow: undefined,
      lookEveryMs: 0,
      config: expect.objectContaining({ resource: 'orders', capacity: 80 }),
    });
  });

  it.each([
    ['REDIS_URL', 'redis:', 'app:100%sure'],
    ['REDIS_URL', 'redis:', 'a%ff'],
    ['DATABASE_URL', 'postgres:', 'a%zz:p'],
    ['LEASEHOLD_CONTROL_URL', 'postgres:', 'a%:p'],
  ])('refuse a login in %s that cannot be decoded, and repeat nothing of it', (name, protocol, login) => {
    expect(problemsOf({ [name]: `${protocol}//${login}@host/orders`, REDIS_IAM_CACHE: '' })).toEqual([
      `${name}: has a % in it that begins no code of a character; write %25`,
    ]);
  });

  it('take a password of PostgreSQL as its client does', () => {
    const login = 'app:100%sure';
    const DATABASE_URL = `postgres://${login}@db/orders`;
    expect(readSettings({ ...ENV, DATABASE_URL }).database.url).toBe(DATABASE_URL);
  });

  it('name the IAM identity of the cache by the URL’s user', () => {
    const { redis } = readSettings({ ...ENV, REDIS_MODE: 'cluster', REDIS_IAM_CACHE: 'leases' });
    expect(redis).toMatchObject({
      isCluster: true,
      iam: { cache: 'leases', isServerless: true, user: 'app', region: 'eu-central-1' },
    });
    const node = { REDIS_IAM_CACHE: 'group', REDIS_IAM_SERVERLESS: 'false' };
    expect(readSettings({ ...ENV, ...node }).redis).toMatchObject({ iam: { isServerless: false } });
  });

  it('take the database’s password from a secret, or a token in its place', () => {
    const secret = { DATABASE_AUTH: 'secret', DATABASE_SECRET_ARN: 'arn:secret' };
    expect(readSettings({ ...ENV, ...secret }).database).toMatchObject({
      auth: 'secret',
      secretArn: 'arn:secret',
    });
    expect(readSettings({ ...ENV, DATABASE_AUTH: 'iam' }).database).toMatchObject({ auth: 'iam' });
  });

  it('know two ways for the sweeper, and bounds between which the capacity follows the database', () => {
    const dataApi = {
      LEASEHOLD_CONTROL_CLUSTER_ARN: 'arn:cluster',
      LEASEHOLD_CONTROL_SECRET_ARN: 'arn:secret',
      LEASEHOLD_CONTROL_DATABASE: 'orders',
    };
    const follow = { LEASEHOLD_FOLLOW_MIN: '10', LEASEHOLD_FOLLOW_MAX: '90', LEASEHOLD_FOLLOW_SHARE: '.5' };
    expect(readSettings({ ...ENV, ...dataApi, ...follow, LEASEHOLD_LOOK_EVERY_MS: '600000' })).toMatchObject({
      control: { kind: 'data-api', clusterArn: 'arn:cluster', region: 'eu-central-1' },
      follow: { min: 10, max: 90, share: 0.5 },
      lookEveryMs: 600_000,
    });
    const url = 'postgres://admin@db/orders';
    expect(readSettings({ ...ENV, LEASEHOLD_CONTROL_URL: url }).control).toEqual({ kind: 'url', url });
  });

  it('are refused with every problem at once, by the variables’ names, and no secret in them', () => {
    const problems = problemsOf({
      AWS_REGION: ' ',
      REDIS_URL: 'redis://:password@cache',
      REDIS_MODE: 'clustered',
      REDIS_IAM_CACHE: 'leases',
      REDIS_IAM_SERVERLESS: 'yes',
      DATABASE_URL: 'postgres://app:password@db/orders',
      DATABASE_AUTH: 'secret',
      LEASEHOLD_CONTROL_CLUSTER_ARN: 'arn:cluster',
      LEASEHOLD_FOLLOW_MIN: '0',
      LEASEHOLD_FOLLOW_SHARE: '1.5',
      LEASEHOLD_LOOK_EVERY_MS: '-5',
    });
    expect(problems.map((text) => text.split(':')[0])).toEqual([
      'REDIS_MODE',
      'REDIS_IAM_SERVERLESS',
      'REDIS_URL',
      'AWS_REGION',
      'DATABASE_URL',
      'AWS_REGION',
      'DATABASE_SECRET_ARN',
      'LEASEHOLD_CONTROL_SECRET_ARN',
      'LEASEHOLD_CONTROL_DATABASE',
      'AWS_REGION',
      'LEASEHOLD_FOLLOW_MIN',
      'LEASEHOLD_FOLLOW_SHARE',
      'LEASEHOLD_FOLLOW_MAX',
      'LEASEHOLD_LOOK_EVERY_MS',
    ]);
    expect(problems.join()).not.toContain(':password');
  });

  it.each<[string, Environment, RegExp]>([
    [
      'a token without TLS',
      { REDIS_URL: 'redis://app@cache', REDIS_IAM_CACHE: 'leases' },
      /^REDIS_URL: .*TLS/,
    ],
    ['a token for nobody', { REDIS_URL: 'rediss://cache', REDIS_IAM_CACHE: 'leases' }, /^REDIS_URL: .*USER/],
    [
      'no share at all',
      { LEASEHOLD_FOLLOW_MIN: '1', LEASEHOLD_FOLLOW_MAX: '9', LEASEHOLD_FOLLOW_SHARE: '0' },
      /^LEASEHOLD_FOLLOW_SHARE: "0" is not/,
    ],
  ])('are refused with %s', (_, more, says) => {
    expect(problemsOf(more)).toEqual([expect.stringMatching(says)]);
  });

  it('are refused where two ways are given for one thing', () => {
    const both = { LEASEHOLD_CONTROL_URL: 'postgres://a@db/x', LEASEHOLD_CONTROL_DATABASE: 'x' };
    expect(problemsOf(both)[0]).toMatch(/^LEASEHOLD_CONTROL_URL: is given beside/);
    expect(problemsOf({ DATABASE_SECRET_ARN: 'arn' })).toEqual([
      'DATABASE_SECRET_ARN: is given, but DATABASE_AUTH is not secret',
    ]);
    expect(problemsOf({ LEASEHOLD_FOLLOW_MIN: '9', LEASEHOLD_FOLLOW_MAX: '8' })).toEqual([
      'LEASEHOLD_FOLLOW_MIN: 9 is above LEASEHOLD_FOLLOW_MAX',
    ]);
  });
});

describe('the settings of a function that asks the registry alone', () => {
  it('need no database, and read nothing of it', () => {
    const { DATABASE_URL: _, ...rest } = ENV;
    expect(readRegistrySettings({ ...rest, DATABASE_AUTH: 'nonsense' })).toMatchObject({
      redis: { url: URLS.REDIS_URL },
      config: { resource: 'orders', capacity: 80 },
    });
    expect(() => readRegistrySettings({ AWS_LAMBDA_FUNCTION_NAME: 'status' })).toThrow(
      /REDIS_URL.*LEASEHOLD_RESOURCE.*LEASEHOLD_CAPACITY/s,
    );
  });
});

describe('an IAM token for the cache', () => {
  const VARIABLES = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];
  const kept = new Map<string, string | undefined>();

  beforeEach(() => {
    for (const name of VARIABLES) kept.set(name, process.env[name]);
    // Nobody's.
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'made/up+for=this',
      AWS_SESSION_TOKEN: 'made up+too/',
    });
  });
  afterEach(() => {
    for (const [name, value] of kept) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  const identity = { cache: 'leases', isServerless: true, user: 'app', region: 'eu-central-1' };

  it('is a presigned request without its protocol, good for 15 minutes, and holds no secret key', async () => {
    const token = await cacheToken(identity)();
    expect(token).toMatch(/^leases\/\?/);
    const { searchParams } = new URL(`https://${token}`);
    expect(Object.fromEntries(searchParams)).toMatchObject({
      Action: 'connect',
      User: 'app',
      ResourceType: 'ServerlessCache',
      'X-Amz-Expires': '900',
      'X-Amz-SignedHeaders': 'host',
      'X-Amz-Security-Token': 'made up+too/',
      'X-Amz-Credential': expect.stringMatching(
        /^AKIDEXAMPLE\/\d{8}\/eu-central-1\/elasticache\/aws4_request$/,
      ),
      'X-Amz-Signature': expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(token).not.toContain('made/up');
    expect(decodeURIComponent(token)).not.toContain('made/up+for');
  });

  it('does not call a cache with nodes serverless', async () => {
    const token = await cacheToken({ ...identity, isServerless: false })();
    expect(token).not.toContain('ResourceType');
  });
});

describe('the metrics of the fleet', () => {
  const report: SweepReport = {
    ...fleetSeen(undefined),
    ...{ resource: 'orders', elapsedMs: 12, isElected: true, lookedThrough: 'lease', health: 'healthy' },
    ...{ expired: 1, settled: 2, kept: 3, denied: 4, adopted: 5, vacated: 6 },
    ...{ census: { sessions: 9, foreign: 1 }, capacity: undefined, trouble: undefined },
    ...{ isKnown: true, fleetCapacity: 80, fleetHeadroom: 8, held: 72, protected: 54, revoking: 2 },
    ...{ control: 'paused', breaker: 'open' },
    groups: [{ name: 'api', min: 0, max: 9, priority: 0, taken: 3, waiting: 1 }],
  };

  const written = (write: (sink: { addMetric(name: string, unit: string, value: number): void }) => void) => {
    const found: Record<string, number> = {};
    write({
      addMetric: (name, unit, value) => {
        expect(FLEET_METRICS).toHaveProperty(name, unit);
        found[name] = value;
      },
    });
    return found;
  };

  it('of a sweep that did and saw everything are all of the table', () => {
    const found = written((sink) => measureFleet(sink, report));
    expect(Object.keys(found).toSorted()).toEqual(Object.keys(FLEET_METRICS).toSorted());
    expect(found).toMatchObject({ FleetUsed: 75, FleetDrift: 11, FleetPaused: 1, FleetBreakerOpen: 1 });
  });

  it.each([
    ['paused', 'open', 1, 1],
    ['draining', 'half-open', 1, 1],
    ['open', 'closed', 0, 0],
  ] as const)('count %s and %s as what it is', (control, breaker, FleetPaused, FleetBreakerOpen) => {
    const found = written((sink) => measureFleet(sink, { ...report, control, breaker }));
    expect(found).toMatchObject({ FleetPaused, FleetBreakerOpen });
  });

  it('a fleet of frozen holders is full, and not in use', () => {
    const frozen = written((sink) => measureFleet(sink, { ...report, protected: 0 }));
    expect(frozen).toMatchObject({ FleetHeld: 72, FleetUsed: 0 });
    const busy = written((sink) => measureFleet(sink, { ...report, protected: 72 }));
    expect(busy).toMatchObject({ FleetHeld: 72, FleetUsed: 100 });
  });

  it('say nothing of a database that was not looked at, nor of a fleet that nobody knows', () => {
    const quiet = { ...report, health: 'unknown', census: undefined, isKnown: false } as const;
    const found = written((sink) => measureFleet(sink, quiet));
    for (const name of ['DatabaseUnhealthy', 'FleetDrift', 'FleetHeld', 'FleetCapacity'])
      expect(found).not.toHaveProperty(name);
  });

  it('of a sweep that stood back say just that, and what the registry counts', () => {
    const found = written((sink) => measureFleet(sink, { ...report, isElected: false }));
    expect(found).toMatchObject({ SweepRun: 1, SweepSkipped: 1, FleetHeld: 72 });
    expect(found).not.toHaveProperty('SweepSettled');
  });

  it('of a registry that gave no answer are a run in trouble', () => {
    expect(written((sink) => measureFailedSweep(sink))).toEqual({ SweepRun: 1, SweepTrouble: 1 });
  });

  it('are written once more for each group, with its name as the dimension', () => {
    const records: unknown[] = [];
    const singleMetric = () => {
      const record: Record<string, unknown> = {};
      records.push(record);
      return {
        addDimension: (name: string, value: string) => Object.assign(record, { [name]: value }),
        addMetric: (name: string, _: string, value: number) => Object.assign(record, { [name]: value }),
      };
    };
    measureFleet({ addMetric: () => undefined, singleMetric }, report);
    expect(records).toEqual([
      { group: 'api', GroupHeld: 3 },
      { group: 'api', GroupWaiting: 1 },
    ]);
  });
});
