import type pg from 'pg';
import type { Clock } from '../../core/clock.ts';
import { Deadline, TIMED_OUT, within } from '../../core/deadline.ts';
import { LeaseholdError, withoutSecrets } from '../../core/errors.ts';
import type {
  ConnectionEnd,
  DatabaseCapacity,
  DriverConnection,
  EndOutcome,
  ResetResult,
  SessionCount,
  SessionTarget,
} from '../driver.ts';
import { keepStreamsAlive } from '../network.ts';
import { cancelStatement } from './cancel.ts';
import { capacityStatement, readCapacityRow } from './capacity.ts';
import { censusStatement, readCensus } from './census.ts';
import type { RawClient } from './client.ts';
import {
  endStatement,
  IS_PRIMARY,
  lookStatement,
  readEnd,
  readLook,
  rowsOf,
  type SessionIdentity,
} from './session.ts';
import type { SessionEnd } from './session-end.ts';
import type { StatementQueue } from './statement-queue.ts';

/** The parts of one connection, from its first moment on. */
export interface ConnectionParts {
  readonly client: RawClient;
  readonly statements: StatementQueue;
  readonly end: SessionEnd;
  readonly clock: Clock;
  /** Whose sessions are ended and looked at; undefined: those of the connection's own role. */
  readonly role: string | undefined;
  /** The database's sessions are a pooler's: none is looked for or ended. */
  readonly isPooled: boolean;
  /** The user's own way to make a stream, if there is one. */
  readonly stream: pg.ClientConfig['stream'];
}

/** A statement of the driver's own. One that is not answered in time leaves the connection in no known state: it is destroyed. */
export const askWithin = async (
  { statements, end, clock }: ConnectionParts,
  statement: unknown,
  timeoutMs: number,
): Promise<unknown> => {
  const answer = await within(clock, timeoutMs, statements.ask(statement));
  if (answer !== TIMED_OUT) return answer;
  const error = new LeaseholdError('CONNECTION_LOST', `PostgreSQL did not answer within ${timeoutMs} ms.`, {
    details: { engine: 'postgres', timeoutMs },
  });
  end.destroy(error);
  throw error;
};

/** The error of `askWithin` for a statement that was not answered in time. */
export const isTimeout = (error: unknown): boolean =>
  error instanceof LeaseholdError && 'timeoutMs' in error.details;

/**
 * Says goodbye and waits for the server's own end; destroys the socket if it does not come. A running statement is
 * cancelled: its answer is nobody's any more, and until it is done the server does not read the goodbye.
 */
export const closeWithin = async (parts: ConnectionParts, timeoutMs: number): Promise<ConnectionEnd> => {
  const { client, statements, end, clock, stream } = parts;
  const wasIdle = statements.isIdle;
  end.expected();
  statements.retire();
  // `client.end()` destroys the socket under a running statement; the server reads a goodbye as soon as that is done.
  if (wasIdle) void Promise.resolve(client.end());
  else {
    client.connection.end();
    end.onEnd(cancelStatement(client, stream));
  }
  const ended = await within(clock, timeoutMs, end.whenEnded());
  if (ended !== TIMED_OUT) return ended;
  end.destroy();
  return end.whenEnded();
};

export class PostgresConnection implements DriverConnection<pg.Client> {
  readonly client: pg.Client;
  readonly server: string;
  readonly session: string;
  readonly #parts: ConnectionParts;
  /** What to send after a borrower who has sent anything; none where only transactions are ended. */
  readonly #undoing: string | undefined;
  #closing: Promise<ConnectionEnd> | undefined;

  constructor(parts: ConnectionParts, { server, session }: SessionIdentity, undoing: string | undefined) {
    this.client = parts.client as unknown as pg.Client;
    this.server = server;
    this.session = session;
    this.#parts = parts;
    this.#undoing = undoing;
  }

  get isOpen(): boolean {
    return !this.#parts.end.isOver;
  }

  get isClean(): boolean {
    return this.#parts.statements.isIdle && this.#cleanUp === undefined && !this.#parts.end.wasReadOnly;
  }

  /** What stands between the session and its next borrower, as one message. */
  get #cleanUp(): string | undefined {
    const undoing = this.#parts.statements.wasUsed ? this.#undoing : undefined;
    if (!this.#isInTransaction) return undoing;
    return undoing === undefined ? 'ROLLBACK' : `ROLLBACK; ${undoing}`;
  }

