/** A listener that is no longer wanted is disposed of: `using off = events.on(…)` or `off[Symbol.dispose]()`. */
export type Unsubscribe = Disposable;

/** Typed events. A listener's exception never reaches the code that emits: it is dropped. */
export class Events<Map extends object> {
  readonly #listeners = new globalThis.Map<keyof Map, Set<(event: never) => void>>();
  readonly #all = new Set<(name: keyof Map, event: Map[keyof Map]) => void>();
  /** Listeners of each name: asked at every use. */
  readonly #heard: { [Name in keyof Map]?: number } = {};

  on<Name extends keyof Map>(name: Name, listener: (event: Map[Name]) => void): Unsubscribe {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    const note = (): void => {
      this.#heard[name] = listeners.size;
    };
    note();
    return {
      [Symbol.dispose]: () => {
        listeners.delete(listener);
        note();
      },
    };
  }

  /** Every event, with its name: for logs and metrics. */
  onAny(listener: (name: keyof Map, event: Map[keyof Map]) => void): Unsubscribe {
    this.#all.add(listener);
    return { [Symbol.dispose]: () => void this.#all.delete(listener) };
  }

  /** Somebody listens: asked where an event happens so often that making it costs. */
  hears(name: keyof Map): boolean {
    return this.#all.size > 0 || (this.#heard[name] ?? 0) > 0;
  }

  emit<Name extends keyof Map>(name: Name, event: Map[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) quietly(() => listener(event as never));
    for (const listener of this.#all) quietly(() => listener(name, event));
  }
}

/** An observer must not be able to hurt what it observes. */
const quietly = (call: () => void): void => {
  try {
    call();
  } catch {
    // The listener's own fault; the protocol goes on.
  }
};
