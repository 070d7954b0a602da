import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { type Clock, systemClock } from '../lib/core/clock.ts';
import { isLeaseholdError } from '../lib/index.ts';
import type { Registry } from '../lib/registry/registry.ts';
import { ASSETS, PAGE } from './console.generated.ts';
import { registryWiring } from './registry-wiring.ts';
import { type Answer, assetAnswer, jsonAnswer, pageAnswer, redirectAnswer } from './status-answer.ts';
import { SCHEMA, viewOf } from './status-view.ts';

/** All that the status needs: it asks the registry one question, and the database none. */
export interface StatusParts {
  readonly registry: Pick<Registry, 'inspect' | 'namespace'>;
  readonly resource: string;
  readonly logger: {
    warn(message: string, error: Error): void;
    error(message: string, error: Error): void;
  };
  readonly clock?: Clock;
}

type Event = Pick<APIGatewayProxyEventV2, 'rawPath'> & {
  readonly requestContext: { readonly http: { readonly method: string } };
};

/** As many leases as a registry lists. */
const PAGE_ENTRIES = 100;

/**
 * GET /status, GET /console and what the page needs, as API Gateway's HTTP API or a function URL sends them. `parts` is asked
 * at the first /status only: the page itself needs no registry.
 */
export const statusHandler = (parts: () => StatusParts): ((event: Event) => Promise<Answer>) => {
  return async ({ rawPath, requestContext }) => {
    const { method } = requestContext.http;
    const route = routeOf(rawPath);
    if (route === undefined) return jsonAnswer(404, problem('NOT_FOUND', 'There is nothing here.'));
    if (method !== 'GET' && method !== 'HEAD') return NOT_ALLOWED;
    const answer = await route(parts);
    return method === 'HEAD' ? { ...answer, body: '' } : answer;
  };
};

type Route = (parts: () => StatusParts) => Answer | Promise<Answer>;

/** Only the end of a path counts: a stage and a domain's mapping put themselves in front of it. */
const PATH = /\/(?<name>status|console)(?<rest>\/[\w.-]*)?$/;

const routeOf = (path: string): Route | undefined => {
  const { name, rest = '' } = PATH.exec(path)?.groups ?? {};
  if (name === 'status') return rest === '' ? status : undefined;
  if (name !== 'console') return undefined;
  if (rest === '') return () => pageAnswer(PAGE);
  // The page's addresses are relative to a path without the slash.
  if (rest === '/') return () => redirectAnswer('../console');
  const asset = ASSETS.get(rest.slice(1));
  return asset && (() => assetAnswer(asset));
};

/** A wrong configuration throws: the platform logs it, with every problem, and answers 500. */
const status = async (parts: () => StatusParts): Promise<Answer> => {
  const { registry, resource, logger, clock = systemClock } = parts();
  try {
    const report = await registry.inspect(resource, PAGE_ENTRIES);
    const { namespace } = registry;
    return jsonAnswer(200, viewOf({ namespace, resource, wallMs: clock.wallMs(), report }));
  } catch (error) {
    return troubleAnswer(error, logger);
  }
};

/** Nothing of an error's own text leaves: it may name hosts. */
const troubleAnswer = (cause: unknown, logger: StatusParts['logger']): Answer => {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  if (isLeaseholdError(error) && error.code === 'REGISTRY_UNREACHABLE') {
    logger.warn('The registry gave no answer', error);
    return jsonAnswer(503, problem(error.code, 'The registry gave no answer.'), error.headers);
  }
  logger.error('The status could not be told', error);
  const code = isLeaseholdError(error) ? error.code : 'INTERNAL';
  return jsonAnswer(500, problem(code, 'The status could not be told; the log of this function says why.'));
};

const problem = (error: string, message: string) => ({ schema: SCHEMA, error, message });

const NOT_ALLOWED = jsonAnswer(405, problem('METHOD_NOT_ALLOWED', 'This is for reading only.'), {
  Allow: 'GET, HEAD',
});

const wiredParts = (): StatusParts => {
  const { registry, config, logger } = registryWiring();
  return { registry, resource: config.resource, logger };
};

export const handler = statusHandler(wiredParts);
