import type { Clock } from '../../core/clock.ts';
import { LeaseholdError } from '../../core/errors.ts';
import type { OpenRequest } from '../driver.ts';
import type { Caller, CallTerms, Outcome } from './caller.ts';
import { isTransactionGone } from './fate.ts';
import type { Input, Operation, Output } from './module.ts';
import { Requests } from './requests.ts';
import { textRows } from './result.ts';
import { labelStatement, type OwnStatement, type TextRow } from './sessions.ts';
import type { Settings } from './settings.ts';
import { SlotEnd } from './slot-end.ts';
import { OpenTransaction } from './transaction.ts';

export interface SlotParts {
  readonly caller: Caller;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly request: Pick<OpenRequest, 'label' | 'idleMs' | 'gate' | 'statementTimeoutMs'>;
}

export interface RunOptions {
  /** How long what was turned away is repeated, in ms. Default: the driver's own. */
  readonly retryForMs?: number;
}

/** What has become of a transaction that was told to end. `gone`: it had ended before, by whatever. */
type Finish = 'rolledBack' | 'gone' | 'unproven';

/**
 * The right to ONE unit of work at the service: a statement in flight, or an open transaction. Everything goes through it one
 * after the other. When something went unanswered and nothing proves that it has ended, the slot is over: its place may still
 * be taken.
 */
export class Slot {
  readonly end = new SlotEnd();
  readonly #parts: SlotParts;
  readonly #requests: Requests;
  #tail: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #transaction: OpenTransaction | undefined;

  constructor(parts: SlotParts) {
    this.#parts = parts;
    this.#requests = new Requests(parts.settings, parts.request.label);
  }

  /** Nothing is open, in flight or waiting. */
  get isClean(): boolean {
    return this.#pending === 0 && this.#transaction === undefined;
  }

  get isInTransaction(): boolean {
    return this.#transaction !== undefined;
  }

