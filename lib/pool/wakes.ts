import { sleep, type Timer } from '../core/clock.ts';
import type { Listener } from '../registry/registry.ts';
import type { Holder } from './holder.ts';

/** After the last wait the listener stays for the next one this long, in ms: most waits come in bursts. */
const LINGER_MS = 5_000;

/**
 * The registry's wake-ups for the tickets of one holder. They may be lost, come twice, or overtake the answer that says
 * "queued": a wake-up makes its ticket be polled at once, and nothing else. Whoever hears none polls on.
 */
export class Wakes {
  readonly #holder: Holder;
  readonly #places = new Map<string, WaitingPlace>();
  /** Places that are queued, or may be. */
  #listening = 0;
  #listener: Listener | undefined;
  #linger: Timer | undefined;

  constructor(holder: Holder) {
    this.#holder = holder;
  }

  /** A ticket that is asked for now would hear its wake-up. */
  get isReady(): boolean {
    return this.#listener?.isReady ?? false;
  }

  /** Wake-ups could be heard, now or soon. */
  get isPossible(): boolean {
    return this.#listener !== undefined;
  }

  /** The place of one caller, who asks under one id at a time. */
  place(): WaitingPlace {
    const { clock } = this.#holder;
    return new WaitingPlace({
      sleep: (delayMs, signal) => sleep(clock, delayMs, signal),
      enter: (id, place) => void this.#places.set(id, place),
      leave: (id) => void this.#places.delete(id),
      listen: () => this.#listen(),
      stopListening: () => this.#stopListening(),
    });
  }

  stop(): void {
    this.#linger?.cancel();
    this.#listener?.[Symbol.dispose]();
    this.#listener = undefined;
  }

  #listen(): void {
    const { registry, config, id, events } = this.#holder;
    this.#listening += 1;
    this.#linger?.cancel();
    try {
      this.#listener ??= registry.listen?.(config.resource, id, (leaseId) =>
        this.#places.get(leaseId)?.wake(),
      );
    } catch (error) {
      events.emit('registryFailed', { operation: 'listen', error });
    }
  }

  #stopListening(): void {
    this.#listening -= 1;
    if (this.#listening > 0 || this.#listener === undefined) return;
    this.#linger?.cancel();
    this.#linger = this.#holder.clock.setBackgroundTimer(LINGER_MS, () => this.stop());
  }
}

/** What a place uses of the whole. */
interface PlaceParts {
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
  enter(id: string, place: WaitingPlace): void;
  leave(id: string): void;
  listen(): void;
  stopListening(): void;
}

/** One ticket's end of the wake-ups: what is heard between an ask and the sleep after it is not forgotten. */
class WaitingPlace implements Disposable {
  readonly #parts: PlaceParts;
  #id: string | undefined;
  #isListening = false;
  #woken = new AbortController();

  constructor(parts: PlaceParts) {
    this.#parts = parts;
  }

  /** Before each ask: from here on a wake-up for `id` counts. */
  expect(id: string): void {
    if (this.#id !== undefined) this.#parts.leave(this.#id);
    this.#id = id;
    this.#woken = new AbortController();
    this.#parts.enter(id, this);
  }

  /** The ticket is queued: the listener is opened, if it is not yet. */
  listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    this.#parts.listen();
  }

  wake(): void {
    this.#woken.abort();
  }

  /** Until `delayMs` have passed, the ticket is woken, or `signal` fires; not at all if it was woken since the ask. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return this.#parts.sleep(delayMs, AbortSignal.any([signal, this.#woken.signal]));
  }

  [Symbol.dispose](): void {
    if (this.#id !== undefined) this.#parts.leave(this.#id);
    this.#id = undefined;
    if (this.#isListening) this.#parts.stopListening();
    this.#isListening = false;
  }
}
