import { LIMITS } from '../../core/limits.ts';

/** What of an ioredis client (5 or 6, `Redis` or `Cluster`) is used. */
export interface ScriptClient {
  evalsha(sha1: string, keyCount: number, ...args: string[]): Promise<unknown>;
  eval(script: string, keyCount: number, ...args: string[]): Promise<unknown>;
  pipeline?(): ScriptPipeline;
}

interface ScriptPipeline {
  evalsha(sha1: string, keyCount: number, ...args: string[]): unknown;
  exec(): Promise<readonly (readonly [Error | null, unknown])[] | null>;
}

interface Call {
  readonly sha1: string;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Sends the calls of one turn of the event loop together: with many callers the writes to the socket, one for each call, cost
 * more than all the rest. The first call of a turn is sent at once, so that a single caller waits for nothing.
 */
export class Batch {
  readonly #client: ScriptClient;
  #isTurnOpen = false;
  /** By first key: a pipeline goes to one node of a cluster, that of the resource. */
  #calls = new Map<string, Call[]>();

  constructor(client: ScriptClient) {
    this.#client = client;
  }

  evalsha(sha1: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    if (this.#isTurnOpen && this.#client.pipeline !== undefined) {
      return new Promise((resolve, reject) => this.#add({ sha1, keys, args, resolve, reject }));
    }
    if (!this.#isTurnOpen) {
      this.#isTurnOpen = true;
      process.nextTick(() => this.#endTurn());
    }
    return this.#client.evalsha(sha1, keys.length, ...keys, ...args);
  }

  #add(call: Call): void {
    const key = call.keys[0] ?? '';
    const calls = this.#calls.get(key);
    if (calls === undefined) this.#calls.set(key, [call]);
    else calls.push(call);
  }

  #endTurn(): void {
    this.#isTurnOpen = false;
    if (this.#calls.size === 0) return;
    const all = this.#calls;
    this.#calls = new Map();
    for (const calls of all.values()) {
      for (let at = 0; at < calls.length; at += LIMITS.pageMax)
        this.#send(calls.slice(at, at + LIMITS.pageMax));
    }
  }

  #send(calls: readonly Call[]): void {
    const failed = (error: unknown): void => {
      for (const { reject } of calls) reject(error);
    };
    try {
      const pipeline = this.#client.pipeline?.();
      for (const { sha1, keys, args } of calls) pipeline?.evalsha(sha1, keys.length, ...keys, ...args);
      pipeline?.exec().then((replies) => answer(calls, replies ?? []), failed);
    } catch (error) {
      failed(error);
    }
  }
}

const answer = (calls: readonly Call[], replies: readonly (readonly [Error | null, unknown])[]): void => {
  for (const [at, { resolve, reject }] of calls.entries()) {
    const [error, value] = replies[at] ?? [new Error('The client gave no answer to this call.'), undefined];
    if (error === null) resolve(value);
    else reject(error);
  }
};
