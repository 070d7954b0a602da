/**
 * Packages the service as a deploy would, in several combinations of its parameters, without credentials or network, and judges
 * what comes of it: `npm run check:template [-- --only NAME]`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadAwsServiceSpec } from '@aws-cdk/aws-service-spec';
import { bundlesOf, checkLoading, checkSizes } from './bundles.ts';
import { emittedMetrics } from './emitted-metrics.ts';
import { type Combination, packageService } from './package-service.ts';
import type { Finding, Template } from './template.ts';
import { checkEnvironments } from './template-environment.ts';
import { checkIam } from './template-iam.ts';
import { checkMetrics, metricsOfAws } from './template-metrics.ts';
import { checkReferences } from './template-references.ts';
import { checkRights } from './template-rights.ts';
import { Schemas } from './template-schema.ts';

const YOURS = {
  vpcId: 'vpc-0123456789abcdef0',
  subnetIds: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
  securityGroupIds: 'sg-0123456789abcdef0',
};
const CLUSTER = 'arn:aws:rds:us-east-1:123456789012:cluster:orders';

export const COMBINATIONS: Readonly<Record<string, Combination>> = {
  dev: { stage: 'dev', params: {} },
  prod: { stage: 'prod', params: { alarmTopicArn: 'arn:aws:sns:us-east-1:123456789012:alarms' } },
  'nodes-and-nat': {
    stage: 'dev',
    params: {
      registry: 'registry-node',
      egress: 'egress-nat',
      zoneA: 'us-east-1b',
      zoneB: 'us-east-1d',
      access: 'access-jwt',
      jwtIssuer: 'https://issuer.example.com',
      jwtAudience: 'orders',
    },
  },
  'bring-your-own': {
    stage: 'dev',
    params: {
      network: 'network-none',
      egress: 'none',
      registry: 'registry-own',
      redisUrl: 'rediss://redis.example.com:6379',
      database: 'database-own',
      databaseUrl: 'postgres://app@database.example.com/orders',
      databaseSecretArn: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:orders',
      failoverEvents: 'false',
      alarms: 'none',
      dashboard: 'none',
    },
  },
  'existing-network': {
    stage: 'prod',
    params: {
      ...YOURS,
      network: 'network-existing',
      registry: 'registry-own',
      redisUrl: 'rediss://app@redis.example.com:6379',
      redisIamCache: 'leases',
      redisUserId: 'app',
      database: 'database-own',
      databaseUrl: 'postgres://app@database.example.com/orders',
      databaseAuth: 'iam',
      databaseUserArn: 'arn:aws:rds-db:us-east-1:123456789012:dbuser:cluster-ABCDEFGHIJKL/app',
      controlClusterArn: CLUSTER,
      controlSecretArn: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:administrator',
      controlDatabase: 'orders',
      failoverSources: CLUSTER,
    },
  },
};

/** Read once: it takes a second. */
let spec: ReturnType<typeof loadAwsServiceSpec> | undefined;

/** Everything that is wrong in a template. */
export const checkTemplate = async (template: Template): Promise<Finding[]> => {
  spec ??= loadAwsServiceSpec();
  const database = await spec;
  const schemas = new Schemas(database);
  return [
    ...schemas.check(template),
    ...checkReferences(template, schemas.hasAttribute),
    ...(await checkIam(template)),
    ...checkRights(template),
    ...checkMetrics(template, emittedMetrics(), metricsOfAws(database)),
    ...checkEnvironments(template),
  ];
};

/** The same files are in the zips of every combination. */
const WITH_BUNDLES = 'dev';

const checkBundles = (template: Template, folder: string, temp: string): Finding[] => {
  const bundles = bundlesOf(template, folder);
  return [...checkSizes(bundles), ...checkLoading(bundles, join(temp, 'unpacked'))];
};

/** What went wrong with the packaging itself is a finding like the others. */
const judge = async (name: string, combination: Combination): Promise<Finding[]> => {
  const temp = mkdtempSync(join(tmpdir(), 'leasehold-template-'));
  try {
    const { template, folder } = await packageService(temp, combination);
    const bundles = name === WITH_BUNDLES ? checkBundles(template, folder, temp) : [];
    return [...(await checkTemplate(template)), ...bundles];
  } catch (error) {
    const {
      stdout = '',
      stderr = '',
      message,
    } = error as Error & Readonly<Record<'stdout' | 'stderr', string>>;
    const what = `${stdout}${stderr}`.trim() || message;
    return [{ where: name, what, right: 'a combination that can be packaged' }];
  } finally {
    rmSync(temp, { recursive: true, force: true });
  }
};

const show = (name: string, findings: readonly Finding[], seconds: string): void => {
  console.log(`${findings.length === 0 ? 'ok  ' : 'FAIL'}  ${name.padEnd(18)}${seconds.padStart(5)} s`);
  for (const { where, what, right } of findings) {
    console.error(`      ${where}\n        ${what}\n        right: ${right}`);
  }
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({ options: { only: { type: 'string', multiple: true } } });
  const names = Object.keys(COMBINATIONS);
  const unknown = values.only?.filter((name) => !names.includes(name)) ?? [];
  if (unknown.length > 0)
    throw new Error(`no combination ${unknown.join(', ')}; there are ${names.join(', ')}`);
  for (const [name, combination] of Object.entries(COMBINATIONS)) {
    if (values.only?.includes(name) === false) continue;
    const start = performance.now();
    const findings = await judge(name, combination);
    show(name, findings, ((performance.now() - start) / 1000).toFixed(1));
    if (findings.length > 0) process.exitCode = 1;
  }
};

if (import.meta.main) await main();
