import type { Clock, Timer } from '../../lib/core/clock.ts';
import type { StatusView } from '../status-view.ts';
import type { Silence } from './verdict.ts';

/** What one question brought. */
export type Reply =
  | { readonly kind: 'view'; readonly view: StatusView }
  | { readonly kind: 'silence'; readonly who: Silence['who']; readonly retryAfterMs?: number };

export interface PollerParts {
  readonly clock: Clock;
  readonly ask: (signal: AbortSignal) => Promise<Reply>;
  readonly hear: (reply: Reply) => void;
}

export const POLL_MS = 2_000;
/** Nobody looks: often enough for a history without holes. */
export const HIDDEN_POLL_MS = 30_000;
const FAILING_MAX_MS = 30_000;
/** The platform gives up after 30 s; a reader long before. */
const PATIENCE_MS = 10_000;

/** Asks again and again: at once when somebody looks, seldom when nobody does, ever less often while there is no answer. */
export class Poller {
  readonly #parts: PollerParts;
  #isPaused = false;
  #isHidden = false;
  #failures = 0;
  #retryAfterMs = 0;
  #next: Timer | undefined;
  #asking: AbortController | undefined;

  constructor(parts: PollerParts) {
    this.#parts = parts;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** The pause until the next question, in ms. */
  get delayMs(): number {
    const failingMs = Math.min(FAILING_MAX_MS, POLL_MS * 2 ** Math.max(0, this.#failures - 1));
    const usualMs = this.#isHidden ? HIDDEN_POLL_MS : POLL_MS;
    return Math.max(usualMs, failingMs, this.#retryAfterMs);
  }

  start(): void {
    void this.#ask();
  }

  /** What is being asked may still be answered; it is not heard. */
  pause(): void {
    this.#isPaused = true;
    this.#stop();
  }

  resume(): void {
    this.#isPaused = false;
    this.start();
  }

  setHidden(isHidden: boolean): void {
    if (this.#isHidden === isHidden) return;
    this.#isHidden = isHidden;
    if (this.#isPaused || this.#asking !== undefined) return;
    this.#stop();
    if (isHidden) this.#wait();
    else this.start();
  }

  #stop(): void {
    this.#next?.cancel();
    this.#asking?.abort();
    this.#asking = undefined;
  }

  #wait(): void {
    this.#next = this.#parts.clock.setTimer(this.delayMs, () => void this.#ask());
  }

  async #ask(): Promise<void> {
    const { clock, ask, hear } = this.#parts;
    this.#stop();
    const asking = new AbortController();
    this.#asking = asking;
    const patience = clock.setTimer(PATIENCE_MS, () => asking.abort());
    const reply = await ask(asking.signal).catch((): Reply => ({ kind: 'silence', who: 'function' }));
    patience.cancel();
    // Paused, or asked anew, in the meantime.
    if (this.#asking !== asking) return;
    this.#asking = undefined;
    this.#failures = reply.kind === 'view' ? 0 : this.#failures + 1;
    this.#retryAfterMs = reply.kind === 'view' ? 0 : (reply.retryAfterMs ?? 0);
    this.#wait();
    hear(reply);
  }
}
