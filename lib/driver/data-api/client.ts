import type { Input, Operation, Output } from './module.ts';
import { type Parameters, toParameters } from './parameters.ts';
import { type DataApiResult, EXACT, readResult } from './result.ts';
import type { RunOptions, Slot } from './slot.ts';

export interface ExecuteOptions extends RunOptions {
  readonly database?: string;
  /** For DDL: the service lets it run on after its 45 s. The connection is over then, for nobody knows until when. */
  readonly continueAfterTimeout?: boolean;
  /** The service makes one JSON text of the rows: less to transfer, and nothing is converted. */
  readonly asJson?: boolean;
}

/**
 * What a borrower gets: one unit of work at a time, a statement or a transaction. Calls are sent one after the other, and none
 * twice that may have been executed. Errors are the service's own, and LeaseholdError: LEASE_LOST (not sent), CONNECTION_LOST
 * (`details.outcome`: 'unknown', or 'rolledBack' for certain).
 */
export class DataApiClient {
  readonly #slot: Slot;

  constructor(slot: Slot) {
    this.#slot = slot;
  }

  /** One statement with named parameters (`:id`), in the transaction that is open, or else committed by itself. */
  async execute<Row = Record<string, unknown>>(
    sql: string,
    parameters?: Parameters,
    { retryForMs, asJson = false, ...rest }: ExecuteOptions = {},
  ): Promise<DataApiResult<Row>> {
    const input: Partial<Input<'ExecuteStatement'>> = {
      ...rest,
      sql,
      parameters: toParameters(parameters),
      includeResultMetadata: !asJson,
      resultSetOptions: EXACT,
      ...(asJson ? { formatRecordsAs: 'JSON' } : {}),
    };
    return readResult<Row>(await this.#slot.run('ExecuteStatement', input, optionsOf(retryForMs)));
  }

  /** One statement for each set of parameters; all of them have the same names. */
  async batchExecute(
    sql: string,
    sets: readonly Parameters[],
    { retryForMs, database }: Pick<ExecuteOptions, 'retryForMs' | 'database'> = {},
  ): Promise<void> {
    const parameterSets = sets.map((each) => toParameters(each));
    const input = { sql, parameterSets, ...(database === undefined ? {} : { database }) };
    await this.#slot.run('BatchExecuteStatement', input, optionsOf(retryForMs));
  }

  /** Begins a transaction, and names it after the lease: two calls. */
  async begin(options: RunOptions = {}): Promise<void> {
    await this.#slot.run('BeginTransaction', {}, options);
  }

  async commit(options: RunOptions = {}): Promise<void> {
    await this.#slot.run('CommitTransaction', {}, options);
  }

  async rollback(): Promise<void> {
    await this.#slot.run('RollbackTransaction', {});
  }

  /** Commits when `work` resolves, else rolls back and rejects with what it rejected with. */
  async transaction<Result>(
    work: (client: DataApiClient) => Result | Promise<Result>,
    options: RunOptions = {},
  ): Promise<Result> {
    await this.begin(options);
    try {
      const result = await work(this);
      await this.commit(options);
      return result;
    } catch (error) {
      // What cannot be rolled back here is ended when the connection comes back.
      if (this.#slot.isInTransaction) await this.rollback().catch(() => undefined);
      throw error;
    }
  }

  get isInTransaction(): boolean {
    return this.#slot.isInTransaction;
  }

  /** A call as the SDK words it; ARNs and the transaction are filled in. */
  run<Name extends Operation>(
    operation: Name,
    input: Partial<Input<Name>>,
    options: RunOptions = {},
  ): Promise<Output<Name>> {
    return this.#slot.run(operation, input, options);
  }
}

const optionsOf = (retryForMs: number | undefined): RunOptions =>
  retryForMs === undefined ? {} : { retryForMs };
