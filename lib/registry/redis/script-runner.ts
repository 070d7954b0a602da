import type { Clock } from '../../core/clock.ts';
import { LeaseholdError, redact } from '../../core/errors.ts';
import { Batch, type ScriptClient } from './batch.ts';
import { type Deadline, Deadlines } from './deadlines.ts';

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
  readonly #batch: Batch;
  readonly #timeoutMs: number;
  readonly #deadlines: Deadlines;
  readonly #before: Before | undefined;

  constructor(client: ScriptClient, clock: Clock, timeoutMs: number, before?: Before) {
    this.#client = client;
    this.#batch = new Batch(client);
    this.#timeoutMs = timeoutMs;
    this.#deadlines = new Deadlines(clock, timeoutMs);
    this.#before = before;
  }

  /** Rejects with REGISTRY_UNREACHABLE; the script may have run all the same, so its id decides what a repeat does. */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const late = (): void => reject(unreachable(new Error(`No answer within ${this.#timeoutMs} ms.`)));
      const deadline = this.#deadlines.start(late);
      const succeed = (value: unknown): void => {
        this.#deadlines.finish(deadline);
        resolve(value);
      };
      const fail = (cause: unknown): void => {
        if (this.#deadlines.finish(deadline)) reject(unreachable(cause));
      };
      const send = (begin: () => Promise<unknown>, failed: (error: unknown) => void): void => {
        try {
          this.#inTurn(keys, deadline, begin).then(succeed, failed);
        } catch (error) {
          fail(error);
        }
      };
      send(
        () => this.#batch.evalsha(script.sha1, keys, args),
        (error) => {
          if (errorCode(error) !== 'NOSCRIPT' || !this.#deadlines.has(deadline)) fail(error);
          else send(() => this.#client.eval(script.text, keys.length, ...keys, ...args), fail);
        },
      );
    });
  }

  /** After its time the caller has gone on, perhaps to cancel what this would ask for: then nothing more is sent. */
  #inTurn(keys: readonly string[], deadline: Deadline, begin: () => Promise<unknown>): Promise<unknown> {
    const before = this.#before?.(keys);
    if (before === undefined) return begin();
    return before.then(() => {
      if (!this.#deadlines.has(deadline)) throw new Error('Too late to be sent.');
      return begin();
    });
  }
}

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
