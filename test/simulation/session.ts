import { LeaseholdError } from '../../lib/core/errors.ts';
import type {
  ConnectionEnd,
  DriverConnection,
  EndOutcome,
  OpenRequest,
  ResetResult,
  SessionCount,
  SessionTarget,
  StatementGate,
} from '../../lib/driver/driver.ts';
import type { Backend, Peer } from './backend.ts';
import type { Database } from './database.ts';
import type { Machine, Socket } from './machine.ts';

/** What a borrower gets. */
export interface SimClient {
  /** One statement that takes the server so long. */
  run(ms: number): Promise<void>;
  begin(): Promise<void>;
  commit(): Promise<void>;
}

const SHORT_MS = 0.5;
const UNSEEN_MIN_MS = 200;
const UNSEEN_SPAN_MS = 3_000;

interface Pending {
  fail(error: Error): void;
}

/** Both ends of an open session: the client's on its machine, and through `backend` the server's. */
export class Session implements DriverConnection<SimClient>, Peer, Socket {
  readonly client: SimClient;
  readonly server: string;
  readonly session: string;
  readonly #database: Database;
  readonly #machine: Machine;
  readonly #backend: Backend;
  readonly #leaseId: string;
  readonly #gate: StatementGate;
  readonly #pending = new Set<Pending>();
  readonly #listeners: ((end: ConnectionEnd) => void)[] = [];
  #isInTransaction = false;
  #isClosing = false;
  #end: ConnectionEnd | undefined;
  /** A connection keeps the order of its messages. */
  #arrivesAtMs = 0;
  #answersAtMs = 0;

  constructor(database: Database, machine: Machine, backend: Backend, { gate }: OpenRequest) {
    this.#database = database;
    this.#machine = machine;
    this.#backend = backend;
    this.#leaseId = backend.attempt.leaseId;
    this.#gate = gate;
    this.server = backend.server;
    this.session = backend.session;
    backend.peer = this;
    machine.sockets.add(this);
    this.client = {
      run: (ms) => this.#statement(ms),
      begin: () => this.#statement(SHORT_MS, true),
      commit: () => this.#statement(SHORT_MS, false),
    };
  }

  get isOpen(): boolean {
    return this.#end === undefined && !this.#isClosing;
  }

  get isClean(): boolean {
    return this.#pending.size === 0 && !this.#isInTransaction;
  }

