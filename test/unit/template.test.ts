import { loadAwsServiceSpecSync } from '@aws-cdk/aws-service-spec';
import { describe, expect, test } from '@jest/globals';
import { emittedMetrics } from '../../.ci/emitted-metrics.ts';
import type { Finding, Template, TemplateResource } from '../../.ci/template.ts';
import { checkIam } from '../../.ci/template-iam.ts';
import { checkMetrics, metricsOfAws } from '../../.ci/template-metrics.ts';
import { checkReferences } from '../../.ci/template-references.ts';
import { checkRights } from '../../.ci/template-rights.ts';
import { Schemas } from '../../.ci/template-schema.ts';

const database = loadAwsServiceSpecSync();
const schemas = new Schemas(database);

const whats = (findings: readonly Finding[]): string[] => findings.map(({ what }) => what);

const of = (Resources: Record<string, TemplateResource>, rest: Partial<Template> = {}): Template => ({
  ...rest,
  Resources,
});

describe('a resource is judged by the schema of its type', () => {
  const judged = (Type: string, Properties: Record<string, unknown>, rest: object = {}): string[] =>
    whats(schemas.check(of({ It: { Type, Properties, ...rest } })));

  test.each<[string, Record<string, unknown>]>([
    ['AWS::SQS::Queue', { SqsManagedSseEnabled: true, MessageRetentionPeriod: 1_209_600 }],
    ['AWS::SQS::Queue', { MessageRetentionPeriod: '60', Tags: [{ Key: 'a', Value: 'b' }] }],
    [
      'AWS::SQS::Queue',
      { QueueName: { 'Fn::Sub': `\${AWS::StackName}-x` }, KmsMasterKeyId: { Ref: 'AWS::NoValue' } },
    ],
    ['AWS::EC2::VPCEndpoint', { VpcId: { Ref: 'X' }, SubnetIds: { 'Fn::Split': [',', 'a,b'] } }],
    ['Custom::Whatever', { ServiceToken: 'arn', Anything: [1] }],
  ])('%s with %j is right', (type, properties) => {
    expect(judged(type, properties)).toEqual([]);
  });

  test.each<[string, string, Record<string, unknown>]>([
    ['no such type AWS::SQS::Quueue', 'AWS::SQS::Quueue', {}],
    ['no such property SqsManagedSse', 'AWS::SQS::Queue', { SqsManagedSse: true }],
    ['VpcId is missing', 'AWS::EC2::VPCEndpoint', {}],
    ['"14 days" is of another type', 'AWS::SQS::Queue', { MessageRetentionPeriod: '14 days' }],
    ['["a"] is of another type', 'AWS::SQS::Queue', { QueueName: ['a'] }],
    [
      '8 is of another type',
      'AWS::ElastiCache::ServerlessCache',
      { ServerlessCacheName: 'a', Engine: 'valkey', MajorEngineVersion: 8 },
    ],
    ['"intferface"', 'AWS::EC2::VPCEndpoint', { VpcId: 'x', VpcEndpointType: 'intferface' }],
    [
      'no such property Typ',
      'AWS::ElastiCache::User',
      { UserId: 'a', UserName: 'a', Engine: 'valkey', AuthenticationMode: { Typ: 'iam' } },
    ],
    ['"a" is of another type', 'AWS::EC2::VPCEndpoint', { VpcId: 'x', SubnetIds: 'a' }],
    ['a list from Fn::Split', 'AWS::EC2::VPCEndpoint', { VpcId: { 'Fn::Split': [',', 'a'] } }],
    ['Value is missing', 'AWS::SQS::Queue', { Tags: [{ Key: 'a' }] }],
    ['ServiceToken is missing', 'Custom::Whatever', {}],
    [
      '{"Fn::Join":[",",["a"]]} is of another type',
      'AWS::EC2::VPCEndpoint',
      { VpcId: 'x', SubnetIds: { 'Fn::Join': [',', ['a']] } },
    ],
  ])('%s', (what, type, properties) => {
    expect(judged(type, properties)).toContain(what);
  });

  test('both arms of a condition are judged', () => {
    const either = { 'Fn::If': ['Is', { Ref: 'AWS::NoValue' }, ['wrong']] };
    expect(judged('AWS::SQS::Queue', { QueueName: either })).toEqual(['["wrong"] is of another type']);
  });

  test('beside the properties stands nothing that CloudFormation does not know', () => {
    expect(judged('AWS::SQS::Queue', {}, { DependOn: 'X', DeletionPolicy: 'Keep' })).toEqual([
      'no such key DependOn',
      'Keep',
    ]);
  });
});

