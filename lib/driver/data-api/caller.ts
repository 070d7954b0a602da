import { serviceDelayMs } from '../../core/backoff.ts';
import { type Clock, type Instant, sleep, type Timer } from '../../core/clock.ts';
import { LeaseholdError, withoutSecrets } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import type { StatementGate } from '../driver.ts';
import { type Fate, type Verdict, verdictOn } from './fate.ts';
import type { IdleSockets } from './idle-sockets.ts';
import {
  type Input,
  makeCommand,
  type Next,
  type Operation,
  type Output,
  type RdsDataModule,
  type Sender,
} from './module.ts';

export interface CallRetry {
  readonly attempt: number;
  readonly delayMs: number;
  readonly elapsedMs: number;
  readonly reason: string;
}

export interface CallerParts {
  readonly module: RdsDataModule;
  readonly sender: Sender;
  readonly sockets: IdleSockets;
  readonly clock: Clock;
  readonly random: Random;
  readonly onRetry?: ((retry: CallRetry) => void) | undefined;
}

export interface CallTerms {
  /** How long the call may go unanswered, in ms, from when it is sent. */
  readonly timeoutMs: number;
  /** How long what was turned away is repeated, in ms. */
  readonly retryForMs: number;
  /** Asked before each attempt; none for what the driver itself asks. */
  readonly gate?: StatementGate;
  /** No further attempt, and no waiting at the gate. */
  readonly stop?: AbortSignal;
  /** Gives up what is under way. */
  readonly abort?: AbortSignal;
}

export type Outcome<Result> =
  | { readonly kind: 'answer'; readonly output: Result }
  | {
      readonly kind: 'failure';
      readonly fate: Fate;
      readonly error: Error;
      readonly isTimeout: boolean;
      /** As it was thrown, before it was made presentable. */
      readonly cause: unknown;
    };

type Attempt<Result> = { readonly outcome: Outcome<Result>; readonly mayRepeat: boolean };

/** How far one attempt has come, and how long it may take. */
class Progress {
  isSent = false;
  isLate = false;
  /** What the handler threw, before the SDK wrapped it. */
  thrown: unknown;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #giveUp: () => void;
  #timer: Timer | undefined;

  constructor(clock: Clock, timeoutMs: number, giveUp: () => void) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#giveUp = giveUp;
  }

  startTimer(): void {
    this.#timer = this.#clock.setTimer(this.#timeoutMs, () => {
      this.isLate = true;
      this.#giveUp();
    });
  }

  stopTimer(): void {
    this.#timer?.cancel();
  }
}

/** After signing, so that nothing slow lies between the gate and the wire, and below the SDK's own retries. */
const AT_THE_WIRE = { step: 'finalizeRequest', priority: 'low', name: 'leaseGate', override: true };

/** Sends calls; repeats with jittered backoff what surely has not been executed, and nothing else. */
export class Caller {
  /** When the service last did what it was asked. */
  answeredAt: Instant | undefined;
  readonly #parts: CallerParts;

  constructor(parts: CallerParts) {
    this.#parts = parts;
  }

  async call<Name extends Operation>(
    operation: Name,
    input: Input<Name>,
    terms: CallTerms,
  ): Promise<Outcome<Output<Name>>> {
    const { clock, random, onRetry } = this.#parts;
    const since = clock.read();
    for (let attempt = 1; ; attempt += 1) {
      const { outcome, mayRepeat } = await this.#attempt(operation, input, terms);
      if (outcome.kind === 'answer' || !mayRepeat || terms.stop?.aborted) return outcome;
      const delayMs = serviceDelayMs(attempt, random.fraction());
      const elapsedMs = clock.elapsedMs(since);
      if (elapsedMs + delayMs > terms.retryForMs) return outcome;
      onRetry?.({ attempt, delayMs, elapsedMs, reason: `${operation}: ${outcome.error.name}` });
      await sleep(clock, delayMs, terms.stop);
      if (terms.stop?.aborted) return outcome;
    }
  }

