import type { Election } from '../core/operation.ts';
import type { SweepSeen } from '../core/report.ts';

/** Who sweeps: one at a time, and each for its time at most. */
export class SweepTerm {
  #sweeper = '';
  #since = 0;
  #until = 0;
  #lookedAt = 0;

  elect({ sweeper, forMs }: Election, now: number): boolean {
    const isRunning = now < this.#until;
    if (isRunning && sweeper !== this.#sweeper) return false;
    if (!isRunning) this.#since = now;
    this.#sweeper = sweeper;
    this.#until = now + forMs;
    return true;
  }

  /** Too late a word changes nothing: another one may be at it. */
  retire(sweeper: string, looked: boolean, now: number): void {
    if (sweeper !== this.#sweeper || now >= this.#until) return;
    this.#until = now;
    if (looked) this.#lookedAt = now;
  }

  seen(now: number): SweepSeen | undefined {
    if (this.#since === 0) return undefined;
    const seen = { agoMs: now - this.#since, isRunning: now < this.#until };
    return this.#lookedAt === 0 ? seen : { ...seen, lookedAgoMs: now - this.#lookedAt };
  }
}