describe('what a template mentions is there', () => {
  const judged = (template: Template): string[] => whats(checkReferences(template, schemas.hasAttribute));
  const queue = (name: unknown): TemplateResource => ({
    Type: 'AWS::SQS::Queue',
    Properties: { QueueName: name },
  });

  test.each<[string, unknown]>([
    ['no resource Nobody', { Ref: 'Nobody' }],
    ['no resource Nobody', { 'Fn::GetAtt': ['Nobody', 'Arn'] }],
    ['no resource Nobody', { 'Fn::Sub': `a-\${Nobody.Arn}` }],
    ['AWS::SQS::Queue has no attribute ARN', { 'Fn::Sub': `\${Other.ARN}` }],
    ['AWS::SQS::Queue has no attribute ARN', { 'Fn::GetAtt': ['Other', 'ARN'] }],
    ['no condition IsIt', { 'Fn::If': ['IsIt', 'a', 'b'] }],
  ])('%s: %j', (what, name) => {
    expect(judged(of({ It: queue(name), Other: queue('x') }))).toEqual([what]);
  });

  test('what is there, is no finding', () => {
    const own = { 'Fn::Sub': [`\${AWS::Region}-\${Other.Arn}-\${Mine}-\${!Literally}`, { Mine: 'x' }] };
    const conditions = { Conditions: { IsIt: { 'Fn::Equals': ['a', 'b'] } } };
    const template = of({ It: queue(own), Other: { ...queue('x'), Condition: 'IsIt' } }, conditions);
    expect(judged(template)).toEqual([]);
  });

  test('also in DependsOn, in conditions and in outputs', () => {
    const template = of(
      { It: { ...queue('x'), DependsOn: 'Gone', Condition: 'IsIt' } },
      { Outputs: { Out: { Value: { Ref: 'Lost' } } } },
    );
    expect(judged(template)).toEqual(['no resource Gone', 'no condition IsIt', 'no resource Lost']);
  });

  test('resources that wait for each other could never be made', () => {
    const circle = of({
      A: queue({ Ref: 'B' }),
      B: queue({ 'Fn::Sub': `\${C.Arn}` }),
      C: { ...queue('c'), DependsOn: ['A'] },
    });
    expect(judged(circle)).toEqual(['these wait for each other: A, B, C']);
  });
});

describe('what a template allows', () => {
  const role = (statement: object): Template =>
    of({
      Role: {
        Type: 'AWS::IAM::Role',
        Properties: { Policies: [{ PolicyName: 'x', PolicyDocument: { Statement: [statement] } }] },
      },
    });
  const judged = async (statement: object): Promise<string[]> => whats(await checkIam(role(statement)));
  const queue = { 'Fn::GetAtt': ['Queue', 'Arn'] };

  test.each<[object]>([
    [{ Effect: 'Allow', Action: 'sqs:SendMessage', Resource: queue }],
    [{ Effect: 'Allow', Action: ['xray:PutTraceSegments'], Resource: '*' }],
    [{ Effect: 'Allow', Action: 'ec2:CreateNetworkInterface', Resource: '*' }],
    [{ Effect: 'Deny', Action: 's3:*', Resource: '*' }],
  ])('%j is right', async (statement) => {
    expect(await judged(statement)).toEqual([]);
  });

  test.each<[string, object]>([
    ['no such action sqs:SendMesage', { Effect: 'Allow', Action: 'sqs:SendMesage', Resource: queue }],
    ['no such action sqss:SendMessage', { Effect: 'Allow', Action: 'sqss:SendMessage', Resource: queue }],
    ['the wildcard action sqs:*', { Effect: 'Allow', Action: ['sqs:*'], Resource: queue }],
    ['the wildcard action *', { Effect: 'Allow', Action: '*', Resource: queue }],
    ['sqs:SendMessage on every resource', { Effect: 'Allow', Action: 'sqs:SendMessage', Resource: '*' }],
    [
      'a resource with a wildcard: ["arn:aws:sqs:*:*:a"]',
      { Effect: 'Allow', Action: 'sqs:SendMessage', Resource: 'arn:aws:sqs:*:*:a' },
    ],
    [
      `a resource with a wildcard: [{"Fn::Sub":"\${A}*"}]`,
      { Effect: 'Allow', Action: 'sqs:SendMessage', Resource: [{ 'Fn::Sub': `\${A}*` }] },
    ],
    [
      'xray:PutTraceSegments on a named resource',
      { Effect: 'Allow', Action: 'xray:PutTraceSegments', Resource: queue },
    ],
    ['no such key Actions', { Effect: 'Allow', Actions: 'sqs:SendMessage', Resource: queue }],
    ['no such key NotAction', { Effect: 'Allow', NotAction: 'sqs:SendMessage', Resource: queue }],
    ['no resource', { Effect: 'Allow', Action: 'sqs:SendMessage' }],
    ['neither Allow nor Deny', { Effect: 'allow', Action: 'sqs:SendMessage', Resource: queue }],
    ['everybody', { Effect: 'Allow', Principal: { AWS: '*' }, Action: 'sqs:SendMessage', Resource: queue }],
  ])('%s', async (what, statement) => {
    expect(await judged(statement)).toContain(what);
  });

  test('a policy in an arm of a condition is judged, too', async () => {
    const policy = {
      PolicyName: 'x',
      PolicyDocument: { Statement: [{ Effect: 'Allow', Action: 'a:*', Resource: '*' }] },
    };
    const Properties = { Policies: [{ 'Fn::If': ['Is', policy, { Ref: 'AWS::NoValue' }] }] };
    expect(whats(await checkIam(of({ Role: { Type: 'AWS::IAM::Role', Properties } })))).toContain(
      'the wildcard action a:*',
    );
  });

  test('no two functions share a role, none has a managed policy, and nobody may invoke one from anywhere', async () => {
    const Role = { 'Fn::GetAtt': ['Role', 'Arn'] };
    const findings = await checkIam(
      of({
        A: { Type: 'AWS::Lambda::Function', Properties: { Role } },
        B: { Type: 'AWS::Lambda::Function', Properties: { Role } },
        Role: { Type: 'AWS::IAM::Role', Properties: { ManagedPolicyArns: ['x'] } },
        May: { Type: 'AWS::Lambda::Permission', Properties: { Principal: 'events.amazonaws.com' } },
      }),
    );
    expect(whats(findings)).toEqual(["another function's role", 'a managed policy', 'SourceArn is missing']);
  });
});

