import type { Timer } from '../core/clock.ts';
import type { Dispatch } from './dispatch.ts';
import { currentDeadline, type InvocationDeadline, type OpenLoan } from './invocation.ts';
import type { LeasedConnection } from './leased-connection.ts';
import { type Lent, usedAfterReturn } from './lent.ts';

/** One borrower's time with a connection. It ends once: by the borrower, or by the invocation in which it began. */
export class Loan<Connection> implements Lent<Connection>, OpenLoan {
  readonly #dispatch: Dispatch<Connection>;
  readonly #leased: LeasedConnection<Connection>;
  readonly #invocation: InvocationDeadline | undefined;
  /** Where it was borrowed; only while leaks are looked for. */
  readonly #borrowedAt: string | undefined;
  readonly #leakTimer: Timer | undefined;
  #returnedAt: string | undefined;
  #end: 'returned' | 'taken back' | undefined;
  #settled: Promise<void> | undefined;

  constructor(dispatch: Dispatch<Connection>, leased: LeasedConnection<Connection>) {
    this.#dispatch = dispatch;
    this.#leased = leased;
    this.#invocation = currentDeadline();
    this.#invocation?.loans?.add(this);
    const { leakAfterMs } = dispatch.holder.config;
    if (leakAfterMs === 0) return;
    const stack = stackHere();
    const { clock, events } = dispatch.holder;
    this.#borrowedAt = stack;
    this.#leakTimer = clock.setBackgroundTimer(leakAfterMs, () =>
      events.emit('leakSuspected', { heldMs: clock.elapsedMs(leased.lentAt), stack }),
    );
  }

  get connection(): Connection {
    if (this.#end !== undefined) throw usedAfterReturn(this.#traces);
    return this.#leased.driver.client;
  }

  /** A property, so that it can be taken apart from the rest; so is `discard`. */
  readonly giveBack = (): Promise<void> => this.#return(() => this.#dispatch.returns.giveBack(this.#leased));

  readonly discard = (): Promise<void> =>
    this.#return(() => this.#dispatch.returns.end(this.#leased, 'discarded'));

  /** The same where there is nothing to wait for: undefined. For `use`, which nobody can end twice. */
  endUse(): Promise<void> | undefined {
    if (this.#end !== undefined) return undefined;
    this.#finish('returned');
    return this.#dispatch.returns.giveBack(this.#leased);
  }

  takeBack(): void {
    if (this.#end !== undefined) return;
    this.#finish('taken back');
    this.#dispatch.returns.end(this.#leased, 'left');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#end === undefined ? this.giveBack() : this.#settled);
  }

  #return(end: () => Promise<void> | undefined | void): Promise<void> {
    if (this.#end === 'returned') return Promise.reject(usedAfterReturn(this.#traces));
    // An invocation has ended before its borrower: that this is late is all that there is to it.
    if (this.#end === 'taken back') {
      this.#end = 'returned';
      return Promise.resolve();
    }
    this.#finish('returned');
    this.#settled = end() ?? DONE;
    return this.#settled;
  }

  #finish(end: 'returned' | 'taken back'): void {
    this.#end = end;
    this.#invocation?.loans?.delete(this);
    this.#leakTimer?.cancel();
    if (this.#borrowedAt !== undefined) this.#returnedAt = stackHere();
  }

  get #traces(): Readonly<Record<string, string>> | undefined {
    if (this.#borrowedAt === undefined || this.#returnedAt === undefined) return undefined;
    return { borrowedAt: this.#borrowedAt, returnedAt: this.#returnedAt };
  }
}

const DONE: Promise<void> = Promise.resolve();

/** The caller's own lines: what stands above them is the pool's. */
const stackHere = (): string => (new Error('here').stack ?? '').split('\n').slice(1).join('\n');
