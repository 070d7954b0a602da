/** What a template mentions and does not have, and resources that wait for each other. */
import {
  dependenciesOf,
  type Finding,
  type Reference,
  referencesIn,
  type Template,
  type TemplateResource,
} from './template.ts';

/** Whether a resource of this type has this attribute; undefined: it cannot be known. */
export type HasAttribute = (type: string, attribute: string) => boolean | undefined;

const allReferences = ({ Resources, Conditions = {}, Outputs = {} }: Template): Reference[] => [
  ...Object.entries(Resources).flatMap(([id, resource]) => [
    ...referencesIn(resource.Properties, `Resources.${id}.Properties`),
    ...dependenciesOf(resource).map(
      (name): Reference => ({ where: `Resources.${id}.DependsOn`, kind: 'resource', name }),
    ),
    ...conditionOf(`Resources.${id}`, resource),
  ]),
  ...referencesIn(Conditions, 'Conditions'),
  ...referencesIn(Outputs, 'Outputs'),
];

const conditionOf = (where: string, { Condition }: Pick<TemplateResource, 'Condition'>): Reference[] =>
  Condition === undefined ? [] : [{ where, kind: 'condition', name: String(Condition) }];

const problemOf = (
  { Resources, Parameters = {}, Conditions = {} }: Template,
  hasAttribute: HasAttribute,
  { kind, name, attribute = '' }: Reference,
): string | undefined => {
  const resource = Object.hasOwn(Resources, name) ? Resources[name] : undefined;
  if (kind === 'condition') return Object.hasOwn(Conditions, name) ? undefined : `no condition ${name}`;
  if (kind === 'value' && (name.startsWith('AWS::') || Object.hasOwn(Parameters, name))) return undefined;
  if (resource === undefined) return `no resource ${name}`;
  if (kind !== 'attribute' || hasAttribute(resource.Type, attribute) !== false) return undefined;
  return `${resource.Type} has no attribute ${attribute}`;
};

export const checkReferences = (template: Template, hasAttribute: HasAttribute): Finding[] => [
  ...allReferences(template).flatMap((reference) => {
    const what = problemOf(template, hasAttribute, reference);
    const right = 'a name that the template has';
    return what === undefined ? [] : [{ where: reference.where, what, right }];
  }),
  ...checkCircles(template),
];

/** Resources that could be made in no order. */
const checkCircles = ({ Resources }: Template): Finding[] => {
  const waitsFor = new Map(
    Object.entries(Resources).map(([id, resource]) => [
      id,
      [
        ...dependenciesOf(resource),
        ...referencesIn(resource.Properties, '')
          .filter(({ kind }) => kind === 'value' || kind === 'attribute')
          .map(({ name }) => name),
      ],
    ]),
  );
  // Whatever can be made is taken out, until nothing is left, or nothing can be made.
  for (;;) {
    const ready = [...waitsFor].filter(([, names]) => !names.some((name) => waitsFor.has(name)));
    if (ready.length === 0) break;
    for (const [id] of ready) waitsFor.delete(id);
  }
  if (waitsFor.size === 0) return [];
  const what = `these wait for each other: ${[...waitsFor.keys()].join(', ')}`;
  return [{ where: 'Resources', what, right: 'an order in which they can be made' }];
};
