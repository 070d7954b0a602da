import type { Clock, Instant } from '../core/clock.ts';
import { LeaseholdError } from '../core/errors.ts';

interface Waiter<Item> {
  readonly since: Instant;
  readonly timeoutMs: number;
  settle(outcome: { readonly item: Item } | { readonly error: LeaseholdError }): void;
}

/** Callers of this process that wait for a connection: first come, first served; each with its own deadline and signal. */
export class Waiters<Item> {
  readonly #clock: Clock;
  readonly #max: number;
  /** In order of arrival; a caller that gives up leaves from the middle. */
  readonly #queue = new Set<Waiter<Item>>();

  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#max = max;
  }

  get length(): number {
    return this.#queue.size;
  }

  /** Ms until the last of the waiting callers gives up. */
  get longestRemainingMs(): number {
    const now = this.#clock.read();
    let longestMs = 0;
    for (const { since, timeoutMs } of this.#queue)
      longestMs = Math.max(longestMs, timeoutMs - this.#clock.elapsedMs(since, now));
    return longestMs;
  }

  /** Resolves with what `offer` hands over; rejects when the time is up, the signal fires, or `reject` says so. */
  wait(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    timedOut: (waitedMs: number) => LeaseholdError,
  ): Promise<Item> {
    if (this.#queue.size >= this.#max) return Promise.reject(full(this.#max));
    return new Promise((resolve, reject) => {
      const onAbort = (): void => waiter.settle({ error: aborted(signal) });
      const waiter: Waiter<Item> = {
        since: this.#clock.read(),
        timeoutMs,
        settle: (outcome) => {
          timer.cancel();
          signal?.removeEventListener('abort', onAbort);
          this.#queue.delete(waiter);
          if ('item' in outcome) resolve(outcome.item);
          else reject(outcome.error);
        },
      };
      const timer = this.#clock.setTimer(timeoutMs, () =>
        waiter.settle({ error: timedOut(this.#clock.elapsedMs(waiter.since)) }),
      );
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#queue.add(waiter);
    });
  }

  /** Hands `item` to the longest waiter; false if nobody waits. */
  offer(item: Item): boolean {
    const [first] = this.#queue;
    first?.settle({ item });
    return first !== undefined;
  }

  rejectFirst(error: LeaseholdError): void {
    const [first] = this.#queue;
    first?.settle({ error });
  }

  rejectAll(error: LeaseholdError): void {
    for (const waiter of [...this.#queue]) waiter.settle({ error });
  }

  /** Rejects those who would have given up before `ms` have passed. */
  rejectBefore(ms: number, error: LeaseholdError): void {
    for (const waiter of [...this.#queue]) {
      if (this.#remainingMs(waiter) < ms) waiter.settle({ error });
    }
  }

  #remainingMs(waiter: Waiter<Item>): number {
    return waiter.timeoutMs - this.#clock.elapsedMs(waiter.since);
  }
}

export const aborted = (signal: AbortSignal | undefined): LeaseholdError =>
  new LeaseholdError('ABORTED', 'The caller aborted while it waited for a connection.', {
    cause: signal?.reason,
  });

const full = (max: number): LeaseholdError =>
  new LeaseholdError('WAITERS_FULL', `${max} callers already wait in this process (localWaitersMax).`, {
    details: { max },
  });
