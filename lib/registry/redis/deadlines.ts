import type { Clock, Instant, Timer } from '../../core/clock.ts';

/** A call that is to end within its time. */
export interface Deadline {
  readonly since: Instant;
  /** Told once, when the time is up. */
  readonly expire: () => void;
}

/**
 * The same time allowed for each of many calls, with ONE timer for all: they expire in the order in which they began. A
 * timer and a signal for each call cost more than all the rest of it.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #open = new Set<Deadline>();
  #timer: Timer | undefined;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  start(expire: () => void): Deadline {
    const deadline = { since: this.#clock.read(), expire };
    this.#open.add(deadline);
    if (this.#timer === undefined) this.#arm(this.#timeoutMs);
    return deadline;
  }

  /** False where its time was up before. */
  finish(deadline: Deadline): boolean {
    const isInTime = this.#open.delete(deadline);
    if (isInTime && this.#open.size === 0) this.#disarm();
    return isInTime;
  }

  has(deadline: Deadline): boolean {
    return this.#open.has(deadline);
  }

  #arm(delayMs: number): void {
    this.#timer = this.#clock.setTimer(delayMs, () => this.#expire());
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The timer was set for a call that may have ended long ago: the oldest that is open decides. */
  #expire(): void {
    this.#timer = undefined;
    const now = this.#clock.read();
    for (const deadline of this.#open) {
      const remainingMs = this.#timeoutMs - this.#clock.elapsedMs(deadline.since, now);
      if (remainingMs > 0) {
        // One that began just now, as another expired, has set a timer of its own.
        this.#disarm();
        this.#arm(remainingMs);
        return;
      }
      this.#open.delete(deadline);
      deadline.expire();
    }
  }
}
