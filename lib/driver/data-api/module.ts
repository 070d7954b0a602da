import type * as RdsData from '@aws-sdk/client-rds-data';

/** The user's own SDK: `import * as rdsData from '@aws-sdk/client-rds-data'`. */
export type RdsDataModule = Pick<
  typeof RdsData,
  | 'RDSDataClient'
  | 'ExecuteStatementCommand'
  | 'BatchExecuteStatementCommand'
  | 'BeginTransactionCommand'
  | 'CommitTransactionCommand'
  | 'RollbackTransactionCommand'
>;

/** What the service can be asked, and what it answers. */
export interface Operations {
  readonly ExecuteStatement: {
    readonly input: RdsData.ExecuteStatementCommandInput;
    readonly output: RdsData.ExecuteStatementCommandOutput;
  };
  readonly BatchExecuteStatement: {
    readonly input: RdsData.BatchExecuteStatementCommandInput;
    readonly output: RdsData.BatchExecuteStatementCommandOutput;
  };
  readonly BeginTransaction: {
    readonly input: RdsData.BeginTransactionCommandInput;
    readonly output: RdsData.BeginTransactionCommandOutput;
  };
  readonly CommitTransaction: {
    readonly input: RdsData.CommitTransactionCommandInput;
    readonly output: RdsData.CommitTransactionCommandOutput;
  };
  readonly RollbackTransaction: {
    readonly input: RdsData.RollbackTransactionCommandInput;
    readonly output: RdsData.RollbackTransactionCommandOutput;
  };
}

export type Operation = keyof Operations;
export type Input<Name extends Operation> = Operations[Name]['input'];
export type Output<Name extends Operation> = Operations[Name]['output'];

export const OPERATIONS: readonly Operation[] = [
  'ExecuteStatement',
  'BatchExecuteStatement',
  'BeginTransaction',
  'CommitTransaction',
  'RollbackTransaction',
];

/** What is used of a command beside its input. */
export interface RawCommand {
  readonly middlewareStack: {
    add(middleware: (next: Next) => Next, where: object): void;
  };
}

export type Next = (args: unknown) => Promise<unknown>;

/** Whatever sends commands of the SDK: a client of it. */
export interface Sender {
  send(command: RawCommand, options: { readonly abortSignal: AbortSignal }): Promise<unknown>;
}

type RawCommandClass = new (input: object) => RawCommand;

export const makeCommand = (module: RdsDataModule, operation: Operation, input: object): RawCommand =>
  new (module[`${operation}Command`] as unknown as RawCommandClass)(input);
