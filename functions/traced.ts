import type { Tracer } from '@aws-lambda-powertools/tracer';

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
