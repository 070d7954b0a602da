import { Deadline, TIMED_OUT, within } from '../../core/deadline.ts';
import { withoutSecrets } from '../../core/errors.ts';
import type {
  ConnectionEnd,
  DriverConnection,
  EndOutcome,
  ResetResult,
  SessionCount,
  SessionTarget,
} from '../driver.ts';
import { keepStreamsAlive } from '../network.ts';
import { answerWithin, askWithin, type ConnectionParts, closeWithin } from './ask.ts';
import { censusStatement, readCensus } from './census.ts';
import type { Row } from './command-queue.ts';
import { endSessions } from './end-sessions.ts';
import { listStatement, readList, type SessionIdentity } from './session.ts';

/** How to make a session as new; none where only transactions are ended. */
export type Renewal = ((timeoutMs: number) => Promise<SessionIdentity>) | undefined;

export class MysqlConnection<Client> implements DriverConnection<Client> {
  readonly client: Client;
  readonly server: string;
  readonly session: string;
  readonly #parts: ConnectionParts;
  readonly #database: string | null;
  readonly #user: string | undefined;
  readonly #renewal: Renewal;
  #closing: Promise<ConnectionEnd> | undefined;

  constructor(parts: ConnectionParts, { server, session, database }: SessionIdentity, renewal: Renewal) {
    this.client = parts.client as Client;
    this.server = server;
    this.session = session;
    this.#parts = parts;
    this.#database = database;
    this.#user = parts.raw.config.user;
    this.#renewal = renewal;
  }

  get isOpen(): boolean {
    return !this.#parts.end.isOver;
  }

  get isClean(): boolean {
    const { statements, status } = this.#parts;
    return statements.isIdle && !status.isInTransaction && !this.#isRenewalDue && this.#isUsable;
  }

  get #isRenewalDue(): boolean {
    return this.#renewal !== undefined && this.#parts.statements.wasUsed;
  }

  /** A server that takes no writes any more is not the one that was meant; another user's session is not the lease's. */
  get #isUsable(): boolean {
    const { raw, status } = this.#parts;
    return this.isOpen && !status.isReadOnly && raw.config.user === this.#user;
  }

  onEnd(listener: (end: ConnectionEnd) => void): void {
    this.#parts.end.onEnd(listener);
  }

  /** A ping: answered in every transaction state, and the server's idle timeout starts anew. */
  async check(timeoutMs: number): Promise<boolean> {
    if (!this.isOpen) return false;
    const { raw, statements } = this.#parts;
    const ping = new Promise<void>((resolve, reject) => {
      statements.own(() => raw.ping((error) => (error ? reject(error) : resolve())));
    });
    try {
      await answerWithin(this.#parts, ping, timeoutMs);
      return this.isOpen;
    } catch {
      return false;
    }
  }

  /**
   * Waits for what the borrower did not await, then ends its transaction. Other session state stays, as it does in a pool
   * of `mysql2`, unless the driver was told to reset the session.
   */
  async reset(timeoutMs: number): Promise<ResetResult> {
    const { statements, status, clock } = this.#parts;
    const deadline = new Deadline(clock, timeoutMs);
    if (!this.isOpen) return { isFit: false, wasInTransaction: false };
    if (!statements.isIdle && (await within(clock, timeoutMs, statements.whenIdle())) === TIMED_OUT)
      return { isFit: false, wasInTransaction: true };
    const wasInTransaction = status.isInTransaction;
    if (!this.#isUsable) return { isFit: false, wasInTransaction };
    try {
      const isRenewed = await this.#cleanUp(deadline);
      return { isFit: isRenewed && this.#isUsable && !status.isInTransaction, wasInTransaction };
    } catch {
      return { isFit: false, wasInTransaction };
    }
  }

  keepAlive(isWanted: boolean): void {
    keepStreamsAlive(this.#parts.end.streams, isWanted);
  }

  close(timeoutMs: number): Promise<ConnectionEnd> {
    this.#closing ??= closeWithin(this.#parts, timeoutMs);
    return this.#closing;
  }

  async end(targets: readonly SessionTarget[], timeoutMs: number): Promise<readonly EndOutcome[]> {
    if (targets.length === 0) return [];
    const deadline = new Deadline(this.#parts.clock, timeoutMs);
    const hits = await this.#list(targets, timeoutMs);
    return endSessions(hits, (sql) => this.#askOutside(sql, deadline.remainingMs));
  }

  async look(targets: readonly SessionTarget[], timeoutMs: number): Promise<readonly boolean[]> {
    if (targets.length === 0) return [];
    const hits = await this.#list(targets, timeoutMs);
    return hits.map(({ threads, mayBeUnlabelled }) => threads.length > 0 || mayBeUnlabelled);
  }

  async census(prefix: string, timeoutMs: number): Promise<SessionCount> {
    const rows = await this.#askOutside(censusStatement(prefix, this.#parts.role), timeoutMs);
    return readCensus(this.server, prefix, rows);
  }

  async #list(targets: readonly SessionTarget[], timeoutMs: number) {
    const rows = await this.#askOutside(listStatement(targets, this.#parts.role), timeoutMs);
    return readList(this.server, targets, rows);
  }

  /** Inside a borrower's transaction nothing of ours has any business. */
  async #askOutside(sql: string, timeoutMs: number): Promise<readonly Row[]> {
    if (this.#parts.status.isInTransaction)
      throw new Error('A session list is not read inside a transaction.');
    try {
      return await askWithin(this.#parts, sql, timeoutMs);
    } catch (error) {
      throw withoutSecrets(error);
    }
  }

  /** A renewal ends the transaction as well. True unless the session is on another database afterwards. */
  async #cleanUp(deadline: Deadline): Promise<boolean> {
    const { statements, status } = this.#parts;
    if (this.#renewal === undefined || !statements.wasUsed) {
      if (status.isInTransaction) await askWithin(this.#parts, 'ROLLBACK', deadline.remainingMs);
      return true;
    }
    // Before it is sent: whatever a borrower still sends behind it counts again.
    statements.wasUsed = false;
    return (await this.#renewal(deadline.remainingMs)).database === this.#database;
  }
}