  async #attempt<Name extends Operation>(
    operation: Name,
    input: Input<Name>,
    terms: CallTerms,
  ): Promise<Attempt<Output<Name>>> {
    const { module, sender, sockets, clock } = this.#parts;
    const bound = new AbortController();
    const giveUp = (): void => bound.abort();
    terms.abort?.addEventListener('abort', giveUp, { once: true });
    if (terms.abort?.aborted) giveUp();
    const progress = new Progress(clock, terms.timeoutMs, giveUp);
    const command = makeCommand(module, operation, input);
    command.middlewareStack.add(
      (next) => throughGate(next, terms, progress, sockets, bound.signal),
      AT_THE_WIRE,
    );
    progress.startTimer();
    try {
      const { signal } = bound;
      const answer = sender.send(command, { abortSignal: signal });
      const output = (await orAborted(answer, signal)) as Output<Name>;
      this.answeredAt = clock.read();
      return { outcome: { kind: 'answer', output }, mayRepeat: false };
    } catch (error) {
      return failed(operation, error, progress, terms.timeoutMs);
    } finally {
      progress.stopTimer();
      terms.abort?.removeEventListener('abort', giveUp);
    }
  }
}

const throughGate =
  (
    next: Next,
    { gate, stop }: CallTerms,
    progress: Progress,
    sockets: IdleSockets,
    bound: AbortSignal,
  ): Next =>
  async (args) => {
    const opening = gate?.();
    if (opening !== undefined) {
      // Bounded by whoever has shut it.
      progress.stopTimer();
      await untilStopped(opening, stop);
      progress.startTimer();
    }
    if (bound.aborted) throw givenUp();
    sockets.dropOld();
    progress.isSent = true;
    try {
      return await next(args);
    } catch (error) {
      progress.thrown = error;
      throw error;
    }
  };

const untilStopped = (opening: Promise<void>, stop: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    const refuse = (): void => reject(closed());
    if (stop?.aborted) refuse();
    stop?.addEventListener('abort', refuse, { once: true });
    opening.then(resolve, reject).finally(() => stop?.removeEventListener('abort', refuse));
  });

const closed = (): LeaseholdError =>
  new LeaseholdError('CONNECTION_LOST', 'The connection was closed before the statement was sent.');

/** Credentials are waited for by the SDK, however long, and an abort does not end that. */
const orAborted = (answer: Promise<unknown>, signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const refuse = (): void => reject(givenUp());
    if (signal.aborted) refuse();
    signal.addEventListener('abort', refuse, { once: true });
    answer.then(resolve, reject);
  });

const givenUp = (): LeaseholdError => new LeaseholdError('CONNECTION_LOST', 'The call was given up.');

const UNSENT: Verdict = { fate: 'unsent', mayRepeat: false };

const failed = (
  operation: Operation,
  error: unknown,
  { isSent, isLate, thrown }: Progress,
  timeoutMs: number,
): { outcome: Outcome<never>; mayRepeat: boolean } => {
  const cause = thrown ?? error;
  const { fate, mayRepeat } = isSent ? verdictOn(cause) : UNSENT;
  const shown = isLate
    ? unanswered(operation, timeoutMs, isSent)
    : presentable(operation, error, cause, fate);
  return { outcome: { kind: 'failure', fate, error: shown, isTimeout: isLate, cause }, mayRepeat };
};

const unanswered = (operation: Operation, timeoutMs: number, isSent: boolean): LeaseholdError =>
  isSent
    ? new LeaseholdError(
        'CONNECTION_LOST',
        `The Data API did not answer ${operation} within ${timeoutMs} ms; it may or may not have happened.`,
        { details: { operation, outcome: 'unknown' } },
      )
    : new LeaseholdError(
        'CONNECTION_LOST',
        `${operation} could not be signed within ${timeoutMs} ms, and was not sent.`,
        { details: { operation } },
      );

/** The service's own errors and ours stay what they are; of a broken connection the SDK says little. */
const presentable = (operation: Operation, error: unknown, cause: unknown, fate: Fate): Error => {
  const isAnswer =
    Reflect.get(Object(Reflect.get(Object(error), '$metadata')), 'httpStatusCode') !== undefined;
  if (isAnswer || fate !== 'unknown') return error instanceof Error ? error : withoutSecrets(error);
  const safe = withoutSecrets(cause);
  return new LeaseholdError(
    'CONNECTION_LOST',
    `The Data API did not answer ${operation}: ${safe.message}. It may or may not have happened.`,
    { cause: safe, details: { operation, outcome: 'unknown' } },
  );
};
