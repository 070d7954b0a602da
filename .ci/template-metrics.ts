/**
 * Judges the alarms and dashboards of a template: every metric is one that the code writes, or that AWS documents, with
 * dimensions that it really has. What this file does not understand is a finding, so that nothing passes unread.
 */
import type { SpecDatabase } from '@aws-cdk/service-spec-types';
import type { DimensionSets } from './emitted-metrics.ts';
import { expressionOf, type Finding, type Template, type TemplateResource } from './template.ts';

/** A metric that somebody looks at. */
interface Watched {
  readonly where: string;
  readonly namespace: string;
  readonly name: string;
  /** Name and value; an undefined value is known to CloudFormation alone. */
  readonly dimensions: readonly (readonly [name: string, value: string | undefined])[];
}

type Judge = (watched: Watched) => Finding[];

/** What a namespace has: undefined for no such metric. */
export type Metrics = (namespace: string, name: string) => DimensionSets | undefined;

/** AWS's own metrics, by the same data as the resources. */
export const metricsOfAws = (database: SpecDatabase): Metrics => {
  return (namespace, name) => {
    const metrics = database
      .lookup('metric', 'name', 'equals', name)
      .filter((each) => each.namespace === namespace);
    if (metrics.length === 0) return undefined;
    return metrics.flatMap((metric) =>
      database
        .follow('usesDimensionSet', metric)
        .map(({ entity }) => entity.dimensions.map((dimension) => dimension.name).toSorted()),
    );
  };
};

const COMPARISONS = [
  'GreaterThanOrEqualToThreshold',
  'GreaterThanThreshold',
  'LessThanOrEqualToThreshold',
  'LessThanThreshold',
];
const MISSING = ['breaching', 'ignore', 'missing', 'notBreaching'];
const STATISTICS = ['Average', 'Maximum', 'Minimum', 'SampleCount', 'Sum'];
const isStatistic = (text: unknown): boolean =>
  STATISTICS.includes(String(text)) || /^p(?:100|\d{1,2}(?:\.\d+)?)$/.test(String(text));

const oneOf = (where: string, value: unknown, allowed: readonly string[]): Finding[] =>
  allowed.includes(String(value))
    ? []
    : [{ where, what: String(value), right: `one of ${allowed.join(', ')}` }];

const checkAlarm = (where: string, properties: Readonly<Record<string, unknown>>): Finding[] => {
  const { ComparisonOperator, TreatMissingData, Statistic, ExtendedStatistic, Period } = properties;
  const statistic = Statistic ?? ExtendedStatistic;
  const isExtended = ExtendedStatistic !== undefined;
  return [
    ...oneOf(`${where}.ComparisonOperator`, ComparisonOperator, COMPARISONS),
    ...oneOf(`${where}.TreatMissingData`, TreatMissingData, MISSING),
    ...(isStatistic(statistic) && isExtended !== STATISTICS.includes(String(statistic))
      ? []
      : [
          {
            where,
            what: `the statistic ${String(statistic)}`,
            right: `${STATISTICS.join(', ')}; extended: p99`,
          },
        ]),
    ...(Number(Period) > 0 && Number(Period) % 60 === 0
      ? []
      : [{ where: `${where}.Period`, what: String(Period), right: 'whole minutes, in seconds' }]),
  ];
};

const watchedByAlarm = (where: string, properties: Readonly<Record<string, unknown>>): Watched | Finding => {
  const { Namespace, MetricName, Dimensions = [] } = properties;
  if (typeof Namespace !== 'string' || typeof MetricName !== 'string' || !Array.isArray(Dimensions))
    return {
      where,
      what: 'an alarm that this check cannot read',
      right: 'Namespace, MetricName, Dimensions',
    };
  const dimensions = Dimensions.map(({ Name, Value }) => [String(Name), plain(Value)] as const);
  return { where, namespace: Namespace, name: MetricName, dimensions };
};

const plain = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** `{ "Fn::Sub": … }` or a text; what CloudFormation puts in shows as `?`. */
const readBody = (body: unknown): unknown => {
  const expression = expressionOf(body);
  const text = expression?.name === 'Fn::Sub' ? String([expression.argument].flat()[0]) : body;
  return JSON.parse(String(text).replaceAll(/\$\{[^}]*\}/g, '?'));
};

interface Widget {
  readonly type?: string;
  readonly properties?: { readonly metrics?: readonly unknown[]; readonly stat?: string };
}

const checkDashboard = (
  where: string,
  { DashboardBody }: Readonly<Record<string, unknown>>,
  judge: Judge,
): Finding[] => {
  try {
    const { widgets } = readBody(DashboardBody) as { readonly widgets: readonly Widget[] };
    return widgets.flatMap((widget, index) => checkWidget(`${where}.widgets.${index}`, widget, judge));
  } catch (error) {
    return [
      { where, what: `no body of a dashboard: ${(error as Error).message}`, right: 'JSON with widgets' },
    ];
  }
};

