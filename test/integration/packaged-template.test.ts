import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bundlesOf, checkLoading, checkSizes } from '../../.ci/bundles.ts';
import { COMBINATIONS, checkTemplate } from '../../.ci/check-template.ts';
import { type Combination, packageService } from '../../.ci/package-service.ts';
import { elementsOf, type Template } from '../../.ci/template.ts';
import { FAILOVER_EVENTS } from '../../functions/database-event.ts';
import { firstStepHandler, readFirstStep } from '../../functions/first-step.ts';

const PACKAGE_MS = 120_000;

const temp = mkdtempSync(join(tmpdir(), 'leasehold-packaged-'));
let folder: string;
let template: Template;

beforeAll(async () => {
  ({ folder, template } = await packageService(temp, COMBINATIONS['dev'] as Combination));
}, PACKAGE_MS);

afterAll(() => rmSync(temp, { recursive: true, force: true }));

const propertiesOf = (id: string): Readonly<Record<string, unknown>> =>
  template.Resources[id]?.Properties ?? {};

/** The packaged template with one place in its text changed. */
const withTypo = (right: string, wrong: string): Template => {
  const text = JSON.stringify(template);
  expect(text).toContain(right);
  return JSON.parse(text.replace(right, wrong));
};

describe('the packaged template', () => {
  test('has nothing wrong with it', async () => {
    expect(await checkTemplate(template)).toEqual([]);
  });

  test.each<[string, string, string, string]>([
    ['a property', '"ReservedConcurrentExecutions":', '"ReservedConcurrentExecution":', 'no such property'],
    ['a property in a property', '"MaxCapacity":', '"MaxCapacities":', 'no such property MaxCapacities'],
    [
      'a type',
      'AWS::ElastiCache::Serverless',
      'AWS::Elasticache::Serverless',
      'no such type AWS::Elasticache::',
    ],
    ['a value', '"Engine":"valkey","UserId"', '"Engine":"valkeys","UserId"', '"valkeys"'],
    ['a reference', '{"Ref":"RegistryUsers"}', '{"Ref":"RegistryUser5"}', 'no resource RegistryUser5'],
    [
      'an attribute',
      '"Database","DBClusterArn"',
      '"Database","Arn"',
      'AWS::RDS::DBCluster has no attribute Arn',
    ],
    ['an IAM action', 'elasticache:Connect', 'elasticache:Conect', 'no such action elasticache:Conect'],
    ['an IAM service', 'rds-data:Execute', 'rdsdata:Execute', 'no such action rdsdata:ExecuteStatement'],
    [
      'what Lambda asks of a role',
      '"Mode":"PassThrough"',
      '"Mode":"Active"',
      'its role may not xray:PutTraceSegments',
    ],
    ['a variable', '"LEASEHOLD_IDLE_MS"', '"LEASEHOLD_IDEL_MS"', 'LEASEHOLD_IDEL_MS: no such variable'],
    ['the value of a variable', '"REDIS_MODE":"cluster"', '"REDIS_MODE":"clustered"', 'REDIS_MODE'],
    ["an alarm's metric", '"FleetBreakerOpen"', '"FleetBreakerOpened"', 'nobody writes the metric leasehold'],
    ["an alarm's namespace", '"AWS/SQS"', '"AWS/Sqs"', 'nobody writes the metric AWS/Sqs'],
    [
      "an alarm's dimension",
      '"Name":"cause"',
      '"Name":"Cause"',
      'never comes with the dimensions Cause, service',
    ],
    [
      "a widget's metric",
      '\\"LeaseWait\\"',
      '\\"LeaseWaits\\"',
      'nobody writes the metric leasehold LeaseWaits',
    ],
    ["a widget's search", 'GroupHeld', 'GroupsHeld', 'nobody writes the metric leasehold GroupsHeld'],
  ])('with a typo in %s is found out', async (_, right, wrong, tells) => {
    const findings = await checkTemplate(withTypo(right, wrong));
    expect(findings.map(({ what }) => what)).toContainEqual(expect.stringContaining(tells));
  });
});

describe('what each function may do', () => {
  const actionsOf = (role: string): string[] =>
    elementsOf(propertiesOf(role)['Policies'])
      .flatMap((policy) => elementsOf(Object(policy).PolicyDocument.Statement))
      .filter((statement) => Object(statement).Effect === 'Allow')
      .flatMap((statement) => elementsOf(Object(statement).Action))
      .map(String)
      .filter((action) => !/^(?:ec2|logs|xray):/.test(action))
      .toSorted();

  test.each<[string, string[]]>([
    ['StatusRole', ['elasticache:Connect']],
    ['FailoverRole', ['elasticache:Connect', 'sqs:SendMessage']],
    ['OrdersRole', ['elasticache:Connect', 'rds-db:connect']],
    [
      'SweeperRole',
      [
        'elasticache:Connect',
        'rds-data:ExecuteStatement',
        'rds-db:connect',
        'secretsmanager:GetSecretValue',
        'sqs:SendMessage',
      ],
    ],
    [
      'FirstStepRole',
      ['lambda:InvokeFunction', 'rds-data:ExecuteStatement', 'secretsmanager:GetSecretValue'],
    ],
  ])('%s: network, logs, traces, and %j', (role, actions) => {
    expect(actionsOf(role)).toEqual(actions);
  });
});

