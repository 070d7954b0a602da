import type { Timer } from '../core/clock.ts';
import type { Dispatch } from './dispatch.ts';
import { currentDeadline, type InvocationDeadline, type OpenLoan } from './invocation.ts';
import type { LeasedConnection } from './leased-connection.ts';
import { type Lent, usedAfterReturn } from './lent.ts';

/** Where a loan began and ended; kept only while leaks are looked for, because that costs more than the loan. */
interface Trace {
  readonly borrowedAt: string;
  returnedAt: string;
  readonly leakTimer: Timer;
}

const DONE: Promise<void> = Promise.resolve();

/** One borrower's time with a connection. It ends once: by the borrower, or by the invocation in which it began. */
export class Loan<Connection> implements Lent<Connection>, OpenLoan {
  readonly #dispatch: Dispatch<Connection>;
  readonly #leased: LeasedConnection<Connection>;
  readonly #invocation: InvocationDeadline | undefined;
  readonly #trace: Trace | undefined;
  #end: 'returned' | 'taken back' | undefined;
  #settled = DONE;

  /** `askedAt`: where the connection was asked for, if leaks are looked for. */
  constructor(dispatch: Dispatch<Connection>, leased: LeasedConnection<Connection>, askedAt?: string) {
    this.#dispatch = dispatch;
    this.#leased = leased;
    this.#invocation = currentDeadline();
    this.#invocation?.loans?.add(this);
    this.#trace = askedAt === undefined ? undefined : traced(dispatch, leased, askedAt);
  }

  get connection(): Connection {
    if (this.#end !== undefined) throw usedAfterReturn(this.#trace);
    return this.#leased.driver.client;
  }

  giveBack(): Promise<void> {
    if (this.#end !== undefined) return this.#again();
    this.#settled = this.endUse() ?? DONE;
    return this.#settled;
  }

  discard(): Promise<void> {
    if (this.#end !== undefined) return this.#again();
    this.#finish('returned');
    this.#dispatch.returns.end(this.#leased, 'discarded');
    return DONE;
  }

  /** As `giveBack`, but undefined where there is nothing to wait for. For `use`, which nobody ends twice. */
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

  /** As `takeBack`, for one of which its borrower has had nothing yet: it is kept. */
  lapse(): void {
    this.#finish('taken back');
    this.#settled = this.#dispatch.returns.giveBack(this.#leased) ?? DONE;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end === undefined ? this.giveBack() : this.#settled;
  }

  #again(): Promise<void> {
    // An invocation has ended before its borrower: that this is late is all that there is to it.
    if (this.#end === 'returned') return Promise.reject(usedAfterReturn(this.#trace));
    this.#end = 'returned';
    return DONE;
  }

  #finish(end: 'returned' | 'taken back'): void {
    this.#end = end;
    this.#invocation?.loans?.delete(this);
    if (this.#trace === undefined) return;
    this.#trace.leakTimer.cancel();
    this.#trace.returnedAt = stackHere();
    this.#leased.lastTrace = this.#trace;
  }
}

const traced = <Connection>(
  { holder: { clock, config, events } }: Dispatch<Connection>,
  { lentAt }: LeasedConnection<Connection>,
  stack: string,
): Trace => {
  const leakTimer = clock.setBackgroundTimer(config.leakAfterMs, () =>
    events.emit('leakSuspected', { heldMs: clock.elapsedMs(lentAt), stack }),
  );
  return { borrowedAt: stack, returnedAt: '', leakTimer };
};

/** The caller's lines, below those of the pool. */
export const stackHere = (): string => (new Error('here').stack ?? '').split('\n').slice(1).join('\n');
