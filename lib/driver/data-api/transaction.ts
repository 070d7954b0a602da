import type { Clock, Instant } from '../../core/clock.ts';
import { LeaseholdError } from '../../core/errors.ts';
import type { Settings } from './settings.ts';

/** A transaction that the service has open for this process. */
export class OpenTransaction {
  readonly id: string;
  /** A statement of it went unanswered: it may still run, so nothing but its end can follow. */
  isDoubtful = false;
  readonly #clock: Clock;
  readonly #limits: Pick<Settings, 'transactionIdleMs' | 'transactionMaxMs'>;
  readonly #begunAt: Instant;
  #usedAt: Instant;

  constructor(
    id: string,
    clock: Clock,
    limits: Pick<Settings, 'transactionIdleMs' | 'transactionMaxMs'>,
    begunAt: Instant,
  ) {
    this.id = id;
    this.#clock = clock;
    this.#limits = limits;
    this.#begunAt = begunAt;
    this.#usedAt = begunAt;
  }

  /** The service counts from its last call. */
  used(): void {
    this.#usedAt = this.#clock.read();
  }

  /** Why the service has ended it by now, on its own; undefined: it has not. */
  get overBecause(): LeaseholdError | undefined {
    const now = this.#clock.read();
    const { transactionIdleMs, transactionMaxMs } = this.#limits;
    const idleMs = this.#clock.elapsedMs(this.#usedAt, now);
    if (idleMs >= transactionIdleMs)
      return over(`had no call for ${Math.round(idleMs)} ms`, transactionIdleMs);
    const ageMs = this.#clock.elapsedMs(this.#begunAt, now);
    return ageMs >= transactionMaxMs ? over(`is ${Math.round(ageMs)} ms old`, transactionMaxMs) : undefined;
  }
}

const over = (what: string, limitMs: number): LeaseholdError =>
  new LeaseholdError(
    'CONNECTION_LOST',
    `The transaction ${what}; the Data API rolls back after ${limitMs} ms. It is rolled back, and the statement was not sent.`,
    { details: { outcome: 'rolledBack', limitMs } },
  );
