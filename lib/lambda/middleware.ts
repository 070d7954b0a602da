import { enterDeadline } from '../pool/invocation.ts';
import {
  type InvocationContext,
  type InvocationOptions,
  type LambdaInvocation,
  type LeaseHandle,
  type PoolOrFacade,
  Wrapper,
} from './lambda-invocation.ts';

export type {
  InvocationContext,
  InvocationOptions,
  InvocationPool,
  LeaseHandle,
  PoolOrFacade,
} from './lambda-invocation.ts';
export { type MetricsSink, type PoolMetrics, poolMetrics } from './metrics.ts';

/** Lambda's context object as middy's types want it; nothing of it is used but the remaining time. */
export interface LambdaContext extends InvocationContext {
  callbackWaitsForEmptyEventLoop: boolean;
  functionName: string;
  functionVersion: string;
  invokedFunctionArn: string;
  memoryLimitInMB: string;
  awsRequestId: string;
  logGroupName: string;
  logStreamName: string;
  done(error?: Error, result?: unknown): void;
  fail(error: Error | string): void;
  succeed(message: unknown, object?: unknown): void;
}

/** What is used of middy's request. */
export interface LeaseholdRequest<Connection, Key extends string> {
  event: unknown;
  context: LambdaContext & Readonly<Record<Key, LeaseHandle<Connection>>>;
  response: unknown;
  error: Error | null | undefined;
  internal: Record<never, never>;
}

/** The shape of a middleware of middy 6 and 7. */
export interface LeaseholdMiddleware<Connection, Key extends string> {
  readonly before: (request: LeaseholdRequest<Connection, Key>) => void;
  readonly after: (request: LeaseholdRequest<Connection, Key>) => Promise<void>;
  readonly onError: (request: LeaseholdRequest<Connection, Key>) => Promise<void>;
}

/** One literal that Lambda's own context does not have: of a `string` nobody could say what the handler finds where. */
type FreeKey<Key extends string> = string extends Key ? never : Key extends keyof LambdaContext ? never : Key;

export interface LeaseholdOptions<Key extends string> extends InvocationOptions {
  /** Where on the context the handle is put. Default: 'db'. */
  readonly key?: FreeKey<Key>;
}

/**
 * A middy middleware that puts a handle on the context (`context.db.use`, `context.db.acquire`), never a connection: an
 * invocation that does not touch the database takes no lease; what is idle from before is looked after now and then
 * (`healthCheckIntervalMs`). Every wait for a connection, also one of
 * `pool.use`, is bounded by what is left of the invocation, less `reserveMs`.
 *
 * At the end, be it a result or an error, everything borrowed is given back; what an early return or a time-out has left
 * behind is cleaned up when the next invocation begins, at the latest. A body that is still being streamed keeps what it
 * has borrowed until the stream closes.
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem of the options.
 */
export const leasehold = <Connection, const Key extends string = 'db'>(
  pool: PoolOrFacade<Connection>,
  options: LeaseholdOptions<Key> = {},
): LeaseholdMiddleware<Connection, Key> => {
  const { key = 'db' } = options;
  const isName = typeof key === 'string' && key !== '';
  const wrapper = new Wrapper(pool, options, { key: isName ? undefined : 'is not the name of a property' });
  const invocations = new WeakMap<object, LambdaInvocation<Connection>>();
  const end = async (request: object): Promise<void> => invocations.get(request)?.end();
  return {
    // Nothing is awaited here: after an `await` the deadline would be entered for nobody, or for everybody.
    before: (request) => {
      const invocation = wrapper.begin(request.context);
      invocations.set(request, invocation);
      enterDeadline(invocation);
      Object.assign(request.context, { [key]: invocation.handle() });
    },
    after: async (request) => {
      const body = streamOf(request.response);
      if (body === undefined) await end(request);
      else body.once('close', () => void end(request));
    },
    onError: end,
  };
};

interface ClosingStream {
  once(event: 'close', listener: () => void): unknown;
}

/** In middy's streaming mode `after` runs before the body is sent. A web stream tells nobody its end: it ends at once. */
const streamOf = (response: unknown): ClosingStream | undefined => {
  const candidates = [response, Reflect.get(Object(response), 'body')];
  return candidates.find(
    (each): each is ClosingStream =>
      typeof Reflect.get(Object(each), 'pipe') === 'function' &&
      typeof Reflect.get(Object(each), 'once') === 'function',
  );
};
