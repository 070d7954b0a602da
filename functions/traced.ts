import { Tracer } from '@aws-lambda-powertools/tracer';
import type { Environment } from '../lib/core/environment.ts';

/**
 * Powertools' tracer, which does nothing outside Lambda by itself. No part of every function's wiring: to load it costs 37 kB
 * (gzipped), and makes each `await` of the process slower, traced or not (X-Ray's SDK follows them with an async hook).
 */
export const tracerOf = (env: Environment): Tracer =>
  new Tracer({
    serviceName: env['POWERTOOLS_SERVICE_NAME'] ?? 'leasehold',
    // Nothing on a request's way goes over HTTP, and what does so in init has no segment.
    captureHTTPsRequests: false,
  });

/** Runs work in a subsegment of its own. Powertools has a decorator for the methods of classes, and this pattern for the rest. */
export const traced = async <Result>(
  tracer: Tracer,
  name: string,
  work: () => Promise<Result>,
): Promise<Result> => {
  const parent = tracer.getSegment();
  const subsegment = parent?.addNewSubsegment(`### ${name}`);
  if (parent === undefined || subsegment === undefined) return work();
  tracer.setSegment(subsegment);
  try {
    return await work();
  } catch (error) {
    // Of an error a trace keeps the name, the message and the stack.
    tracer.addErrorAsMetadata(error as Error);
    throw error;
  } finally {
    subsegment.close();
    tracer.setSegment(parent);
  }
};
