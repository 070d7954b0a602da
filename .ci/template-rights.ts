/**
 * Judges whether each function's role may do what AWS asks for when it makes the function. Lambda looks at the role at that moment
 * and refuses: "The provided execution role does not have permissions to call PutTraceSegments on XRAY".
 */
import { elementsOf, expressionOf, type Finding, type Template, type TemplateResource } from './template.ts';

type Entry = readonly [id: string, resource: TemplateResource];

interface Need {
  /** The function's setting that asks for them. */
  readonly because: string;
  readonly actions: readonly string[];
}

const INTERFACE_ACTIONS = [
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
];
const TRACE_ACTIONS = ['xray:PutTelemetryRecords', 'xray:PutTraceSegments'];

/** What a destination of asynchronous invocations asks for, by the type of the resource that it is. */
const DESTINATION_ACTIONS: Readonly<Record<string, string>> = {
  'AWS::SQS::Queue': 'sqs:SendMessage',
  'AWS::SNS::Topic': 'sns:Publish',
  'AWS::Events::EventBus': 'events:PutEvents',
  'AWS::Lambda::Function': 'lambda:InvokeFunction',
};

/** The logical id behind `Ref` and `Fn::GetAtt`. */
const targetOf = (value: unknown): string => {
  const argument = expressionOf(value)?.argument;
  return String(Array.isArray(argument) ? argument[0] : argument).split('.')[0] ?? '';
};

const needsOf = ([id, { Properties = {} }]: Entry, resources: readonly Entry[]): Need[] => {
  const isTraced = Object(Properties['TracingConfig']).Mode === 'Active';
  const isInNetwork = elementsOf(Object(Properties['VpcConfig']).SubnetIds).length > 0;
  return [
    ...(isTraced ? [{ because: 'TracingConfig', actions: TRACE_ACTIONS }] : []),
    ...(isInNetwork ? [{ because: 'VpcConfig', actions: INTERFACE_ACTIONS }] : []),
    ...resources
      .filter((entry) => isConfigOf(entry, id))
      .flatMap((entry) => destinationNeeds(entry, resources)),
  ];
};

const isConfigOf = ([, { Type, Properties = {} }]: Entry, id: string): boolean =>
  Type === 'AWS::Lambda::EventInvokeConfig' && targetOf(Properties['FunctionName']) === id;

const destinationNeeds = ([, { Properties = {} }]: Entry, resources: readonly Entry[]): Need[] => {
  const config: Readonly<Record<string, { readonly Destination?: unknown }>> = Object(
    Properties['DestinationConfig'],
  );
  return Object.entries(config).map(([because, { Destination }]) => {
    const type = Object.fromEntries(resources)[targetOf(Destination)]?.Type ?? '';
    return { because, actions: [DESTINATION_ACTIONS[type] ?? `send to ${JSON.stringify(Destination)}`] };
  });
};

const allowedBy = (role: TemplateResource | undefined): string[] =>
  elementsOf(role?.Properties?.['Policies'])
    .flatMap((policy) => elementsOf(Object(Object(policy).PolicyDocument).Statement))
    .filter((statement) => Object(statement).Effect === 'Allow')
    .flatMap((statement) => elementsOf(Object(statement).Action).map(String));

export const checkRights = ({ Resources }: Template): Finding[] => {
  const resources = Object.entries(Resources);
  return resources
    .filter(([, { Type }]) => Type === 'AWS::Lambda::Function')
    .flatMap((entry) => {
      const [id, { Properties = {} }] = entry;
      const allowed = allowedBy(Resources[targetOf(Properties['Role'])]);
      return needsOf(entry, resources).flatMap(({ because, actions }) =>
        actions
          .filter((action) => !allowed.includes(action))
          .map((action) => ({
            where: `Resources.${id}`,
            what: `its role may not ${action}`,
            right: `a role that may, for ${because} asks for it`,
          })),
      );
    });
};
