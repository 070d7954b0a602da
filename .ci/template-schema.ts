/**
 * Judges the resources of a template by AWS's own resource schemas, as `@aws-cdk/aws-service-spec` has them: unknown types and
 * properties, missing ones, values of another type, values that are none of those that a property may have.
 */
import type { PropertyType, Resource, ResourceProperties, SpecDatabase } from '@aws-cdk/service-spec-types';
import {
  alternatives,
  expressionOf,
  type Finding,
  type Template,
  type TemplateResource,
} from './template.ts';

const KEYS = [
  'Type',
  'Properties',
  'DependsOn',
  'Condition',
  'DeletionPolicy',
  'UpdateReplacePolicy',
  'Metadata',
];
const POLICIES = ['Delete', 'Retain', 'Snapshot', 'RetainExceptOnCreate'];

/** A resource of our own making: CloudFormation sends its properties to a function. */
const CUSTOM = /^(?:Custom::|AWS::CloudFormation::CustomResource$)/;

/** Expressions that give a list; one of the others may as well. */
const LISTS = ['Fn::Split', 'Fn::GetAZs', 'Fn::Cidr'];
const EITHER = ['Ref', 'Fn::GetAtt', 'Fn::ImportValue', 'Fn::FindInMap', 'Fn::Transform'];

type Place = string;
type Judge = (type: PropertyType, value: unknown, where: Place) => Finding[];

export class Schemas {
  readonly #database: SpecDatabase;

  constructor(database: SpecDatabase) {
    this.#database = database;
  }

  /** For `checkReferences`. */
  hasAttribute = (type: string, attribute: string): boolean | undefined => {
    const resource = this.#resource(type);
    return resource === undefined ? undefined : Object.hasOwn(resource.attributes, attribute);
  };

  check({ Resources }: Template): Finding[] {
    return Object.entries(Resources).flatMap(([id, resource]) =>
      this.#checkResource(`Resources.${id}`, resource),
    );
  }

  #resource(type: string): Resource | undefined {
    return this.#database.lookup('resource', 'cloudFormationType', 'equals', type).at(0);
  }

  #checkResource(where: Place, resource: TemplateResource): Finding[] {
    const schema = this.#resource(resource.Type);
    const outer = checkFrame(where, resource);
    if (CUSTOM.test(resource.Type)) return [...outer, ...checkCustom(where, resource)];
    if (schema === undefined)
      return [
        ...outer,
        { where, what: `no such type ${resource.Type}`, right: 'a type of resource that AWS has' },
      ];
    const properties = resource.Properties ?? {};
    return [...outer, ...this.#checkProperties(schema.properties, properties, `${where}.Properties`)];
  }

  #checkProperties(known: ResourceProperties, given: object, where: Place): Finding[] {
    const unknown = Object.keys(given).filter((name) => !Object.hasOwn(known, name));
    const missing = Object.keys(known).filter((name) => known[name]?.required && !Object.hasOwn(given, name));
    return [
      ...unknown.map((name) => ({ where, what: `no such property ${name}`, right: nearest(name, known) })),
      ...missing.map((name) => ({ where, what: `${name} is missing`, right: 'it is required' })),
      ...Object.entries(given).flatMap(([name, value]) => {
        const property = known[name];
        if (property === undefined) return [];
        return this.#judge(property.type, value, `${where}.${name}`);
      }),
    ];
  }

  /** Right if one of the types is; otherwise what the first has to say. */
  #judgeAny(types: readonly PropertyType[], value: unknown, where: Place): Finding[] {
    const verdicts = types.map((type) => this.#judge(type, value, where));
    return verdicts.find((findings) => findings.length === 0) ?? verdicts[0] ?? [];
  }

  #judge: Judge = (type, value, where) =>
    alternatives(value).flatMap((each) => this.#judgePlain(type, each, where));

  #judgePlain: Judge = (type, value, where) => {
    if (type.type === 'union') return this.#judgeAny(type.types, value, where);
    if (type.type === 'json' || type.type === 'null') return [];
    if (type.type === 'array') return this.#judgeList(type.element, value, where);
    const expression = expressionOf(value);
    if (expression !== undefined) return judgeExpression(expression.name, where);
    if (type.type === 'ref') return this.#judgeObject(type, value, where);
    if (type.type === 'tag') return this.#checkTag(value, where);
    if (type.type === 'map') {
      if (!isObject(value)) return [other(where, 'an object', value)];
      return Object.entries(value).flatMap(([key, part]) =>
        this.#judge(type.element, part, `${where}.${key}`),
      );
    }
    return judgePrimitive(type, value, where);
  };

  #judgeList(element: PropertyType, value: unknown, where: Place): Finding[] {
    const expression = expressionOf(value);
    if (expression !== undefined)
      return [...LISTS, ...EITHER].includes(expression.name) ? [] : [other(where, 'a list', value)];
    if (!Array.isArray(value)) return [other(where, 'a list', value)];
    return value.flatMap((part, index) => this.#judge(element, part, `${where}.${index}`));
  }

  #judgeObject(type: PropertyType & { readonly type: 'ref' }, value: unknown, where: Place): Finding[] {
    if (!isObject(value)) return [other(where, 'an object', value)];
    const { properties } = this.#database.get('typeDefinition', type.reference.$ref);
    return this.#checkProperties(properties, value, where);
  }

  #checkTag(value: unknown, where: Place): Finding[] {
    const text = { type: { type: 'string' }, required: true } as const;
    return isObject(value)
      ? this.#checkProperties({ Key: text, Value: text }, value, where)
      : [other(where, 'a tag', value)];
  }
}

