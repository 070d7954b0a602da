import type { Dispatch } from './dispatch.ts';
import { currentDeadline, type InvocationDeadline, type OpenLoan } from './invocation.ts';
import type { Lent } from './lent.ts';
import type { LeasedConnection } from './roster.ts';

/** One borrower's time with a connection. It ends once: by the borrower, or by the invocation in which it began. */
export class Loan<Connection> implements Lent<Connection>, OpenLoan {
  readonly #dispatch: Dispatch<Connection>;
  readonly #leased: LeasedConnection<Connection>;
  readonly #invocation: InvocationDeadline | undefined;
  #ended: Promise<void> | undefined;

  constructor(dispatch: Dispatch<Connection>, leased: LeasedConnection<Connection>) {
    this.#dispatch = dispatch;
    this.#leased = leased;
    this.#invocation = currentDeadline();
    this.#invocation?.loans?.add(this);
  }

  get connection(): Connection {
    return this.#leased.driver.client;
  }

  /** A property, so that it can be taken apart from the rest. */
  readonly giveBack = (): Promise<void> => {
    if (this.#ended === undefined) {
      this.#invocation?.loans?.delete(this);
      this.#ended = this.#dispatch.giveBack(this.#leased);
    }
    return this.#ended;
  };

  takeBack(): void {
    if (this.#ended !== undefined) return;
    this.#ended = Promise.resolve();
    this.#invocation?.loans?.delete(this);
    this.#dispatch.takeBack(this.#leased);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.giveBack();
  }
}