describe('a role allows what Lambda asks for when it makes the function', () => {
  const judged = (
    Action: string[],
    Properties: object,
    wrap = (policy: object): object => policy,
  ): string[] =>
    whats(
      checkRights(
        of({
          It: {
            Type: 'AWS::Lambda::Function',
            Properties: { Role: { 'Fn::GetAtt': ['Role', 'Arn'] }, ...Properties },
          },
          Config: {
            Type: 'AWS::Lambda::EventInvokeConfig',
            Properties: {
              FunctionName: { Ref: 'It' },
              DestinationConfig: { OnFailure: { Destination: { 'Fn::GetAtt': ['Queue', 'Arn'] } } },
            },
          },
          Queue: { Type: 'AWS::SQS::Queue' },
          Role: {
            Type: 'AWS::IAM::Role',
            Properties: {
              Policies: [
                wrap({ PolicyDocument: { Statement: [{ Effect: 'Allow', Action }] } }),
                { PolicyDocument: { Statement: [{ Effect: 'Deny', Action: 'xray:PutTraceSegments' }] } },
              ],
            },
          },
        }),
      ),
    );
  const TRACES = ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'];
  const INTERFACES = ['Create', 'Delete', 'Describe'].map(
    (verb) => `ec2:${verb}NetworkInterface${verb === 'Describe' ? 's' : ''}`,
  );
  const ASKING = { TracingConfig: { Mode: 'Active' }, VpcConfig: { SubnetIds: [{ Ref: 'A' }] } };

  test('nothing is missing', () => {
    expect(judged(['sqs:SendMessage', ...TRACES, ...INTERFACES], ASKING)).toEqual([]);
    expect(judged(['sqs:SendMessage'], { TracingConfig: { Mode: 'PassThrough' } })).toEqual([]);
  });

  test('also by a policy that is there on a condition', () => {
    const either = (policy: object) => ({ 'Fn::If': ['Is', policy, { Ref: 'AWS::NoValue' }] });
    expect(judged(['sqs:SendMessage'], {}, either)).toEqual([]);
  });

  test('everything is', () => {
    const missing = [...TRACES.toReversed(), ...INTERFACES, 'sqs:SendMessage'];
    expect(judged(['s3:GetObject'], ASKING)).toEqual(missing.map((action) => `its role may not ${action}`));
  });
});

