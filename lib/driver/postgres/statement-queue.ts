import { LeaseholdError } from '../../core/errors.ts';
import type { StatementGate } from '../driver.ts';

/** `pg.Client.query` as it is: sends, or queues behind what is in flight. */
export type Send = (config: unknown, values?: unknown, callback?: unknown) => unknown;

/** A statement that waits here: for the gate, or for the one before it. */
interface Held {
  readonly config: unknown;
  readonly values: unknown;
  readonly callback: unknown;
  /** The driver's own: does not ask the gate. */
  readonly isOwn: boolean;
  /** Only where the caller got a promise. */
  readonly resolve?: (result: unknown) => void;
  readonly reject?: (error: unknown) => void;
}

/** Something with `submit`, such as a pg.Query, a pg-cursor or a pg-query-stream. */
interface Submittable {
  callback?: unknown;
  handleError(error: unknown, connection: unknown): void;
}

/**
 * The order of a connection's statements, and the gate before each of the borrower's.
 *
 * `pg` has a queue of its own, but what waits there is sent when its predecessor ends, perhaps after a freeze, and nobody
 * would ask the gate then. So at most one statement at a time is handed on; the rest waits here and the gate is asked in
 * the tick in which a statement is sent. (With pg's pipeline mode everything is sent in the tick of its `query` anyway.)
 */
export class StatementQueue {
  /** A statement of the borrower was sent since this was last set to false. */
  wasUsed = false;
  readonly #gate: StatementGate;
  readonly #isPipelined: boolean;
  /** What a Submittable wants to hear with its failure. */
  #connection: unknown;
  #send: Send = () => undefined;
  readonly #held: Held[] = [];
  readonly #whenIdle: (() => void)[] = [];
  #isBusy = false;
  #isAtGate = false;
  #isClosed = false;
  #cause: unknown;

  constructor(gate: StatementGate, isPipelined: boolean) {
    this.#gate = gate;
    this.#isPipelined = isPipelined;
  }

  attach(connection: unknown, send: Send): void {
    this.#connection = connection;
    this.#send = send;
  }

  /** A statement is in flight or waits. */
  get isIdle(): boolean {
    return !this.#isBusy && this.#held.length === 0;
  }

  /** The borrower's `client.query`, in any of its forms. */
  query(config: unknown, values: unknown, callback: unknown): unknown {
    if (this.#held.length === 0 && this.#maySend) {
      const opening = this.#gate();
      if (opening === undefined) {
        this.wasUsed = true;
        return this.#handOn(config, values, callback);
      }
      const result = this.#hold(config, values, callback, false);
      this.#awaitGate(opening);
      return result;
    }
    return this.#hold(config, values, callback, false);
  }

  /** A statement of the driver itself. */
  ask(config: unknown): Promise<unknown> {
    if (this.#held.length === 0 && this.#maySend) return Promise.resolve(this.#handOn(config));
    return Promise.resolve(this.#hold(config, undefined, undefined, true));
  }

  /** Resolves when nothing is in flight and nothing waits. */
  whenIdle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  /** What was in flight is done. True if another statement was sent. */
  onDrain(): boolean {
    this.#isBusy = false;
    this.#pump();
    return this.#isBusy;
  }

  /** Nothing is sent any more: what waits, and what comes, fails. */
  close(cause?: unknown): void {
    this.#isClosed = true;
    this.#cause ??= cause;
    this.#failHeld(0);
  }

  /** The same by our own wish: what stands at the gate hears the gate's own answer, which may be why we close. */
  retire(): void {
    this.#isClosed = true;
    this.#failHeld(this.#isAtGate ? 1 : 0);
  }

  #failHeld(from: number): void {
    for (const held of this.#held.splice(from)) this.#fail(held, this.#closedError());
  }

  get #maySend(): boolean {
    return !this.#isClosed && (!this.#isBusy || this.#isPipelined);
  }

  #handOn(config: unknown, values?: unknown, callback?: unknown): unknown {
    const wasBusy = this.#isBusy;
    this.#isBusy = true;
    try {
      return this.#send(config, values, callback);
    } catch (error) {
      this.#isBusy = wasBusy;
      throw error;
    }
  }

  /** Returns what `pg` would return for this form: the Submittable itself, nothing with a callback, or a promise. */
  #hold(config: unknown, values: unknown, callback: unknown, isOwn: boolean): unknown {
    if (isSubmittable(config)) {
      this.#enqueue({ config, values, callback, isOwn });
      return config;
    }
    if (callbackOf(config, values, callback)) {
      this.#enqueue({ config, values, callback, isOwn });
      return undefined;
    }
    return new Promise((resolve, reject) => {
      this.#enqueue({ config, values, callback, isOwn, resolve, reject });
    });
  }

  #enqueue(held: Held): void {
    if (this.#isClosed) this.#fail(held, this.#closedError());
    else this.#held.push(held);
  }

  /** Sends from the head what may be sent. */
  #pump(): void {
    while (this.#held.length > 0 && this.#maySend && !this.#isAtGate) {
      const opening = this.#held[0]?.isOwn ? undefined : this.#gate();
      if (opening === undefined) this.#sendHead();
      else this.#awaitGate(opening);
    }
    if (this.isIdle) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** The head waits; whoever comes meanwhile queues behind it. */
  #awaitGate(opening: Promise<void>): void {
    this.#isAtGate = true;
    const passOn = (act: () => void): void => {
      this.#isAtGate = false;
      act();
      this.#pump();
    };
    opening.then(
      () => passOn(() => (this.#isClosed ? this.#failHead(this.#closedError()) : this.#sendHead())),
      (error: unknown) => passOn(() => this.#failHead(error)),
    );
  }

  #sendHead(): void {
    const head = this.#held.shift();
    if (!head) return;
    this.wasUsed ||= !head.isOwn;
    try {
      const result = this.#handOn(head.config, head.values, head.callback);
      head.resolve?.(result);
    } catch (error) {
      this.#fail(head, error);
    }
  }

  #failHead(error: unknown): void {
    const head = this.#held.shift();
    if (head) this.#fail(head, error);
  }

  /** In the form that the caller chose, and in a tick of its own: an exception there is the caller's. */
  #fail({ config, values, callback, reject }: Held, error: unknown): void {
    if (reject) {
      reject(error);
      return;
    }
    const report = callbackOf(config, values, callback);
    if (isSubmittable(config)) {
      config.callback ??= report;
      process.nextTick(() => config.handleError(error, this.#connection));
      return;
    }
    if (report) process.nextTick(report, error);
  }

  #closedError(): LeaseholdError {
    return new LeaseholdError('CONNECTION_LOST', 'The connection to PostgreSQL is closed.', {
      ...(this.#cause === undefined ? {} : { cause: this.#cause }),
    });
  }
}

const isSubmittable = (config: unknown): config is Submittable =>
  typeof config === 'object' && config !== null && 'submit' in config && typeof config.submit === 'function';

type Callback = (error: unknown) => void;

/** Where `pg` looks for the callback: third argument, second argument, inside the config. */
const callbackOf = (config: unknown, values: unknown, callback: unknown): Callback | undefined => {
  const inside = typeof config === 'object' && config !== null && 'callback' in config && config.callback;
  return [callback, values, inside].find((value) => typeof value === 'function') as Callback | undefined;
};
