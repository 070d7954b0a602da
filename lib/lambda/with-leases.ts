import { runWithDeadline } from '../pool/invocation.ts';
import {
  type InvocationContext,
  type InvocationOptions,
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

/**
 * Wraps a plain asynchronous handler: inside, `pool.use` and `pool.acquire` are bounded by the time that the invocation has
 * left (less `reserveMs`); at its end, whatever that is, everything borrowed is given back. An invocation that never
 * touches the database takes no lease; what is idle from before is looked after now and then (`healthCheckIntervalMs`).
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem of the options; the handler's own errors pass through unchanged.
 */
export const withLeases = <Event, Context extends InvocationContext, Result>(
  pool: PoolOrFacade<unknown>,
  handler: (event: Event, context: Context) => Result | Promise<Result>,
  options: InvocationOptions = {},
): ((event: Event, context: Context) => Promise<Result>) => {
  const wrapper = new Wrapper(pool, options);
  return async (event, context) => {
    const invocation = wrapper.begin(context);
    try {
      return await runWithDeadline(invocation, () => handler(event, context));
    } finally {
      await invocation.end();
    }
  };
};
