import type { Clock, Instant } from '../../lib/core/clock.ts';
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

/**
 * How every call of a step goes: at once and well; answered with no at once; well, after a part of its bound; not before its
 * bound, and then as the port says; or with an exception, which the port forbids.
 */
export type StepMode = 'ok' | 'error' | 'slow' | 'never' | 'throws';
export type StepName = 'open' | 'check' | 'reset' | 'close';

/** The part of its bound that a slow step takes. */
const SLOW_PART = 0.6;

export interface FakeClient {
  readonly label: string;
  /** A transaction is open. */
  readonly isInTransaction: boolean;
  /** The server still has this session, whatever the client knows. */
  readonly isAlive: boolean;
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
  readonly steps: Record<StepName, StepMode> = { open: 'ok', check: 'ok', reset: 'ok', close: 'ok' };
  /** Told of each statement that runs, in its tick. */
  onStatement: ((label: string) => void) | undefined;
  onReset: ((label: string) => void) | undefined;
  /** Overrides `steps.check` for single sessions. */
  checkBy: ((label: string) => StepMode) | undefined;
  /** The server ends an idle session after its time, and the client does not hear of it. */
  endsIdle = false;
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

  /** The server ends a session, and the client does not hear of it. */
  killSilently(label: string): void {
    this.forget(label);
  }

  forget(label: string): void {
    this.#backends.delete(label);
  }

  has(session: FakeConnection): boolean {
    return this.#backends.get(session.label) === session;
  }

  /** Goes through a step as `mode` says; true: well. */
  async goThrough(mode: StepMode, timeoutMs: number): Promise<boolean> {
    if (mode === 'throws') throw new Error('the driver fails');
    if (mode === 'slow') await this.#sleep(SLOW_PART * timeoutMs);
    if (mode === 'never') await this.#sleep(timeoutMs);
    return mode === 'ok' || mode === 'slow';
  }

  /** It is not read from any more: the server ends it at its idle timeout. */
  linger(session: FakeConnection): void {
    this.#clock.setBackgroundTimer(session.idleMs, () => {
      if (this.has(session)) this.forget(session.label);
    });
  }

  read(): Instant {
    return this.#clock.read();
  }

  elapsedMs(since: Instant): number {
    return this.#clock.elapsedMs(since);
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
    if (step === undefined && !(await this.goThrough(this.steps.open, request.timeoutMs)))
      return this.#failedOpen(request);
    const connection = this.#admit(request);
    if (connection === undefined)
      return { kind: 'refused', failure: 'refused', error: new Error('too many') };
    return { kind: 'open', connection };
  }

  /** One that gets no answer in time leaves a backend behind that appears too late. */
  #failedOpen(request: OpenRequest): OpenResult<FakeClient> {
    const error = new Error('no connection');
    if (this.steps.open === 'error') return { kind: 'refused', failure: 'unreachable', error };
    const late = this.#admit(request);
    if (late !== undefined) this.linger(late);
    return { kind: 'unknown', failure: 'timeout', error };
  }

  #admit({ label, gate, idleMs }: OpenRequest): FakeConnection | undefined {
    if (this.#backends.size >= this.capacity) {
      this.refused += 1;
      return undefined;
    }
    this.#pid += 1;
    const connection = new FakeConnection(this, label, `s1.${this.#pid}.1`, { gate, idleMs });
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
  readonly idleMs: number;
  isClean = true;
  readonly #database: FakeDatabase;
  readonly #listeners: ((end: ConnectionEnd) => void)[] = [];
  #end: ConnectionEnd | undefined;
  #activeAt: Instant;

  constructor(
    database: FakeDatabase,
    label: string,
    session: string,
    { gate, idleMs }: { readonly gate: StatementGate; readonly idleMs: number },
  ) {
    this.#database = database;
    this.idleMs = idleMs;
    this.#activeAt = database.read();
    const lives = (): boolean => this.#lives();
    const isClean = (): boolean => this.isClean;
    this.label = label;
    this.session = session;
    this.client = {
      label,
      get isInTransaction() {
        return !isClean();
      },
      get isAlive() {
        return lives();
      },
      run: async (statement) => {
        await gate();
        if (!this.#answers()) throw new Error('Connection terminated');
        database.onStatement?.(label);
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
    if (this.#database.has(this)) this.#database.forget(this.label);
    this.#over(end);
  }

  #over(end: ConnectionEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    for (const listener of this.#listeners) listener(end);
  }

  async check(timeoutMs: number): Promise<boolean> {
    const { checks, checkAnswers, checkBy, steps } = this.#database;
    checks.push(this.label);
    const goesWell = await this.#database.goThrough(checkBy?.(this.label) ?? steps.check, timeoutMs);
    return goesWell && checkAnswers && this.#answers();
  }

  keepAlive(): void {}

  async reset(timeoutMs: number): Promise<ResetResult> {
    const { resetWorks, steps, onReset } = this.#database;
    onReset?.(this.label);
    const wasInTransaction = !this.isClean;
    const goesWell = await this.#database.goThrough(steps.reset, timeoutMs);
    const isFit = goesWell && resetWorks && this.#answers();
    this.isClean = isFit;
    return { isFit, wasInTransaction };
  }

  /** Where the goodbye is not heard the session stays at the server until its idle timeout. */
  async close(timeoutMs: number): Promise<ConnectionEnd> {
    const { endIsSeen, steps } = this.#database;
    if (this.#end === undefined) {
      if (await this.#database.goThrough(steps.close, timeoutMs)) this.ended({ endSeen: endIsSeen });
      else if (this.#end === undefined) this.#database.linger(this);
    }
    this.#over({ endSeen: false });
    return this.#end ?? { endSeen: false };
  }

  #lives(): boolean {
    const { endsIdle } = this.#database;
    if (endsIdle && this.#database.has(this) && this.#database.elapsedMs(this.#activeAt) >= this.idleMs)
      this.#database.forget(this.label);
    return this.#database.has(this);
  }

  /** A round trip. */
  #answers(): boolean {
    if (this.#end !== undefined || !this.#lives()) return false;
    this.#activeAt = this.#database.read();
    return true;
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
