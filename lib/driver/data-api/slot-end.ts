import { LeaseholdError } from '../../core/errors.ts';
import type { ConnectionEnd } from '../driver.ts';

/** How a slot ends: when it is closed, or when something of it may still be at the service and nobody can say. */
export class SlotEnd {
  readonly #listeners: ((end: ConnectionEnd) => void)[] = [];
  readonly #stopping = new AbortController();
  readonly #aborting = new AbortController();
  #isClosing = false;
  #doubt: Error | undefined;
  #end: ConnectionEnd | undefined;

  /** Nothing new is sent. */
  get stop(): AbortSignal {
    return this.#stopping.signal;
  }

  /** What is under way is given up. */
  get abort(): AbortSignal {
    return this.#aborting.signal;
  }

  /** Something of it may still be at the service. */
  get isOver(): boolean {
    return this.#end !== undefined;
  }

  get isUsable(): boolean {
    return !this.#isClosing && this.#end === undefined;
  }

  /** @throws if the slot is over, or about to be. */
  checkUsable(): void {
    if (this.isUsable) return;
    throw new LeaseholdError(
      'CONNECTION_LOST',
      'This connection is over: the statement was not sent.',
      this.#doubt === undefined ? {} : { cause: this.#doubt },
    );
  }

  onEnd(listener: (end: ConnectionEnd) => void): void {
    if (this.#end) listener(this.#end);
    else this.#listeners.push(listener);
  }

  /** From now on only what ends the work is sent. */
  closing(): void {
    this.#isClosing = true;
    this.#stopping.abort();
  }

  giveUp(): void {
    this.#aborting.abort();
  }

  /** Something went unanswered. */
  unproven(error: Error): void {
    this.#doubt = error;
    this.over({ endSeen: false, error });
  }

  over(end: ConnectionEnd): ConnectionEnd {
    if (this.#end) return this.#end;
    this.#end = end;
    this.#stopping.abort();
    for (const listener of this.#listeners.splice(0)) listener(end);
    return end;
  }
}
