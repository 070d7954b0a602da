/**
 * The only file that reads a clock or sets a timer.
 *
 * An execution environment can be frozen between any two instructions, and nobody documents whether the monotonic clock
 * goes on meanwhile. So an instant is a reading of BOTH clocks, and the time since then is the larger of the two advances:
 * a frozen monotonic clock and a wall clock that was set back each leave the other to tell the truth.
 */
export interface Instant {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export interface Timer {
  cancel(): void;
}

export interface Clock {
  read(): Instant;
  /** The wall clock alone, in ms: half the cost of a reading, and no proof of anything. */
  wallMs(): number;
  /** Runs `callback` when this turn of the event loop is over, and answers true; absent where turns are not told apart. */
  afterTurn?(callback: () => void): true;
  /** Milliseconds from `since` until now, or until `until` where both were just read; never negative: the larger of the two clocks' advances. */
  elapsedMs(since: Instant, until?: Instant): number;
  /** Runs `callback` after `delayMs`; keeps the process alive, for somebody is waiting. */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** The same for work that nobody waits for: it does not keep the process alive. */
  setBackgroundTimer(delayMs: number, callback: () => void): Timer;
}

/** Node fires a longer timer at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

const startTimer = (delayMs: number, callback: () => void): { handle: NodeJS.Timeout; timer: Timer } => {
  const handle = setTimeout(callback, Math.min(TIMER_MAX_MS, Math.max(0, delayMs)));
  return { handle, timer: { cancel: () => clearTimeout(handle) } };
};

export const systemClock: Clock = {
  read: () => ({ monotonicMs: performance.now(), wallMs: Date.now() }),
  wallMs: () => Date.now(),
  afterTurn: (callback) => {
    setImmediate(callback).unref();
    return true;
  },
  elapsedMs: (since, until = systemClock.read()) =>
    Math.max(0, until.monotonicMs - since.monotonicMs, until.wallMs - since.wallMs),
  setTimer: (delayMs, callback) => startTimer(delayMs, callback).timer,
  setBackgroundTimer: (delayMs, callback) => {
    const { handle, timer } = startTimer(delayMs, callback);
    handle.unref();
    return timer;
  },
};

/** How far the two clocks have parted since, in ms: one of them stood still, or was set. */
export const skewMs = (since: Instant, until: Instant): number =>
  Math.abs(until.wallMs - since.wallMs - (until.monotonicMs - since.monotonicMs));

/** A reading this old, in ms, still says whether a connection is warm: every statement looks at the clocks itself. */
const GRAIN_MS = 5;
/** After so many readings within a grain the rest of the event loop's turn makes do with the last one. */
const CROWD = 8;

/**
 * Readings for what happens at every use. Both clocks are looked at only when the wall clock has moved on; and where uses
 * crowd within one turn of the event loop, none is looked at until it is over: a look costs more than the rest of a use.
 */
export class CoarseClock {
  /** The wall clock at the last look. */
  wallMs: number;
  readonly #clock: Clock;
  #last: Instant;
  #reads = 0;
  #isSameTurn = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#last = clock.read();
    this.wallMs = this.#last.wallMs;
  }

  /** At most 5 ms old, or of this turn of the event loop. */
  read(): Instant {
    if (!this.#isSameTurn) this.#look();
    return this.#last;
  }

  #look(): void {
    const wallMs = this.#clock.wallMs();
    const movedMs = wallMs - this.#last.wallMs;
    this.wallMs = wallMs;
    this.#reads += 1;
    if (movedMs < 0 || movedMs >= GRAIN_MS) {
      this.#last = this.#clock.read();
      this.#reads = 0;
    } else if (this.#reads >= CROWD) this.#keepForThisTurn();
  }

  #keepForThisTurn(): void {
    this.#reads = 0;
    const end = (): void => {
      this.#isSameTurn = false;
    };
    this.#isSameTurn = this.#clock.afterTurn?.(end) ?? false;
  }
}

/** Resolves after `delayMs`, or at once when `signal` is aborted (the caller then looks at the signal itself). */
export const sleep = (clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      resolve();
    };
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