  /** One call of the borrower, when those before it have settled. */
  run<Name extends Operation>(
    operation: Name,
    input: Partial<Input<Name>>,
    options: RunOptions = {},
  ): Promise<Output<Name>> {
    return this.#inTurn(() => {
      this.end.checkUsable();
      return this.#perform(operation, input, options) as Promise<Output<Name>>;
    });
  }

  /** A statement of the driver's own, outside any transaction; the gate is not asked. */
  own(statement: OwnStatement, timeoutMs: number): Promise<readonly TextRow[]> {
    return this.#inTurn(async () => {
      this.end.checkUsable();
      if (this.#transaction)
        throw new Error('A session list that is read inside a transaction proves nothing.');
      const outcome = await this.#call(
        'ExecuteStatement',
        this.#requests.own(statement),
        this.#ownTerms(timeoutMs),
      );
      return textRows(this.#judged(outcome));
    });
  }

  whenIdle(): Promise<unknown> {
    return this.#tail;
  }

  /** Ends the transaction that is open, if one is, also after what ran in it was given up; true: nothing of this slot is left at the service. */
  async finish(timeoutMs: number): Promise<boolean> {
    if (this.#transaction === undefined) return !this.end.isOver;
    return (await this.#inTurn(() => this.#finish({ timeoutMs, retryForMs: timeoutMs }))) !== 'unproven';
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#pending += 1;
    const turn = this.#tail.then(work).finally(() => {
      this.#pending -= 1;
    });
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  #perform(operation: Operation, input: object, options: RunOptions): Promise<unknown> {
    if (operation === 'BeginTransaction') return this.#begin(input, options);
    if (operation === 'CommitTransaction') return this.#commit(options);
    if (operation === 'RollbackTransaction') return this.#rollback();
    return this.#execute(operation, input as Partial<Input<'ExecuteStatement'>>, options);
  }

  async #execute(
    operation: 'ExecuteStatement' | 'BatchExecuteStatement',
    input: Partial<Input<'ExecuteStatement'>>,
    options: RunOptions,
  ): Promise<unknown> {
    await this.#mustBeUsable();
    const request = this.#requests.statement(input, this.#transaction?.id);
    const outcome = await this.#call(operation, request, this.#terms(options));
    this.#transaction?.used();
    // It goes on at the service although it has been answered.
    const runsOn = input.continueAfterTimeout === true && failedBy(outcome, 'StatementTimeoutException');
    return this.#judged(outcome, runsOn);
  }

  async #begin(input: object, options: RunOptions): Promise<Output<'BeginTransaction'>> {
    const { clock, settings, request } = this.#parts;
    if (this.#transaction) throw new Error('A transaction is open already: commit it, or roll it back.');
    const begunAt = clock.read();
    const outcome = await this.#call('BeginTransaction', this.#requests.begin(input), this.#terms(options));
    const output = this.#judged(outcome);
    const id = output.transactionId ?? '';
    this.#transaction = new OpenTransaction(id, clock, settings, begunAt);
    const { label, idleMs, statementTimeoutMs } = request;
    const named = this.#requests.own(labelStatement({ label, idleMs, statementTimeoutMs }), id);
    const labelled = await this.#call('ExecuteStatement', named, this.#terms(options));
    if (labelled.kind === 'answer') return output;
    await this.#finish();
    throw labelled.error;
  }

  async #commit(options: RunOptions): Promise<Output<'CommitTransaction'>> {
    await this.#mustBeUsable();
    const transaction = this.#transaction;
    if (!transaction) throw noTransaction();
    const outcome = await this.#call(
      'CommitTransaction',
      this.#requests.end(transaction.id),
      this.#terms(options),
    );
    if (outcome.kind === 'answer') {
      this.#transaction = undefined;
      return outcome.output;
    }
    // Not executed: the borrower decides whether to try again.
    if (outcome.fate === 'unsent' || outcome.fate === 'refused') throw outcome.error;
    const finish = await this.#finish();
    if (outcome.fate === 'unknown' && finish === 'rolledBack') throw notCommitted(outcome.error);
    throw outcome.error;
  }

  async #rollback(): Promise<Output<'RollbackTransaction'>> {
    if (!this.#transaction) throw noTransaction();
    if ((await this.#finish()) === 'unproven')
      throw new LeaseholdError(
        'CONNECTION_LOST',
        'The Data API did not answer the rollback; it rolls back by itself.',
      );
    return { transactionStatus: 'Rollback Complete', $metadata: {} };
  }

  /** Rolls back until the service says that nothing is left. If it does not, the place may be taken for as long as its limits say. */
  async #finish(terms: CallTerms = this.#ownTerms(this.#parts.settings.callTimeoutMs)): Promise<Finish> {
    const transaction = this.#transaction;
    if (!transaction) return 'gone';
    const request = this.#requests.end(transaction.id);
    const outcome = await this.#call('RollbackTransaction', request, {
      ...terms,
      retryForMs: terms.timeoutMs,
    });
    this.#transaction = undefined;
    if (outcome.kind === 'answer') return 'rolledBack';
    if (isTransactionGone(outcome.cause)) return 'gone';
    this.end.unproven(outcome.error);
    return 'unproven';
  }

  /** Before anything else is sent in a transaction. */
  async #mustBeUsable(): Promise<void> {
    const transaction = this.#transaction;
    const because = transaction?.overBecause ?? (transaction?.isDoubtful ? doubtful() : undefined);
    if (because === undefined) return;
    await this.#finish();
    throw because;
  }

  /** The answer, or its error; and what the failure means for this slot. */
  #judged<Result>(outcome: Outcome<Result>, runsOn = false): Result {
    if (outcome.kind === 'answer') return outcome.output;
    if (isTransactionGone(outcome.cause)) this.#transaction = undefined;
    else if (outcome.fate === 'unknown' || runsOn) {
      if (this.#transaction) this.#transaction.isDoubtful = true;
      else this.end.unproven(outcome.error);
    }
    throw outcome.error;
  }

  #call<Name extends Operation>(
    operation: Name,
    input: object,
    terms: CallTerms,
  ): Promise<Outcome<Output<Name>>> {
    return this.#parts.caller.call(operation, input as Input<Name>, terms);
  }

  #terms({ retryForMs }: RunOptions): CallTerms {
    const { settings, request } = this.#parts;
    const { stop, abort } = this.end;
    const patience = retryForMs ?? settings.retryForMs;
    return { timeoutMs: settings.callTimeoutMs, retryForMs: patience, gate: request.gate, stop, abort };
  }

  #ownTerms(timeoutMs: number): CallTerms {
    return { timeoutMs, retryForMs: 0, abort: this.end.abort };
  }
}

const failedBy = (outcome: Outcome<unknown>, name: string): boolean =>
  outcome.kind === 'failure' && Reflect.get(Object(outcome.cause), 'name') === name;

const noTransaction = (): Error => new Error('No transaction is open.');

const doubtful = (): LeaseholdError =>
  new LeaseholdError(
    'CONNECTION_LOST',
    'A statement of this transaction went unanswered, so it was rolled back; nothing more of it was sent.',
    { details: { outcome: 'rolledBack' } },
  );

const notCommitted = (cause: Error): LeaseholdError =>
  new LeaseholdError(
    'CONNECTION_LOST',
    'The commit went unanswered, and a rollback after it found the transaction still open: nothing of it was committed.',
    { cause, details: { outcome: 'rolledBack' } },
  );
