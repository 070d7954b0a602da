import type { Clock, Instant } from '../core/clock.ts';
import type { Dispatch } from './dispatch.ts';
import { currentDeadline, type InvocationDeadline, type OpenLoan } from './invocation.ts';
import type { Lent } from './lent.ts';
import type { LeasedConnection } from './roster.ts';

/** One borrower's time with a connection. It ends once: by the borrower, or by the invocation in which it began. */
export class Loan<Connection> implements Lent<Connection>, OpenLoan {
  readonly #dispatch: Dispatch<Connection>;
  readonly #clock: Clock;
  readonly #leased: LeasedConnection<Connection>;
  readonly #invocation: InvocationDeadline | undefined;
  readonly #since: Instant;
  #ended: Promise<void> | undefined;

  constructor(dispatch: Dispatch<Connection>, clock: Clock, leased: LeasedConnection<Connection>) {
    this.#dispatch = dispatch;
    this.#clock = clock;
    this.#leased = leased;
    this.#since = clock.read();
    this.#invocation = currentDeadline();
    this.#invocation?.loans?.add(this);
  }

  get connection(): Connection {
    return this.#leased.driver.client;
  }

  /** A property, so that it can be taken apart from the rest. */
  readonly giveBack = (): Promise<void> => {
    this.#ended ??= this.#dispatch.giveBack(this.#leased, this.#over());
    return this.#ended;
  };

  takeBack(): void {
    if (this.#ended !== undefined) return;
    this.#ended = Promise.resolve();
    this.#dispatch.takeBack(this.#leased, this.#over());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.giveBack();
  }

  /** How long it lasted, in ms. */
  #over(): number {
    this.#invocation?.loans?.delete(this);
    return this.#clock.elapsedMs(this.#since);
  }
}