describe('what an alarm or a dashboard watches is written by somebody', () => {
  const writer: TemplateResource = {
    Type: 'AWS::Lambda::Function',
    Properties: {
      Environment: {
        Variables: { POWERTOOLS_METRICS_NAMESPACE: 'leasehold', POWERTOOLS_SERVICE_NAME: 'orders' },
      },
    },
  };
  const alarm = (properties: object): TemplateResource => ({
    Type: 'AWS::CloudWatch::Alarm',
    Properties: {
      Namespace: 'leasehold',
      MetricName: 'FleetDebt',
      Dimensions: [{ Name: 'service', Value: 'orders' }],
      Statistic: 'Maximum',
      Period: 60,
      EvaluationPeriods: 1,
      ComparisonOperator: 'GreaterThanThreshold',
      Threshold: 0,
      TreatMissingData: 'ignore',
      ...properties,
    },
  });
  const dashboard = (...metrics: readonly unknown[]): TemplateResource => ({
    Type: 'AWS::CloudWatch::Dashboard',
    Properties: {
      DashboardBody: {
        'Fn::Sub': JSON.stringify({ widgets: [{ type: 'metric', properties: { metrics } }] }),
      },
    },
  });
  const judged = (watcher: TemplateResource): string[] =>
    whats(checkMetrics(of({ writer, watcher }), emittedMetrics(), metricsOfAws(database)));
  const cause = [
    { Name: 'service', Value: 'orders' },
    { Name: 'cause', Value: 'refused' },
  ];
  const FUNCTION = { Namespace: 'AWS/Lambda', MetricName: 'Errors', Statistic: 'Sum' };

  test.each<[object]>([
    [{}],
    [{ MetricName: 'ConnectionsFailed', Dimensions: cause }],
    [{ MetricName: 'AcquireWait', Statistic: undefined, ExtendedStatistic: 'p99' }],
    [{ ...FUNCTION, Dimensions: [{ Name: 'FunctionName', Value: { Ref: 'writer' } }] }],
  ])('an alarm with %j is right', (properties) => {
    expect(judged(alarm(properties))).toEqual([]);
  });

  test.each<[string, object]>([
    ['nobody writes the metric leasehold FleetDept', { MetricName: 'FleetDept' }],
    ['nobody writes the metric lease FleetDebt', { Namespace: 'lease' }],
    ['nobody writes the metric AWS/Lambda Error', { ...FUNCTION, MetricName: 'Error' }],
    ['FleetDebt never comes with the dimensions cause, service', { Dimensions: cause }],
    [
      'ConnectionsFailed never comes with the dimensions ',
      { MetricName: 'ConnectionsFailed', Dimensions: [] },
    ],
    ['Errors never comes with the dimensions service', FUNCTION],
    ['no function is of the service order', { Dimensions: [{ Name: 'service', Value: 'order' }] }],
    ['GreaterThan', { ComparisonOperator: 'GreaterThan' }],
    ['nonBreaching', { TreatMissingData: 'nonBreaching' }],
    ['the statistic Max', { Statistic: 'Max' }],
    ['the statistic p99', { Statistic: 'p99' }],
    ['45', { Period: 45 }],
    ['an alarm that this check cannot read', { Namespace: undefined, Metrics: [] }],
  ])('%s', (what, properties) => {
    expect(judged(alarm(properties))).toContain(what);
  });

  const SEARCH = `SEARCH('{leasehold,group,service} MetricName="GroupHeld" service="orders"', 'Maximum', 60)`;

  test.each<[unknown]>([
    [['leasehold', 'FleetHeld', 'service', 'orders', { label: `\${AWS::Region}` }]],
    [['leasehold', 'AcquireWait', 'service', 'orders', { stat: 'p99' }]],
    [['AWS/Lambda', 'Errors', 'FunctionName', `\${writer}`]],
    [[{ expression: SEARCH }]],
  ])('a dashboard with %j is right', (row) => {
    expect(judged(dashboard(row))).toEqual([]);
  });

  test.each<[string, unknown]>([
    ['nobody writes the metric leasehold FleetHold', ['leasehold', 'FleetHold', 'service', 'orders']],
    ['FleetHeld never comes with the dimensions group', ['leasehold', 'FleetHeld', 'group', 'orders']],
    ['no function is of the service order', ['leasehold', 'FleetHeld', 'service', 'order']],
    ['the statistic P99', ['leasehold', 'FleetHeld', 'service', 'orders', { stat: 'P99' }]],
    ['a metric that this check cannot read', ['.', 'FleetHeld', '.', '.']],
    ['a metric that this check cannot read', [{ expression: 'm1 + m2' }]],
    [
      'nobody writes the metric leasehold GroupHold',
      [{ expression: SEARCH.replace('GroupHeld', 'GroupHold') }],
    ],
    ['GroupHeld never comes with the dimensions service', [{ expression: SEARCH.replace('group,', '') }]],
  ])('%s: %j', (what, row) => {
    expect(judged(dashboard(row))).toContain(what);
  });

  test('a body that is no JSON is a finding', () => {
    const broken = { Type: 'AWS::CloudWatch::Dashboard', Properties: { DashboardBody: '{"widgets": [' } };
    expect(judged(broken)).toEqual([expect.stringMatching(/^no body of a dashboard: /)]);
  });
});