test('one sweeper at a time, no retries, and what fails is kept', () => {
  expect(propertiesOf('SweeperLambdaFunction')['ReservedConcurrentExecutions']).toBe(1);
  expect(propertiesOf('SweeperLambdaEvConf')).toMatchObject({
    MaximumRetryAttempts: 0,
    MaximumEventAgeInSeconds: 60,
    DestinationConfig: { OnFailure: { Destination: { 'Fn::GetAtt': ['Failures', 'Arn'] } } },
  });
  expect(propertiesOf('Failures')).toMatchObject({ SqsManagedSseEnabled: true });
});

test('the first step finds its statements one by one, and none of them in its event', async () => {
  const { Environment } = propertiesOf('FirstStepLambdaFunction') as {
    Environment: { Variables: Record<string, string> };
  };
  const did: string[] = [];
  const handler = firstStepHandler({
    settings: readFirstStep(Environment.Variables),
    execute: async (sql) => did.push(sql),
    invoke: async () => undefined,
    answer: async () => undefined,
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  const event = { RequestType: 'Create', ResourceProperties: propertiesOf('FirstStep') };
  await handler(event as never, { getRemainingTimeInMillis: () => 240_000 });
  expect(did.map((sql) => sql.split(' ', 3).join(' '))).toEqual([
    'DO $$ BEGIN',
    'GRANT rds_iam TO',
    'CREATE TABLE IF',
    'CREATE TABLE IF',
    'GRANT SELECT, INSERT',
  ]);
  expect(JSON.stringify(event)).not.toMatch(/CREATE|GRANT/);
});

test('the failover function runs when callers have taken every environment that there is', () => {
  expect(propertiesOf('FailoverLambdaFunction')['ReservedConcurrentExecutions']).toBe(2);
});

test('the failover function hears of the events that it knows, and of no others', () => {
  const patterns = Object.values(template.Resources)
    .filter(
      ({ Type, Properties = {} }) => Type === 'AWS::Events::Rule' && Properties['EventPattern'] !== undefined,
    )
    .map(({ Properties = {} }) => Properties['EventPattern']);
  expect(patterns).toEqual([
    {
      source: ['aws.rds'],
      'detail-type': Object.keys(FAILOVER_EVENTS),
      detail: {
        EventID: Object.values(FAILOVER_EVENTS)
          .flatMap((events) => Object.keys(events))
          .toSorted(),
      },
    },
  ]);
});

test('every route of the API asks who calls', () => {
  const routes = Object.values(template.Resources).filter(({ Type }) => Type === 'AWS::ApiGatewayV2::Route');
  expect(routes.map(({ Properties = {} }) => Properties['RouteKey']).toSorted()).toEqual([
    'GET /console',
    'GET /console/{asset}',
    'GET /orders/{id}',
    'GET /status',
    'POST /orders',
  ]);
  for (const { Properties } of routes) expect(Properties).toMatchObject({ AuthorizationType: 'AWS_IAM' });
});

describe('the zips', () => {
  test(
    'load by themselves, and keep their budget',
    () => {
      const bundles = bundlesOf(template, folder);
      expect(bundles.map(({ key }) => key).toSorted()).toEqual([
        'failover',
        'firstStep',
        'orders',
        'status',
        'sweeper',
      ]);
      expect(checkSizes(bundles)).toEqual([]);
      expect(checkLoading(bundles, join(temp, 'unpacked'))).toEqual([]);
    },
    PACKAGE_MS,
  );

  test('one that is too large, or whose handler is not there, is found out', () => {
    const [bundle] = bundlesOf(template, folder).filter(({ key }) => key === 'orders');
    if (bundle === undefined) throw new Error('There is no zip of orders.');
    expect(checkSizes([bundle], { orders: 1 })).toEqual([expect.objectContaining({ right: 'at most 1 kB' })]);
    expect(checkSizes([bundle], {})).toHaveLength(1);
    const lost = { ...bundle, handler: 'functions/orders.handle' };
    const [finding] = checkLoading([lost], join(temp, 'lost'));
    expect(finding?.what).toContain('exports no function handle');
  });
});