const checkWidget = (where: string, { type, properties = {} }: Widget, judge: Judge): Finding[] => {
  if (type === 'text') return [];
  const { metrics = [], stat = 'Average' } = properties;
  if (type !== 'metric' || metrics.length === 0)
    return [{ where, what: 'a widget that this check cannot read', right: 'type metric, with metrics' }];
  return [
    ...(isStatistic(stat) ? [] : [{ where, what: `the statistic ${stat}`, right: 'Sum, Maximum, p99 …' }]),
    ...metrics.flatMap((row, index) => checkRow(`${where}.metrics.${index}`, row, judge)),
  ];
};

const SEARCH =
  /^SEARCH\('\{(?<namespace>[^,}]+),(?<dimensions>[^}]+)\} MetricName="(?<name>\w+)"(?<values>(?: \w+="[^"]+")*)', '(?<stat>\w+)', \d+\)$/;

const checkRow = (where: string, row: unknown, judge: Judge): Finding[] => {
  const cells = Array.isArray(row) ? row : [row];
  const options = typeof cells.at(-1) === 'object' ? cells.at(-1) : {};
  const texts = cells.filter((cell) => typeof cell === 'string');
  const search = SEARCH.exec(options?.expression ?? '')?.groups;
  const { stat = search?.['stat'] } = options ?? {};
  const wrongStatistic =
    stat === undefined || isStatistic(stat)
      ? []
      : [{ where, what: `the statistic ${stat}`, right: 'Sum, Maximum, p99 …' }];
  if (search !== undefined) return [...wrongStatistic, ...judge(ofSearch(where, search))];
  const [namespace = '', name = '', ...rest] = texts;
  if (texts.length < 2 || rest.length % 2 !== 0 || texts.some((text) => /^\.+$/.test(text)))
    return [
      {
        where,
        what: 'a metric that this check cannot read',
        right: '[namespace, name, dimension, value, …]',
      },
    ];
  const dimensions = rest.flatMap((text, index) =>
    index % 2 === 0 ? [[text, rest[index + 1]] as const] : [],
  );
  return [...wrongStatistic, ...judge({ where, namespace, name, dimensions })];
};

const ofSearch = (where: string, groups: Readonly<Record<string, string>>): Watched => {
  const { namespace = '', name = '', dimensions = '', values = '' } = groups;
  const given = new Map([...values.matchAll(/(\w+)="([^"]+)"/g)].map(([, key = '', value]) => [key, value]));
  return {
    where,
    namespace,
    name,
    dimensions: dimensions.split(',').map((key) => [key, given.get(key)] as const),
  };
};

const checkWatched = ({ where, namespace, name, dimensions }: Watched, known: Metrics): Finding[] => {
  const sets = known(namespace, name);
  if (sets === undefined)
    return [
      {
        where,
        what: `nobody writes the metric ${namespace} ${name}`,
        right: 'a metric that somebody writes',
      },
    ];
  const given = dimensions.map(([key]) => key).toSorted();
  if (sets.some((set) => set.join() === given.join())) return [];
  const right = sets.map((set) => set.join(', ') || 'none').join('; or ');
  return [{ where, what: `${name} never comes with the dimensions ${given.join(', ')}`, right }];
};

/** What the functions' environment says of the metrics: their namespace and the value of `service`. */
interface Written {
  readonly namespaces: ReadonlySet<unknown>;
  readonly services: ReadonlySet<unknown>;
}

const writtenBy = ({ Resources }: Template): Written => {
  const environments = Object.values(Resources)
    .filter(({ Type }) => Type === 'AWS::Lambda::Function')
    .map(({ Properties = {} }) => Object(Object(Properties['Environment'])['Variables']));
  return {
    namespaces: new Set(environments.map((each) => each['POWERTOOLS_METRICS_NAMESPACE'])),
    services: new Set(environments.map((each) => each['POWERTOOLS_SERVICE_NAME'])),
  };
};

const checkService = (watched: Watched, { namespaces, services }: Written): Finding[] => {
  if (!namespaces.has(watched.namespace)) return [];
  const [, value] = watched.dimensions.find(([name]) => name === 'service') ?? [];
  if (value === undefined || services.has(value)) return [];
  return [
    { where: watched.where, what: `no function is of the service ${value}`, right: [...services].join(', ') },
  ];
};

/** @param emitted what the functions write, by name. */
export const checkMetrics = (
  template: Template,
  emitted: ReadonlyMap<string, DimensionSets>,
  ofAws: Metrics,
): Finding[] => {
  const written = writtenBy(template);
  const known: Metrics = (namespace, name) =>
    written.namespaces.has(namespace) ? emitted.get(name) : ofAws(namespace, name);
  const judge: Judge = (watched) => [...checkWatched(watched, known), ...checkService(watched, written)];
  return Object.entries(template.Resources).flatMap(([id, resource]) =>
    checkWatcher(`Resources.${id}.Properties`, resource, judge),
  );
};

const checkWatcher = (
  where: string,
  { Type, Properties = {} }: TemplateResource,
  judge: Judge,
): Finding[] => {
  if (Type === 'AWS::CloudWatch::Dashboard') return checkDashboard(where, Properties, judge);
  if (Type !== 'AWS::CloudWatch::Alarm') return [];
  const watched = watchedByAlarm(where, Properties);
  return 'what' in watched ? [watched] : [...checkAlarm(where, Properties), ...judge(watched)];
};
