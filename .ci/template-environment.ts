/** Judges each function's variables as the function itself will: what it would refuse in AWS is a finding here. */
import { readFailoverSettings } from '../functions/failover-settings.ts';
import { readRegistrySettings, readSettings } from '../functions/settings.ts';
import type { Environment } from '../lib/core/environment.ts';
import { expressionOf, type Finding, type Template, type TemplateResource } from './template.ts';

const ARN = 'arn:aws:rds:us-east-1:123456789012:cluster:name';

/** Something of the kind that CloudFormation will put there. */
const standIn = (value: unknown): string | undefined => {
  const expression = expressionOf(value);
  if (expression === undefined) return typeof value === 'string' ? value : undefined;
  const { name, argument } = expression;
  if (name === 'Ref') return 'name';
  if (name === 'Fn::GetAtt') return ARN;
  if (name !== 'Fn::Sub') return undefined;
  return String([argument].flat()[0])
    .replaceAll(/\$\{[^}]*Port\}/g, '6379')
    .replaceAll(/\$\{[^}]*\}/g, 'name');
};

const environmentOf = ({ Properties = {} }: TemplateResource): Environment => {
  const variables = Object.entries(Object(Object(Properties['Environment'])['Variables']));
  return {
    // What Lambda adds.
    AWS_REGION: 'us-east-1',
    AWS_LAMBDA_FUNCTION_NAME: String(Properties['FunctionName']),
    ...Object.fromEntries(variables.map(([name, value]) => [name, standIn(value)])),
  };
};

const problemsOf = (read: (env: Environment) => unknown, env: Environment): string[] => {
  try {
    read(env);
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
};

const goesToDatabase = ({ Properties = {} }: TemplateResource): boolean =>
  ['functions/orders.handler', 'functions/sweeper.handler'].includes(String(Properties['Handler']));

export const checkEnvironments = ({ Resources }: Template): Finding[] =>
  Object.entries(Resources)
    .filter(([, { Type }]) => Type === 'AWS::Lambda::Function')
    .flatMap(([id, resource]) => {
      const env = environmentOf(resource);
      const read = goesToDatabase(resource) ? readSettings : readRegistrySettings;
      return [...problemsOf(read, env), ...problemsOf(readFailoverSettings, env)].map((what) => ({
        where: `Resources.${id}.Properties.Environment`,
        what,
        right: 'variables that the function takes',
      }));
    });
