import type { LeaseholdError } from '../core/errors.ts';
import type { Holder } from './holder.ts';
import type { Roster } from './roster.ts';
import { Waiters } from './waiters.ts';

/** No caller of `warm` is ever turned away. */
const WARMERS_MAX = 1_000_000;

/**
 * The connections that this process should keep open whether anybody waits or not. Topped up only when somebody says so, for
 * as long as he says: nothing here runs by itself, and in a frozen process nothing would.
 */
export class Minimum {
  readonly #roster: Roster<unknown>;
  readonly #min: number;
  readonly #warmers: Waiters<void>;

  constructor({ clock, config }: Holder, roster: Roster<unknown>) {
    this.#roster = roster;
    this.#min = config.min;
    this.#warmers = new Waiters(clock, WARMERS_MAX);
  }

  /** Connections that are to be opened, or are being opened, for its sake. */
  get missing(): number {
    return this.#warmers.length === 0 ? 0 : Math.max(0, this.#goal - this.#roster.open);
  }

  get longestRemainingMs(): number {
    return this.#warmers.longestRemainingMs;
  }

  /** A process that is warmed has one connection at least. */
  get #goal(): number {
    return Math.max(1, this.#min);
  }

  get isMet(): boolean {
    return this.#roster.open >= this.#min;
  }

  /** Resolves when it is reached. The caller sees to it that somebody opens what is missing. */
  reach(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    timedOut: (waitedMs: number) => LeaseholdError,
  ): Promise<void> {
    return this.#warmers.wait(timeoutMs, signal, timedOut);
  }

  /** Whoever waits for it hears that it is reached. */
  note(): void {
    const ready = this.#roster.count('idle') + this.#roster.count('lent');
    if (ready >= this.#goal) while (this.#warmers.offer(undefined));
  }

  fail(error: LeaseholdError): void {
    this.#warmers.rejectAll(error);
  }
}
