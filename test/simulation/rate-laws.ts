import { LIMITS } from '../../lib/core/limits.ts';
import type { GrantRequest } from '../../lib/registry/registry.ts';
import type { Court } from './court.ts';
import type { Ledger, PromisedLease } from './ledger.ts';

const ROUNDING_MS = 2;
const FAILURES: ReadonlySet<unknown> = new Set(['refused', 'auth', 'unanswered']);

/** What the database can take: connects spaced by its rate, and none for a while when several holders' have failed. */
export class RateLaws {
  readonly #ledger: Ledger;
  readonly #court: Court;
  /** When the connects of the last grants may start. */
  #moments: number[] = [];
  #failures: { readonly holder: string; readonly atMs: number }[] = [];
  #openUntilMs = 0;
  /** The breaker may be open already: nothing can be told before the next success. */
  #isUnsure = false;
  #steps = 0;

  constructor(ledger: Ledger, court: Court) {
    this.#ledger = ledger;
    this.#court = court;
  }

  /** The registry's memory or its time is another one. */
  reset(): void {
    this.#moments = [];
    this.#succeeded();
  }

  granted(id: string, connectFromMs: number): void {
    this.#watchSteps();
    const { nowMs, settings, pace } = this.#ledger;
    this.#court.judge(
      'breaker',
      nowMs >= this.#openUntilMs,
      () => `${id} was granted, and the breaker is open`,
    );
    const { connectsPerSecond, connectBurst } = settings;
    if (connectsPerSecond === 0) return;
    const intervalMs = (1_000 / connectsPerSecond) * pace;
    this.#moments.push(connectFromMs);
    const before = this.#moments.at(-1 - connectBurst);
    const apartMs = before === undefined ? intervalMs : connectFromMs - before;
    this.#court.judge(
      'rate',
      apartMs + ROUNDING_MS >= intervalMs,
      () => `${id} may connect ${apartMs} ms after the ${connectBurst}. before it, not ${intervalMs}`,
    );
    if (this.#moments.length > 2 * connectBurst) this.#moments.shift();
  }

  /** Who will have given up before its connect was made would only use the rate up. A census is never put off. */
  inTime({ leaseId, waitMs }: GrantRequest, { connectAfterMs }: { readonly connectAfterMs: number }): void {
    const mostMs = waitMs === undefined ? Number.POSITIVE_INFINITY : waitMs - LIMITS.connectMs;
    this.#court.judge(
      'rate',
      connectAfterMs === 0 || connectAfterMs <= mostMs,
      () => `${leaseId} may connect in ${connectAfterMs} ms, and waits for ${waitMs}`,
    );
  }

  /** `isOver`: the registry may have revoked the lease before, and then does not listen. */
  ended({ holder }: PromisedLease, outcome: unknown, isOver: boolean): void {
    this.#watchSteps();
    if (!FAILURES.has(outcome) || this.#isUnsure) return;
    if (isOver) {
      this.#isUnsure = true;
      return;
    }
    const { nowMs: atMs, pace } = this.#ledger;
    const sinceMs = atMs - (LIMITS.breakerWindowMs - ROUNDING_MS) * pace;
    this.#failures = [...this.#failures.filter((each) => each.atMs > sinceMs), { holder, atMs }];
    if (this.#failures.length < LIMITS.breakerFailures) return;
    const holders = new Set(this.#failures.map((each) => each.holder)).size;
    if (holders >= LIMITS.breakerFailures)
      this.#openUntilMs = atMs + (LIMITS.breakerOpenMs - ROUNDING_MS) * pace;
    this.#isUnsure = true;
  }

  connected(): void {
    this.#succeeded();
  }

  /** What runs by a clock that steps is not compared. */
  #watchSteps(): void {
    const { stepsMs, backMs } = this.#ledger;
    if (this.#steps === stepsMs + backMs) return;
    this.#steps = stepsMs + backMs;
    this.reset();
  }

  #succeeded(): void {
    this.#failures = [];
    this.#openUntilMs = 0;
    this.#isUnsure = false;
  }
}
