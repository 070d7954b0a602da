import type { Clock, Instant } from './clock.ts';

/** What is left of a bound. Counted on the clock that survives a freeze, so a thawed attempt knows that it is late. */
export class Deadline {
  readonly #clock: Clock;
  readonly #since: Instant;
  readonly #timeoutMs: number;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#since = clock.read();
    this.#timeoutMs = timeoutMs;
  }

  get remainingMs(): number {
    return Math.max(0, this.#timeoutMs - this.#clock.elapsedMs(this.#since));
  }
}

export const TIMED_OUT = Symbol('timed out');

/** The outcome of `work`, or TIMED_OUT after `timeoutMs`; what `work` does later is nobody's concern, and never unhandled. */
export const within = <T>(clock: Clock, timeoutMs: number, work: Promise<T>): Promise<T | typeof TIMED_OUT> =>
  new Promise((resolve, reject) => {
    const timer = clock.setTimer(timeoutMs, () => resolve(TIMED_OUT));
    work.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
