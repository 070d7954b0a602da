/** A CloudFormation template as `osls package` writes it, and what its parts refer to. */

export interface TemplateResource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, unknown>>;
  readonly Condition?: unknown;
  readonly DependsOn?: unknown;
  readonly DeletionPolicy?: unknown;
  readonly UpdateReplacePolicy?: unknown;
}

export interface Template {
  readonly Parameters?: Readonly<Record<string, unknown>>;
  readonly Conditions?: Readonly<Record<string, unknown>>;
  readonly Resources: Readonly<Record<string, TemplateResource>>;
  readonly Outputs?: Readonly<Record<string, unknown>>;
}

/** One thing that is wrong in a template, and what would be right. */
export interface Finding {
  /** A path: `Resources.Registry.Properties.Engine`. */
  readonly where: string;
  readonly what: string;
  readonly right: string;
}

/** Something that stands for a value which only CloudFormation knows: `{ "Ref": … }`, `{ "Fn::…": … }`. */
export interface Expression {
  readonly name: string;
  readonly argument: unknown;
}

export const expressionOf = (value: unknown): Expression | undefined => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const [entry, ...others] = Object.entries(value);
  if (entry === undefined || others.length > 0) return undefined;
  const [name, argument] = entry;
  return name === 'Ref' || name === 'Condition' || name.startsWith('Fn::') ? { name, argument } : undefined;
};

/** `AWS::NoValue`: as if nothing were there. */
export const isNothing = (value: unknown): boolean =>
  value === undefined || expressionOf(value)?.argument === 'AWS::NoValue';

/** What may stand in the place of a value: both arms of an `Fn::If`, without those that stand for nothing. */
export const alternatives = (value: unknown): readonly unknown[] => {
  const expression = expressionOf(value);
  if (expression?.name !== 'Fn::If' || !Array.isArray(expression.argument))
    return isNothing(value) ? [] : [value];
  return expression.argument.slice(1).flatMap(alternatives);
};

/** The elements of a list, those that an `Fn::If` may put there included. */
export const elementsOf = (value: unknown): readonly unknown[] =>
  alternatives(value).flatMap((each) => (Array.isArray(each) ? each.flatMap(alternatives) : [each]));

/** A name that a template mentions, and what kind of thing it must be. */
export interface Reference {
  readonly where: string;
  readonly kind: 'value' | 'attribute' | 'condition' | 'resource';
  readonly name: string;
  /** With kind `attribute`. */
  readonly attribute?: string;
}

const PLACE = /\$\{([^!}][^}]*)\}/g;

const ofSub = (where: string, argument: unknown): Reference[] => {
  const [text, own = {}] = Array.isArray(argument) ? argument : [argument];
  return [...String(text).matchAll(PLACE)]
    .map(([, name = '']) => name.trim())
    .filter((name) => !Object.hasOwn(Object(own), name))
    .map((name) => ofPath(where, name));
};

const ofPath = (where: string, path: string): Reference => {
  const [name = '', ...attribute] = path.split('.');
  return attribute.length === 0
    ? { where, kind: 'value', name }
    : { where, kind: 'attribute', name, attribute: attribute.join('.') };
};

const ofExpression = (where: string, { name, argument }: Expression): Reference[] => {
  const [first] = Array.isArray(argument) ? argument : [argument];
  if (name === 'Ref') return [{ where, kind: 'value', name: String(argument) }];
  if (name === 'Condition') return [{ where, kind: 'condition', name: String(argument) }];
  if (name === 'Fn::If') return [{ where, kind: 'condition', name: String(first) }];
  if (name === 'Fn::Sub') return ofSub(where, argument);
  if (name === 'Fn::GetAtt')
    return [ofPath(where, Array.isArray(argument) ? argument.join('.') : String(argument))];
  return [];
};

/** Every name that a part of a template mentions. */
export const referencesIn = (value: unknown, where: string): Reference[] => {
  if (typeof value !== 'object' || value === null) return [];
  const expression = expressionOf(value);
  const inside = Object.entries(value).flatMap(([key, part]) => referencesIn(part, `${where}.${key}`));
  return expression === undefined ? inside : [...ofExpression(where, expression), ...inside];
};

/** The logical ids that a resource names as its `DependsOn`. */
export const dependenciesOf = ({ DependsOn = [] }: TemplateResource): string[] =>
  [DependsOn].flat().map(String);
