/** What a process of the fleet tells about the last moment; all counts since the tick before. */
export interface Tick {
  readonly completed: number;
  /** Connections that the database refused, as the clients saw it; also those that a retry made good. */
  readonly refused: number;
  readonly registryCalls: number;
  /** Of completed invocations, start to end. */
  readonly latenciesMs: readonly number[];
  /** Invocations that brought no result, by cause. */
  readonly failures: Readonly<Record<string, number>>;
}

/** Counts in a process of the fleet, until the next tick takes the counts away. */
export class TickCounter {
  #completed = 0;
  #refused = 0;
  #registryCalls = 0;
  #latenciesMs: number[] = [];
  #failures: Record<string, number> = {};

  readonly complete = (latencyMs: number): void => {
    this.#completed += 1;
    this.#latenciesMs.push(latencyMs);
  };

  readonly fail = (cause: string): void => {
    this.#failures[cause] = (this.#failures[cause] ?? 0) + 1;
  };

  readonly refuse = (): void => {
    this.#refused += 1;
  };

  readonly callRegistry = (): void => {
    this.#registryCalls += 1;
  };

  take(): Tick {
    const tick = {
      completed: this.#completed,
      refused: this.#refused,
      registryCalls: this.#registryCalls,
      latenciesMs: this.#latenciesMs,
      failures: this.#failures,
    };
    this.#completed = 0;
    this.#refused = 0;
    this.#registryCalls = 0;
    this.#latenciesMs = [];
    this.#failures = {};
    return tick;
  }
}
