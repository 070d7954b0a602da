import type { Clock, Instant, Timer } from '../../lib/core/clock.ts';

interface FakeTimer {
  readonly dueMs: number;
  readonly order: number;
  readonly isBackground: boolean;
  readonly callback: () => void;
}

export interface FreezeOptions {
  /** Nobody documents whether the monotonic clock goes on in a frozen process: a test says which it wants. Default: it does. */
  readonly monotonicStops?: boolean;
}

/** An arbitrary moment after the registry's own epoch. */
const DEFAULT_WALL_MS = Date.UTC(2026, 5, 1);
const DEFAULT_MONOTONIC_MS = 1_000;

/**
 * A clock that a test moves. Timers fire in order of their due moment (ties: in the order they were set), each at its own
 * moment, and never by themselves. They follow the monotonic clock, as Node's do.
 */
export class FakeClock implements Clock {
  #wallMs: number;
  #monotonicMs = DEFAULT_MONOTONIC_MS;
  #order = 0;
  readonly #timers = new Set<FakeTimer>();

  constructor(wallMs: number = DEFAULT_WALL_MS) {
    this.#wallMs = wallMs;
  }

  read(): Instant {
    return { monotonicMs: this.#monotonicMs, wallMs: this.#wallMs };
  }

  wallMs(): number {
    return this.#wallMs;
  }

  elapsedMs(since: Instant, until: Instant = this.read()): number {
    return Math.max(0, until.monotonicMs - since.monotonicMs, until.wallMs - since.wallMs);
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return this.#set(delayMs, callback, false);
  }

  setBackgroundTimer(delayMs: number, callback: () => void): Timer {
    return this.#set(delayMs, callback, true);
  }

  /** Timers that are set and have not fired; those that keep a process alive, and those that do not. */
  get pending(): { readonly foreground: number; readonly background: number } {
    const background = [...this.#timers].filter((timer) => timer.isBackground).length;
    return { foreground: this.#timers.size - background, background };
  }

  /** Ms until the next timer is due (0 if one is overdue); undefined if none is set. */
  get nextTimerMs(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : Math.max(0, next.dueMs - this.#monotonicMs);
  }

  /** Both clocks move on; what falls due on the way fires at its moment. Promises are not waited for. */
  advance(ms: number): void {
    const end = this.#monotonicMs + ms;
    for (let due = this.#next(end); due !== undefined; due = this.#next(end)) this.#fire(due);
    this.#moveTo(end);
  }

  /** The same; after every timer, and at both ends, everything that promises set off is let run. */
  async advanceAsync(ms: number): Promise<void> {
    const end = this.#monotonicMs + ms;
    await this.flush();
    for (let due = this.#next(end); due !== undefined; due = this.#next(end)) {
      this.#fire(due);
      await this.flush();
    }
    this.#moveTo(end);
    await this.flush();
  }

  /** Lets all promise reactions run, also those that they set off in turn; no time passes. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  /** The process is frozen for this long: time passes and nothing fires. What is overdue then waits for `thaw` or `advance`. */
  freeze(ms: number, { monotonicStops = false }: FreezeOptions = {}): void {
    this.#wallMs += ms;
    if (!monotonicStops) this.#monotonicMs += ms;
  }

  /** First instant after a freeze: everything overdue fires at once, in order. */
  thaw(): void {
    this.advance(0);
  }

  thawAsync(): Promise<void> {
    return this.advanceAsync(0);
  }

  /** Somebody sets the wall clock; the monotonic one does not notice. */
  stepWall(ms: number): void {
    this.#wallMs += ms;
  }

  #set(delayMs: number, callback: () => void, isBackground: boolean): Timer {
    this.#order += 1;
    const dueMs = this.#monotonicMs + Math.max(0, delayMs);
    const timer: FakeTimer = { dueMs, order: this.#order, isBackground, callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** The first timer due up to `end`. */
  #next(end: number = Number.POSITIVE_INFINITY): FakeTimer | undefined {
    let first: FakeTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs > end) continue;
      const isEarlier =
        first === undefined ||
        timer.dueMs < first.dueMs ||
        (timer.dueMs === first.dueMs && timer.order < first.order);
      if (isEarlier) first = timer;
    }
    return first;
  }

  #fire(timer: FakeTimer): void {
    this.#timers.delete(timer);
    this.#moveTo(timer.dueMs);
    timer.callback();
  }

  #moveTo(monotonicMs: number): void {
    const ms = Math.max(0, monotonicMs - this.#monotonicMs);
    this.#monotonicMs += ms;
    this.#wallMs += ms;
  }
}
