import { markOf } from './mark.ts';
import type { Input } from './module.ts';
import { toParameters } from './parameters.ts';
import type { OwnStatement } from './sessions.ts';
import type { Settings } from './settings.ts';

/** How the service is asked: with the ARNs, the database, and the mark of the lease before each statement. */
export class Requests {
  readonly #settings: Settings;
  readonly #mark: string;

  constructor(settings: Settings, label: string) {
    this.#settings = settings;
    this.#mark = settings.markStatements ? markOf(label) : '';
  }

  begin(input: object): Input<'BeginTransaction'> {
    return { ...this.#home, ...input };
  }

  /** To commit or to roll back. */
  end(transactionId: string): Input<'CommitTransaction' | 'RollbackTransaction'> {
    return { ...this.#credentials, transactionId };
  }

  /** A statement or a batch; the borrower does not choose the transaction. */
  statement(input: Partial<Input<'ExecuteStatement'>>, transactionId?: string): Input<'ExecuteStatement'> {
    const { transactionId: _, ...rest } = input;
    const within = transactionId === undefined ? {} : { transactionId };
    return { ...this.#home, ...rest, ...within, sql: `${this.#mark}${input.sql ?? ''}` };
  }

  own({ sql, parameters }: OwnStatement, transactionId?: string): Input<'ExecuteStatement'> {
    const input = { sql, parameters: toParameters(parameters), includeResultMetadata: true };
    return this.statement(input, transactionId);
  }

  get #credentials() {
    const { resourceArn, secretArn } = this.#settings;
    return { resourceArn, secretArn };
  }

  get #home() {
    const { database } = this.#settings;
    return { ...this.#credentials, ...(database === undefined ? {} : { database }) };
  }
}
