import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { unzipSync } from 'fflate';

/** A function as the deploy would make it: what its template says, and where the content of its zip is. */
export interface PackagedFunction {
  /** The name in serverless.yml: `orders`. */
  readonly key: string;
  readonly functionName: string;
  readonly handler: string;
  readonly runtime: string;
  readonly folder: string;
  readonly timeoutMs: number;
  readonly memoryMb: number;
  /** Undefined: it shares the account's. */
  readonly reservedConcurrency: number | undefined;
  /** How often Lambda tries an asynchronous invocation again that has failed. */
  readonly retriesMax: number;
  /** Those that the template itself says; the rest is known only in an account. */
  readonly env: Readonly<Record<string, string>>;
}

export interface PackagedRoute {
  /** `GET /orders/{id}` */
  readonly routeKey: string;
  readonly functionKey: string;
}

export interface PackagedService {
  readonly functions: readonly PackagedFunction[];
  readonly routes: readonly PackagedRoute[];
}

type Json = Readonly<Record<string, unknown>>;

interface Resource {
  readonly id: string;
  readonly type: string;
  readonly properties: Json;
}

const TEMPLATE = 'cloudformation-template-update-stack.json';

/** Lambda's own defaults, where the template is silent. */
const TIMEOUT_S = 3;
const MEMORY_MB = 128;
const RETRIES = 2;

const UNPACKED = 'unpacked';

/** Unpacks the functions' zips, each into a folder of its own beside them. */
export const unpackService = async (folder: string): Promise<void> => {
  const zips = (await readdir(folder)).filter((name) => name.endsWith('.zip'));
  await Promise.all(
    zips.map((zip) => unpack(join(folder, zip), join(folder, UNPACKED, basename(zip, '.zip')))),
  );
};

const unpack = async (zip: string, folder: string): Promise<void> => {
  const files = unzipSync(new Uint8Array(await readFile(zip)));
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    if (!name.endsWith('/')) await writeFile(path, content);
  }
};

/** Reads what `osls package` has written into a folder; `unpackService` must have been there. */
export const readPackagedService = async (folder: string): Promise<PackagedService> => {
  const template = JSON.parse(await readFile(join(folder, TEMPLATE), 'utf8')) as { Resources: Json };
  const resources = Object.entries(template.Resources).map(([id, resource]): Resource => {
    const { Type, Properties = {} } = resource as { Type: string; Properties?: Json };
    return { id, type: Type, properties: Properties };
  });
  const functions = ofType(resources, 'AWS::Lambda::Function');
  const found = functions.map((each) => readFunction(folder, each, resources));
  const keys = new Map(functions.map(({ id }, at) => [id, found[at]?.key ?? '']));
  return { functions: found, routes: readRoutes(resources, keys) };
};

const ofType = (resources: readonly Resource[], type: string): Resource[] =>
  resources.filter((resource) => resource.type === type);

const readFunction = (
  folder: string,
  { id, properties }: Resource,
  resources: readonly Resource[],
): PackagedFunction => {
  const { Code, Handler, Runtime, FunctionName, Timeout, MemorySize, Environment } = properties;
  const zip = basename(text(Object(Code).S3Key, `${id}: Code.S3Key`));
  const key = basename(zip, '.zip');
  const config = ofType(resources, 'AWS::Lambda::EventInvokeConfig').find(
    (each) => logicalIdIn(each.properties['FunctionName'], new Set([id])) !== undefined,
  );
  const reserved = properties['ReservedConcurrentExecutions'];
  return {
    key,
    functionName: text(FunctionName, `${id}: FunctionName`),
    handler: text(Handler, `${id}: Handler`),
    runtime: text(Runtime, `${id}: Runtime`),
    folder: join(folder, UNPACKED, key),
    timeoutMs: number(Timeout, TIMEOUT_S) * 1_000,
    memoryMb: number(MemorySize, MEMORY_MB),
    reservedConcurrency: reserved === undefined ? undefined : number(reserved, 0),
    retriesMax: number(config?.properties['MaximumRetryAttempts'], RETRIES),
    env: plainVariables(Object(Environment).Variables),
  };
};

const text = (value: unknown, what: string): string => {
  if (typeof value === 'string') return value;
  throw new Error(`The packaged template has no plain text in ${what}.`);
};

/** A parameter of the stack is not known here. */
const number = (value: unknown, fallback: number): number => (typeof value === 'number' ? value : fallback);

const plainVariables = (variables: unknown): Record<string, string> => {
  const entries = Object.entries(Object(variables) as Json);
  const plain = entries.filter(([, value]) => typeof value === 'string' || typeof value === 'number');
  return Object.fromEntries(plain.map(([name, value]) => [name, String(value)]));
};

const readRoutes = (
  resources: readonly Resource[],
  keys: ReadonlyMap<string, string>,
): readonly PackagedRoute[] => {
  const integrations = ofType(resources, 'AWS::ApiGatewayV2::Integration');
  const ids = new Set(integrations.map(({ id }) => id));
  return ofType(resources, 'AWS::ApiGatewayV2::Route').map(({ id, properties }) => {
    const target = logicalIdIn(properties['Target'], ids);
    const integration = integrations.find((each) => each.id === target);
    const functionId = logicalIdIn(integration?.properties['IntegrationUri'], new Set(keys.keys()));
    const functionKey = keys.get(functionId ?? '');
    if (functionKey === undefined) throw new Error(`The packaged route ${id} leads to no function.`);
    return { routeKey: text(properties['RouteKey'], `${id}: RouteKey`), functionKey };
  });
};

/** The first of these resources that an expression refers to, by Ref, Fn::GetAtt or whatever holds its name. */
const logicalIdIn = (expression: unknown, ids: ReadonlySet<string>): string | undefined => {
  if (typeof expression === 'string') return ids.has(expression) ? expression : undefined;
  if (typeof expression !== 'object' || expression === null) return undefined;
  for (const part of Object.values(expression)) {
    const found = logicalIdIn(part, ids);
    if (found !== undefined) return found;
  }
  return undefined;
};
