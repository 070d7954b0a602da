import type { Clock } from '../../lib/core/clock.ts';
import type {
  ConnectionEnd,
  Driver,
  DriverConnection,
  EndOutcome,
  OpenFailure,
  OpenRequest,
  OpenResult,
  ResetResult,
  SessionCount,
  SessionTarget,
  StatementGate,
} from '../../lib/driver/driver.ts';

/** How a step of the database goes; without a word from the test: at once and well. */
export type OpenStep =
  | { readonly how: 'refuse' | 'unknown'; readonly failure: OpenFailure }
  /** The backend appears after this many ms; later than the bound it is a late one that nobody reads from. */
  | { readonly how: 'slow'; readonly ms: number }
  | { readonly how: 'never' };

export interface FakeClient {
  readonly label: string;
  /** A statement: passes the gate like any other, then runs at the server, or fails if the session is gone. */
  run(statement: string): Promise<string>;
  begin(): void;
}

/**
 * A database on a test's clock. It is the judge: `refused` counts the connects beyond its capacity, and `statements` what
 * really ran. Every step can be made to fail, to be slow, or never to end.
 */
export class FakeDatabase {
  readonly capacity: number;
  readonly statements: string[] = [];
  readonly opens: string[] = [];
  readonly checks: string[] = [];
  peak = 0;
  refused = 0;
  /** The outcomes of the next opens, in order. */
  readonly nextOpens: OpenStep[] = [];
  checkAnswers = true;
  resetWorks = true;
  /** Whether a goodbye is answered with an end that can be seen. */
  endIsSeen = true;
  mayEnd = true;
  /** Sessions of the role without any lease's label, as a census counts them; they take no place here. */
  foreign = 0;
  censusFails = false;
  readonly censuses: string[] = [];
  readonly #clock: Clock;
  readonly #backends = new Map<string, FakeConnection>();
  #pid = 0;

  constructor(clock: Clock, capacity: number) {
    this.#clock = clock;
    this.capacity = capacity;
  }

  get labels(): string[] {
    return [...this.#backends.keys()];
  }

  readonly driver: Driver<FakeClient> = {
    engine: 'fake',
    open: (request) => this.#open(request),
  };

  /** The server ends a session by itself. */
  kill(label: string, seen = true): void {
    this.#backends.get(label)?.ended({ endSeen: seen, error: new Error('terminated by the server') });
  }

  forget(label: string): void {
    this.#backends.delete(label);
  }

  sessionsOf(targets: readonly SessionTarget[]): (FakeConnection | undefined)[] {
    const all = [...this.#backends.values()];
    return targets.map((target) =>
      all.find((it) => it.label === target.label || it.session === target.session),
    );
  }

  /** A session that no pool of this process knows. */
  leave(label: string): void {
    this.#admit({ label, idleMs: 0, timeoutMs: 0, gate: () => undefined });
  }

  async census(prefix: string): Promise<SessionCount> {
    this.censuses.push(prefix);
    if (this.censusFails) throw new Error('no rights');
    const all = [...this.#backends.values()].filter(({ label }) => label.startsWith(prefix));
    return { sessions: all.map(({ label, session }) => ({ label, session })), foreign: this.foreign };
  }

  async #open(request: OpenRequest): Promise<OpenResult<FakeClient>> {
    this.opens.push(request.label);
    const step = this.nextOpens.shift();
    if (step?.how === 'refuse')
      return { kind: 'refused', failure: step.failure, error: new Error(step.failure) };
    if (step?.how === 'unknown')
      return { kind: 'unknown', failure: step.failure, error: new Error(step.failure) };
    if (step?.how === 'never' || (step?.how === 'slow' && step.ms >= request.timeoutMs)) {
      if (step.how === 'slow') this.#clock.setTimer(step.ms, () => void this.#admit(request));
      await this.#sleep(request.timeoutMs);
      return { kind: 'unknown', failure: 'timeout', error: new Error('timeout') };
    }
    if (step?.how === 'slow') await this.#sleep(step.ms);
    const connection = this.#admit(request);
    if (connection === undefined)
      return { kind: 'refused', failure: 'refused', error: new Error('too many') };
    return { kind: 'open', connection };
  }

  #admit({ label, gate }: OpenRequest): FakeConnection | undefined {
    if (this.#backends.size >= this.capacity) {
      this.refused += 1;
      return undefined;
    }
    this.#pid += 1;
    const connection = new FakeConnection(this, label, `s1.${this.#pid}.1`, gate);
    this.#backends.set(label, connection);
    this.peak = Math.max(this.peak, this.#backends.size);
    return connection;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.setTimer(ms, resolve));
  }
}

class FakeConnection implements DriverConnection<FakeClient> {
  readonly server = 's1';
  readonly label: string;
  readonly session: string;
  readonly client: FakeClient;
  isClean = true;
  readonly #database: FakeDatabase;
  readonly #listeners: ((end: ConnectionEnd) => void)[] = [];
  #end: ConnectionEnd | undefined;

  constructor(database: FakeDatabase, label: string, session: string, gate: StatementGate) {
    this.#database = database;
    this.label = label;
    this.session = session;
    this.client = {
      label,
      run: async (statement) => {
        await gate();
        if (this.#end !== undefined) throw new Error('Connection terminated');
        database.statements.push(`${label}: ${statement}`);
        return statement;
      },
      begin: () => {
        this.isClean = false;
      },
    };
  }

  get isOpen(): boolean {
    return this.#end === undefined;
  }

  onEnd(listener: (end: ConnectionEnd) => void): void {
    if (this.#end === undefined) this.#listeners.push(listener);
    else listener(this.#end);
  }

  ended(end: ConnectionEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#database.forget(this.label);
    for (const listener of this.#listeners) listener(end);
  }

  async check(): Promise<boolean> {
    this.#database.checks.push(this.label);
    return this.#database.checkAnswers && this.isOpen;
  }

  keepAlive(): void {}

  async reset(): Promise<ResetResult> {
    const wasInTransaction = !this.isClean;
    this.isClean = this.#database.resetWorks;
    return { isFit: this.#database.resetWorks, wasInTransaction };
  }

  async close(): Promise<ConnectionEnd> {
    this.ended({ endSeen: this.#database.endIsSeen });
    return this.#end ?? { endSeen: false };
  }

  async end(targets: readonly SessionTarget[]): Promise<readonly EndOutcome[]> {
    return this.#database.sessionsOf(targets).map((session) => {
      if (session === undefined) return 'absent';
      if (!this.#database.mayEnd) return 'denied';
      session.ended({ endSeen: true, error: new Error('terminated by another') });
      return 'seen';
    });
  }

  async look(targets: readonly SessionTarget[]): Promise<readonly boolean[]> {
    return this.#database.sessionsOf(targets).map((session) => session !== undefined);
  }

  census(prefix: string): Promise<SessionCount> {
    return this.#database.census(prefix);
  }
}
