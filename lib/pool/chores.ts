import type { Instant } from '../core/clock.ts';
import type { CensusDuty, Duty } from '../core/duty.ts';
import type { DriverConnection } from '../driver/driver.ts';
import { Census } from './census.ts';
import { Duties, type Looker } from './duties.ts';
import type { Holder } from './holder.ts';

/** What a reply brings along for the fleet's sake. */
interface Errands {
  readonly duties: readonly Duty[];
  readonly dutyMs: number;
  readonly census?: CensusDuty;
}

/** Everything that the registry asks a holder to do on a connection that nobody has borrowed. */
export class Chores {
  readonly #duties: Duties;
  readonly #census: Census;
  readonly #onDue: () => void;

  /** `onDue`: something could be done now, if a connection is free for it. */
  constructor(holder: Holder, onDue: () => void) {
    this.#duties = new Duties(holder, onDue);
    this.#census = new Census(holder);
    this.#onDue = onDue;
  }

  get isEmpty(): boolean {
    return this.#duties.isEmpty && !this.#census.isDue;
  }

  /** Everybody waits for it. */
  get isUrgent(): boolean {
    return this.#census.isDue;
  }

  /** `sentAt`: when the request was sent. */
  take({ duties, dutyMs, census }: Errands, sentAt: Instant): void {
    this.#duties.take(duties, dutyMs, sentAt);
    this.#census.take(census, sentAt);
    if (census !== undefined) this.#onDue();
  }

  async work(connection: DriverConnection<unknown>, by: Looker | undefined): Promise<void> {
    if (this.#census.isDue) await this.#census.work(connection);
    if (!this.#duties.isEmpty) await this.#duties.work(connection, by);
  }

  stop(): void {
    this.#duties.stop();
  }
}
