import { type Clock, systemClock } from '../core/clock.ts';
import { atMost } from '../pool/background.ts';
import type { Lent } from '../pool/lent.ts';
import type { Pool } from '../pool/pool.ts';
import type { ParsedPool } from './leased-config.ts';

/** Who asks a pool that stands in the place of another library's, from the question to the hand-out. */
export class Callers<Connection> {
  readonly #leases: Pool<Connection>;
  readonly #timeoutMs: number | undefined;
  readonly #clock: Clock;
  readonly #pending = new Set<Promise<unknown>>();

  constructor(leases: Pool<Connection>, { options, timeoutMs }: ParsedPool<Connection>) {
    this.#leases = leases;
    this.#timeoutMs = timeoutMs;
    this.#clock = options.clock ?? systemClock;
  }

  /** Rejects with the pool's errors, or with what `handOut` has thrown. */
  async serve<Client>(handOut: (lent: Lent<Connection>) => Client | Promise<Client>): Promise<Client> {
    const limits = this.#timeoutMs === undefined ? {} : { timeoutMs: this.#timeoutMs };
    const serving = this.#leases.acquire(limits).then(handOut);
    this.#pending.add(serving);
    try {
      return await serving;
    } finally {
      this.#pending.delete(serving);
    }
  }

  /**
   * Those who wait already are served, for as long as a connect may take; then waits for what is lent, however long, and
   * closes everything.
   */
  async end(): Promise<void> {
    const pending = Promise.allSettled(this.#pending).then(() => undefined);
    if (this.#pending.size > 0) await atMost(this.#clock, this.#leases.config.connectTimeoutMs, pending);
    await this.#leases.close({ timeoutMs: Number.POSITIVE_INFINITY });
  }
}
