import type { ScriptClient } from './batch.ts';

/** One pipeline of ioredis, as far as it is used. */
interface Pipeline {
  evalsha(sha1: string, keyCount: number, ...args: string[]): Pipeline;
  eval(script: string, keyCount: number, ...args: string[]): Pipeline;
  wait(replicas: number, timeoutMs: number): Pipeline;
  exec(): Promise<readonly (readonly [error: Error | null, reply: unknown])[] | null>;
}

export interface PipelineClient {
  pipeline(): Pipeline;
}

/**
 * Sends scripts with WAIT right behind them, in one round trip. A grant that fewer replicas have acknowledged is no answer: the
 * caller asks again with the same id, and hears of the same lease when they have (law L3).
 */
export const acknowledgedBy = (client: PipelineClient, replicas: number, timeoutMs: number): ScriptClient => {
  const send = async (script: (pipeline: Pipeline) => Pipeline): Promise<unknown> => {
    const [ran, waited] = (await script(client.pipeline()).wait(replicas, timeoutMs).exec()) ?? [];
    if (ran === undefined || waited === undefined) throw new Error('The pipeline was not answered.');
    if (ran[0] !== null) throw ran[0];
    if (!isGrant(ran[1])) return ran[1];
    if (waited[0] !== null) throw waited[0];
    if (Number(waited[1]) >= replicas) return ran[1];
    throw new Error(`${waited[1]} of ${replicas} replicas have the grant after ${timeoutMs} ms.`);
  };
  return {
    evalsha: (sha1, keyCount, ...args) => send((pipeline) => pipeline.evalsha(sha1, keyCount, ...args)),
    eval: (script, keyCount, ...args) => send((pipeline) => pipeline.eval(script, keyCount, ...args)),
  };
};

/** An ordinary grant is answered with its fence alone. */
const isGrant = (reply: unknown): boolean =>
  typeof reply === 'number' || (Array.isArray(reply) && reply[0] === 'granted');