  onEnd(listener: (end: ConnectionEnd) => void): void {
    if (this.#end === undefined) this.#listeners.push(listener);
    else listener(this.#end);
  }

  async check(timeoutMs: number): Promise<boolean> {
    if (!this.isOpen) return false;
    try {
      await this.#ask(SHORT_MS, timeoutMs, () => undefined);
      return this.isOpen;
    } catch {
      return false;
    }
  }

  keepAlive(): void {}

  async reset(timeoutMs: number): Promise<ResetResult> {
    const wasInTransaction = this.#isInTransaction;
    if (!this.isOpen || this.#pending.size > 0) return { isFit: false, wasInTransaction };
    try {
      await this.#ask(SHORT_MS, timeoutMs, () => undefined);
      this.#isInTransaction = false;
      return { isFit: this.isOpen, wasInTransaction };
    } catch {
      return { isFit: false, wasInTransaction };
    }
  }

  close(timeoutMs: number): Promise<ConnectionEnd> {
    return new Promise((resolve) => {
      this.onEnd(resolve);
      if (this.#end !== undefined || this.#isClosing) return;
      this.#isClosing = true;
      this.#failPending();
      this.#send(() => this.#database.endWhenDone(this.#backend, 'closed'));
      const timer = this.#machine.setTimer(timeoutMs, () => this.destroy());
      this.onEnd(() => timer.cancel());
    });
  }

  end(targets: readonly SessionTarget[], timeoutMs: number): Promise<readonly EndOutcome[]> {
    return this.#ask(SHORT_MS, timeoutMs, () => this.#database.end(this.server, targets));
  }

  look(targets: readonly SessionTarget[], timeoutMs: number): Promise<readonly boolean[]> {
    return this.#ask(SHORT_MS, timeoutMs, () => this.#database.look(this.server, targets));
  }

  census(prefix: string, timeoutMs: number): Promise<SessionCount> {
    return this.#ask(SHORT_MS, timeoutMs, () => this.#database.census(this.server, prefix));
  }

  /** The local end only; the server may hear of it. */
  destroy(): void {
    if (this.#end !== undefined) return;
    this.#database.clientGone(this.#backend);
    this.#ended({ endSeen: false, error: lost('destroyed') });
  }

  machineGone(isSeen: boolean): void {
    if (isSeen) this.#database.clientGone(this.#backend);
    else this.#backend.peer = undefined;
  }

  serverEnded(reason: string): void {
    const { random, faults, timeline } = this.#database;
    const isUnseen = random.chance(faults.unseenEnd);
    const laterMs = isUnseen ? UNSEEN_MIN_MS + UNSEEN_SPAN_MS * random.fraction() : 0;
    const seen = this.#isClosing ? { endSeen: !isUnseen } : { endSeen: !isUnseen, error: lost(reason) };
    this.#answersAtMs = Math.max(this.#answersAtMs, timeline.nowMs + this.#database.tripMs() + laterMs);
    timeline.at(this.#answersAtMs, () => this.#machine.receive(() => this.#ended(seen)));
  }

  async #statement(ms: number, transaction?: boolean): Promise<void> {
    const wait = this.#gate();
    if (wait !== undefined) await wait;
    if (!this.isOpen) throw lost('closed');
    this.#database.witness?.statementSent(this.#leaseId);
    this.#database.statements += 1;
    if (transaction === true) this.#isInTransaction = true;
    await this.#ask(ms, undefined, () => this.#database.witness?.statementBegins(this.#leaseId));
    if (transaction === false) this.#isInTransaction = false;
  }

  /** A round trip; `read` sees the server as it is when the statement begins. */
  #ask<Answer>(ms: number, timeoutMs: number | undefined, read: () => Answer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const timer =
        timeoutMs === undefined ? undefined : this.#machine.setTimer(timeoutMs, () => this.destroy());
      const done = (): void => {
        timer?.cancel();
        this.#pending.delete(pending);
      };
      const pending: Pending = {
        fail: (error) => {
          done();
          reject(error);
        },
      };
      if (this.#end !== undefined) {
        pending.fail(lost('closed'));
        return;
      }
      this.#pending.add(pending);
      this.#send(() => {
        const backend = this.#backend;
        const { timeline } = this.#database;
        const answer = read();
        backend.lastActiveMs = timeline.nowMs;
        backend.busyUntilMs = Math.max(backend.busyUntilMs, timeline.nowMs + ms);
        timeline.after(ms, () => {
          if (!this.#database.isThere(backend)) return;
          this.#answer(() => {
            done();
            resolve(answer);
          });
        });
      });
    });
  }

  #send(arrive: () => void): void {
    const { timeline } = this.#database;
    this.#arrivesAtMs = Math.max(this.#arrivesAtMs, timeline.nowMs + this.#database.tripMs());
    timeline.at(this.#arrivesAtMs, () => {
      if (this.#database.isThere(this.#backend)) arrive();
      // The server does not know this connection any more: a reset.
      else this.#answer(() => this.#ended({ endSeen: false, error: lost('reset') }));
    });
  }

  #answer(callback: () => void): void {
    const { timeline } = this.#database;
    this.#answersAtMs = Math.max(this.#answersAtMs, timeline.nowMs + this.#database.answerMs());
    timeline.at(this.#answersAtMs, () =>
      this.#machine.receive(() => {
        if (this.#end === undefined) callback();
      }),
    );
  }

  #ended(end: ConnectionEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#machine.sockets.delete(this);
    this.#failPending();
    for (const listener of this.#listeners) listener(end);
  }

  #failPending(): void {
    for (const pending of [...this.#pending]) pending.fail(lost('closed'));
  }
}

const lost = (reason: string): LeaseholdError =>
  new LeaseholdError('CONNECTION_LOST', `The connection is over (${reason}).`);
