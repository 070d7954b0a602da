import type { Tick } from './tick.ts';

/** What one phase came to. */
export interface PhaseResult {
  readonly completed: number;
  /** By the server's own log, or by what the clients saw, whichever is more. */
  readonly refusedByDatabase: number;
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly peakBackends: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly registryCallsPerInvocation: number;
}

/** Adds up what the members of the fleet tell during a phase. */
export class Tally {
  completed = 0;
  refused = 0;
  peakBackends = 0;
  #failed = 0;
  #registryCalls = 0;
  readonly #failures: Record<string, number> = {};
  readonly #latenciesMs: number[] = [];

  add(tick: Tick): void {
    this.completed += tick.completed;
    this.refused += tick.refused;
    this.#registryCalls += tick.registryCalls;
    this.#latenciesMs.push(...tick.latenciesMs);
    for (const [cause, count] of Object.entries(tick.failures)) {
      this.#failed += count;
      this.#failures[cause] = (this.#failures[cause] ?? 0) + count;
    }
  }

  sum(refusalsLogged: number): PhaseResult {
    const sorted = this.#latenciesMs.sort((a, b) => a - b);
    const invocations = this.completed + this.#failed;
    return {
      completed: this.completed,
      refusedByDatabase: Math.max(this.refused, refusalsLogged),
      failed: this.#failed,
      failures: this.#failures,
      peakBackends: this.peakBackends,
      p50Ms: rounded(percentile(sorted, 0.5)),
      p99Ms: rounded(percentile(sorted, 0.99)),
      registryCallsPerInvocation: invocations === 0 ? 0 : rounded(this.#registryCalls / invocations),
    };
  }
}

const percentile = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;

const rounded = (value: number): number => Math.round(value * 10) / 10;