const checkFrame = (where: Place, resource: TemplateResource): Finding[] => [
  ...Object.keys(resource)
    .filter((key) => !KEYS.includes(key))
    .map((key) => ({ where, what: `no such key ${key}`, right: `one of ${KEYS.join(', ')}` })),
  ...(['DeletionPolicy', 'UpdateReplacePolicy'] as const).flatMap((key) => {
    const policy = resource[key];
    const isFine = policy === undefined || POLICIES.includes(String(policy));
    return isFine
      ? []
      : [{ where: `${where}.${key}`, what: `${policy}`, right: `one of ${POLICIES.join(', ')}` }];
  }),
];

const checkCustom = (where: Place, { Properties = {} }: TemplateResource): Finding[] =>
  Object.hasOwn(Properties, 'ServiceToken')
    ? []
    : [{ where, what: 'ServiceToken is missing', right: 'the ARN of the function that makes it' }];

const judgeExpression = (name: string, where: Place): Finding[] =>
  LISTS.includes(name) ? [{ where, what: `a list from ${name}`, right: 'a single value' }] : [];

type Primitive = Exclude<
  PropertyType,
  { readonly type: 'array' | 'map' | 'ref' | 'union' | 'tag' | 'json' | 'null' }
>;

const FITS: Readonly<Record<Primitive['type'], (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  'date-time': (value) => typeof value === 'string',
  integer: (value) => Number.isSafeInteger(value) || (typeof value === 'string' && /^-?\d+$/.test(value)),
  number: (value) =>
    typeof value === 'number' || (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value)),
  boolean: (value) => typeof value === 'boolean' || value === 'true' || value === 'false',
};

const judgePrimitive = (type: Primitive, value: unknown, where: Place): Finding[] => {
  if (!FITS[type.type](value)) return [other(where, `a ${type.type}`, value)];
  const allowed: readonly unknown[] = ('allowedValues' in type && type.allowedValues) || [value];
  if (allowed.includes(value)) return [];
  return [{ where, what: `${JSON.stringify(value)}`, right: `one of ${allowed.join(', ')}` }];
};

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const other = (where: Place, right: string, value: unknown): Finding => ({
  where,
  what: `${JSON.stringify(value)} is of another type`,
  right,
});

const nearest = (name: string, known: ResourceProperties): string => {
  const same = Object.keys(known).filter(
    (each) => each.slice(0, 4).toLowerCase() === name.slice(0, 4).toLowerCase(),
  );
  return `one of ${(same.length > 0 ? same : Object.keys(known)).join(', ')}`;
};
