import type { Clock, Timer } from '../core/clock.ts';
import type { DataApiClient } from '../driver/data-api/client.ts';
import type { Lent } from '../pool/lent.ts';

/** A transaction that somebody has open, the connection that is lent for it, and how long it may stay silent. */
export class RdsDataLoan {
  readonly #lent: Lent<DataApiClient>;
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #onIdle: () => void;
  #timer: Timer | undefined;

  constructor(lent: Lent<DataApiClient>, clock: Clock, idleMs: number, onIdle: () => void) {
    this.#lent = lent;
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#onIdle = onIdle;
    this.#watch();
  }

  /** @throws LeaseholdError USED_AFTER_RETURN when the invocation in which it was begun has ended. */
  get client(): DataApiClient {
    return this.#lent.connection;
  }

  /** The transaction has ended, whoever did it. */
  get isOver(): boolean {
    try {
      return !this.client.isInTransaction;
    } catch {
      return true;
    }
  }

  async use<Result>(work: (client: DataApiClient) => Promise<Result>): Promise<Result> {
    this.#timer?.cancel();
    try {
      return await work(this.client);
    } finally {
      this.#watch();
    }
  }

  /** Rolls back what is still open; the pool tells of it. */
  async end(): Promise<void> {
    this.#timer?.cancel();
    // It may have been taken back already.
    await this.#lent.giveBack().catch(() => undefined);
  }

  #watch(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setBackgroundTimer(this.#idleMs, this.#onIdle);
  }
}
