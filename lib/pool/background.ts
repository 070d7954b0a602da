import { type Clock, sleep } from '../core/clock.ts';

/** Work that nobody awaits as it is started, but that must be seen through before a freeze or an end. Failures are reported, never thrown. */
export class Background {
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #pending = new Set<Promise<unknown>>();

  constructor(clock: Clock, onError: (error: unknown) => void) {
    this.#clock = clock;
    this.#onError = onError;
  }

  get isQuiet(): boolean {
    return this.#pending.size === 0;
  }

  add(work: Promise<unknown>): void {
    const tracked = work.catch(this.#onError).finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }

  /** Resolves when all of it is done, what it has started meanwhile included; at the latest after `budgetMs`. */
  async settled(budgetMs: number): Promise<void> {
    await atMost(this.#clock, budgetMs, this.#untilQuiet());
  }

  async #untilQuiet(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }
}

/** Waits for `work`, but not longer than `budgetMs`. */
export const atMost = async (clock: Clock, budgetMs: number, work: Promise<void>): Promise<void> => {
  const bound = new AbortController();
  await Promise.race([work, sleep(clock, budgetMs, bound.signal)]);
  bound.abort();
};
