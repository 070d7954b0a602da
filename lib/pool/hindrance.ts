import type { Clock, Instant } from '../core/clock.ts';
import type { LeaseholdError } from '../core/errors.ts';
import type { Fullness } from '../core/lease.ts';

/** What a time-out should tell: which step was slow, what last went wrong, and how full the fleet was when the registry last said so. */
export class Hindrance {
  step = 'a connection of this process';
  trouble: LeaseholdError | undefined;
  fleet: (Fullness & { readonly heardAt: Instant }) | undefined;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How full the fleet is comes with few replies: the last word of it stays. */
  note(step: string, trouble?: LeaseholdError, fleet?: Fullness): void {
    this.step = step;
    this.trouble = trouble;
    if (fleet !== undefined) this.fleet = { ...fleet, heardAt: this.#clock.read() };
  }
}