  /** As of the last answer: a BEGIN that is still in flight does not count yet. */
  get #isInTransaction(): boolean {
    const status = this.#parts.client.getTransactionStatus();
    return status === 'T' || status === 'E';
  }

  onEnd(listener: (end: ConnectionEnd) => void): void {
    this.#parts.end.onEnd(listener);
  }

  /** An empty query: answered in every transaction state, and the server's idle timeout starts anew. */
  async check(timeoutMs: number): Promise<boolean> {
    if (!this.isOpen) return false;
    try {
      await askWithin(this.#parts, { text: '' }, timeoutMs);
      return this.isOpen;
    } catch {
      return false;
    }
  }

  /**
   * Waits for what the borrower did not await, then ends its transaction. Other session state stays, as it does in
   * `pg.Pool`, unless the driver was told to reset the session.
   */
  async reset(timeoutMs: number): Promise<ResetResult> {
    const { statements, clock } = this.#parts;
    const deadline = new Deadline(clock, timeoutMs);
    if (!this.isOpen) return { isFit: false, wasInTransaction: false };
    if (!statements.isIdle && (await within(clock, timeoutMs, statements.whenIdle())) === TIMED_OUT)
      return { isFit: false, wasInTransaction: true };
    const wasInTransaction = this.#isInTransaction;
    const text = this.#cleanUp;
    try {
      // Before it is sent: whatever a borrower still sends behind it counts again.
      statements.wasUsed = false;
      if (text !== undefined) await askWithin(this.#parts, { text }, deadline.remainingMs);
      const mayWrite = await this.#mayWriteAgain(deadline.remainingMs);
      return { isFit: mayWrite && this.isOpen && !this.#isInTransaction, wasInTransaction };
    } catch {
      return { isFit: false, wasInTransaction };
    }
  }

  /** Whether a write was refused by the server, or only by a transaction that its borrower had made for reading. */
  async #mayWriteAgain(timeoutMs: number): Promise<boolean> {
    const { end } = this.#parts;
    if (!end.wasReadOnly) return true;
    const answer = await askWithin(this.#parts, IS_PRIMARY, timeoutMs);
    end.wasReadOnly = rowsOf<{ readonly is_primary: string }>(answer)[0]?.is_primary !== 'true';
    return !end.wasReadOnly;
  }

  keepAlive(isWanted: boolean): void {
    keepStreamsAlive(this.#parts.end.streams, isWanted);
  }

  close(timeoutMs: number): Promise<ConnectionEnd> {
    this.#closing ??= this.#parts.end.isOver
      ? this.#awaitEnd(timeoutMs)
      : closeWithin(this.#parts, timeoutMs);
    return this.#closing;
  }

  async end(targets: readonly SessionTarget[], timeoutMs: number): Promise<readonly EndOutcome[]> {
    if (targets.length === 0) return [];
    if (this.#parts.isPooled) return targets.map(() => 'absent');
    const deadline = new Deadline(this.#parts.clock, timeoutMs);
    try {
      return readEnd(await this.#askOutside(endStatement(this.server, targets, this.#parts.role), timeoutMs));
    } catch (error) {
      if (Reflect.get(Object(error), 'code') !== '42501') throw error;
    }
    // The right is missing for at least one of them, and the statement does not say for which.
    const isThere = await this.look(targets, deadline.remainingMs);
    return isThere.map((there) => (there ? 'denied' : 'absent'));
  }

  async look(targets: readonly SessionTarget[], timeoutMs: number): Promise<readonly boolean[]> {
    if (targets.length === 0) return [];
    if (this.#parts.isPooled) return targets.map(() => false);
    return readLook(await this.#askOutside(lookStatement(this.server, targets, this.#parts.role), timeoutMs));
  }

  async census(prefix: string, timeoutMs: number): Promise<SessionCount> {
    if (this.#parts.isPooled) return { sessions: [], foreign: 0 };
    const answer = await this.#askOutside(censusStatement(prefix, this.#parts.role), timeoutMs);
    return readCensus(this.server, answer);
  }

  async capacity(prefix: string, timeoutMs: number): Promise<DatabaseCapacity | undefined> {
    const { isPooled, role } = this.#parts;
    if (isPooled) return undefined;
    return readCapacityRow(await this.#askOutside(capacityStatement(prefix, role), timeoutMs));
  }

  /** Inside a transaction the session list is a snapshot that was taken once, and a failure would abort the borrower's work. */
  async #askOutside(statement: unknown, timeoutMs: number): Promise<unknown> {
    if (this.#isInTransaction)
      throw new Error('A session list that is read inside a transaction proves nothing.');
    try {
      return await askWithin(this.#parts, statement, timeoutMs);
    } catch (error) {
      throw withoutSecrets(error);
    }
  }

  /** The end has begun without us: its rest follows within moments. */
  async #awaitEnd(timeoutMs: number): Promise<ConnectionEnd> {
    const { end, clock } = this.#parts;
    if ((await within(clock, timeoutMs, end.whenEnded())) === TIMED_OUT) end.destroy();
    return end.whenEnded();
  }
}
