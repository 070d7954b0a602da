import { type Clock, sleep } from '../../core/clock.ts';
import { LeaseholdError, redact } from '../../core/errors.ts';

/** What of an ioredis client (5 or 6, `Redis` or `Cluster`) is used. */
export interface ScriptClient {
  evalsha(sha1: string, keyCount: number, ...args: string[]): Promise<unknown>;
  eval(script: string, keyCount: number, ...args: string[]): Promise<unknown>;
}

export interface Script {
  readonly text: string;
  readonly sha1: string;
}

/** What a script over these keys has to wait for before it is sent; undefined for nothing. */
export type Before = (keys: readonly string[]) => Promise<void> | undefined;

/** Redis's error codes after which the same request may succeed; the texts behind them are no interface. */
const PASSING = new Set([
  'LOADING',
  'MASTERDOWN',
  'READONLY',
  'CLUSTERDOWN',
  'NOREPLICAS',
  'TRYAGAIN',
  'BUSY',
  'OOM',
  'UNBLOCKED',
]);

/** Runs scripts: by hash, in one round trip; with the text where the server does not know the hash, which can happen at any time. */
export class ScriptRunner {
  readonly #client: ScriptClient;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #before: Before | undefined;

  constructor(client: ScriptClient, clock: Clock, timeoutMs: number, before?: Before) {
    this.#client = client;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#before = before;
  }

  /** Rejects with REGISTRY_UNREACHABLE; the script may have run all the same, so its id decides what a repeat does. */
  async run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const end = new AbortController();
    const answer = this.#runOnce(script, keys, args, end.signal);
    answer.catch(() => undefined);
    try {
      return await Promise.race([answer, this.#timeout(end.signal)]);
    } catch (cause) {
      throw unreachable(cause);
    } finally {
      end.abort();
    }
  }

  async #timeout(end: AbortSignal): Promise<void> {
    await sleep(this.#clock, this.#timeoutMs, end);
    if (!end.aborted) throw new Error(`No answer within ${this.#timeoutMs} ms.`);
  }

  async #runOnce(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    end: AbortSignal,
  ): Promise<unknown> {
    const before = this.#before?.(keys);
    if (before !== undefined) await inTime(before, end);
    try {
      return await this.#client.evalsha(script.sha1, keys.length, ...keys, ...args);
    } catch (error) {
      if (errorCode(error) !== 'NOSCRIPT') throw error;
      await inTime(this.#before?.(keys), end);
      return this.#client.eval(script.text, keys.length, ...keys, ...args);
    }
  }
}

/** After its time the caller has gone on, perhaps to cancel what this would ask for: then nothing more is sent. */
const inTime = async (before: Promise<void> | undefined, end: AbortSignal): Promise<void> => {
  await before;
  if (end.aborted) throw new Error('Too late to be sent.');
};

export const errorCode = (error: unknown): string =>
  error instanceof Error && error.name === 'ReplyError' ? (error.message.split(' ', 1)[0] ?? '') : '';

const unreachable = (cause: unknown): LeaseholdError => {
  const code = errorCode(cause);
  const text = cause instanceof Error ? redact(cause.message) : String(cause);
  return new LeaseholdError('REGISTRY_UNREACHABLE', `The lease registry did not answer: ${text}`, {
    cause,
    retryable: code === '' || PASSING.has(code),
    details: { redisError: code },
  });
};
