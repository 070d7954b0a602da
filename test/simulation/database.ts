import type { EndOutcome, SessionCount, SessionTarget } from '../../lib/driver/driver.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import type { Backend, Handshake } from './backend.ts';
import type { Machine } from './machine.ts';
import type { Network } from './network.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

export interface DatabaseFaults {
  /** A login takes up to the connect bound. */
  readonly slowLogin: number;
  /** "Too many connections", for sessions of others. */
  readonly refused: number;
  /** The server's end is not seen by the client: only a reset, later. */
  readonly unseenEnd: number;
  /** The server does not notice that a client has gone. */
  readonly unseenGone: number;
  /** An answer is late by up to SLOW_MAX_MS. */
  readonly slowAnswer: number;
  /** The right to end a session is missing. */
  readonly denied: number;
}

export const CALM_DATABASE: DatabaseFaults = {
  slowLogin: 0,
  refused: 0,
  unseenEnd: 0,
  unseenGone: 0,
  slowAnswer: 0,
  denied: 0,
};

/** Who is told what happens at the server. */
export interface DatabaseWitness {
  connectStarted(attempt: Handshake): void;
  born(backend: Backend): void;
  statementSent(leaseId: string): void;
  statementBegins(leaseId: string): void;
}

const LOGIN_MIN_MS = 2;
const LOGIN_SPAN_MS = 6;
const ENDING_SPAN_MS = 12;
const NOTICE_SPAN_MS = 40;
const SLOW_MAX_MS = 500;

/**
 * The database server: its sessions, in handshake and open, by label and identity; it ends what is idle too long, restarts and
 * falls silent. Whether a client knows of it is another matter: that is the network's.
 */
export class Database {
  readonly timeline: Timeline;
  readonly network: Network;
  readonly random: SeededRandom;
  readonly trace: Trace;
  faults: DatabaseFaults;
  witness: DatabaseWitness | undefined;
  whenLoginSent: ((machine: Machine) => void) | undefined;
  readonly backends = new Set<Backend>();
  readonly byLease = new Map<string, Backend>();
  /** Connects whose session may still appear, by lease. */
  readonly attempts = new Map<string, Handshake>();
  server = 's1';
  /** Refuses everybody until then. */
  downUntilMs = 0;
  /** Answers nobody until then; what is sent arrives after it. */
  silentUntilMs = 0;
  /** Takes no password until then. */
  lockedUntilMs = 0;
  statements = 0;
  refusals = 0;
  readonly #limit: number;
  readonly #byLabel = new Map<string, Backend>();
  readonly #bySession = new Map<string, Backend>();
  #servers = 1;
  #sessions = 0;

  constructor(parts: {
    readonly timeline: Timeline;
    readonly network: Network;
    readonly random: SeededRandom;
    readonly trace: Trace;
    readonly faults: DatabaseFaults;
    readonly limit: number;
  }) {
    this.timeline = parts.timeline;
    this.network = parts.network;
    this.random = parts.random;
    this.trace = parts.trace;
    this.faults = parts.faults;
    this.#limit = parts.limit;
  }

  get isDown(): boolean {
    return this.timeline.nowMs < this.downUntilMs;
  }

  get isLocked(): boolean {
    return this.timeline.nowMs < this.lockedUntilMs;
  }

  get isSilent(): boolean {
    return this.timeline.nowMs < this.silentUntilMs;
  }

  /** How long a message takes; what falls into a silence arrives after it. */
  tripMs(): number {
    const silentMs = Math.max(0, this.silentUntilMs - this.timeline.nowMs);
    return this.network.tripMs() + silentMs;
  }

  answerMs(): number {
    const { slowAnswer } = this.faults;
    const isSlow = slowAnswer > 0 && this.random.chance(slowAnswer);
    return this.tripMs() + (isSlow ? SLOW_MAX_MS * this.random.fraction() : 0);
  }

  loginMs(attempt: Handshake): number {
    const fraction = this.random.fraction();
    if (!this.random.chance(this.faults.slowLogin)) return LOGIN_MIN_MS + LOGIN_SPAN_MS * fraction;
    const longestMs = attempt.boundAtMs - this.timeline.nowMs - 1;
    return Math.max(LOGIN_MIN_MS, longestMs * fraction);
  }

  /** The login is through: a session, or "too many connections". */
  admit(attempt: Handshake): Backend | undefined {
    if (this.backends.size >= this.#limit || this.random.chance(this.faults.refused)) {
      this.refusals += 1;
      return undefined;
    }
    this.#sessions += 1;
    const { nowMs } = this.timeline;
    const session = `${this.server}.${this.#sessions}.${Math.floor(nowMs)}`;
    const { label, idleMs } = attempt;
    const times = { bornAtMs: nowMs, idleMs, lastActiveMs: nowMs, busyUntilMs: 0 };
    const backend: Backend = {
      attempt,
      label,
      server: this.server,
      session,
      ...times,
      isEnding: false,
      peer: undefined,
    };
    this.backends.add(backend);
    this.#byLabel.set(label, backend);
    this.#bySession.set(session, backend);
    this.byLease.set(attempt.leaseId, backend);
    this.trace.add(nowMs, attempt.machine.name, 'session begins', session);
    this.#watchIdle(backend, nowMs + idleMs);
    this.witness?.born(backend);
    return backend;
  }

  isThere(backend: Backend): boolean {
    return this.backends.has(backend);
  }

  /** Each server knows its own sessions only. */
  end(server: string, targets: readonly SessionTarget[]): EndOutcome[] {
    return this.#find(server, targets).map((backend) => {
      if (backend === undefined) return 'absent';
      if (this.random.chance(this.faults.denied)) return 'denied';
      this.endSoon(backend, 'terminated');
      return 'seen';
    });
  }

  look(server: string, targets: readonly SessionTarget[]): boolean[] {
    return this.#find(server, targets).map((backend) => backend !== undefined);
  }

  census(server: string, prefix: string): SessionCount {
    const all = [...this.backends].filter((it) => it.server === server && it.label.startsWith(prefix));
    return { sessions: all.map(({ label, session }) => ({ label, session })), foreign: 0 };
  }

  /** A few milliseconds later it has left the list, whatever it was doing. */
  endSoon(backend: Backend, reason: string): void {
    if (backend.isEnding) return;
    backend.isEnding = true;
    this.timeline.after(ENDING_SPAN_MS * this.random.fraction() ** 2, () => this.remove(backend, reason));
  }

  /** Its client said goodbye or went: an idle session ends at once, a working one when it is done. */
  endWhenDone(backend: Backend, reason: string): void {
    const waitMs = Math.max(0, backend.busyUntilMs - this.timeline.nowMs);
    if (waitMs === 0) this.remove(backend, reason);
    else this.timeline.after(waitMs, () => this.remove(backend, reason));
  }

  /** Its client's socket is closed: the server learns of it soon, or never. */
  clientGone(backend: Backend): void {
    backend.peer = undefined;
    if (this.random.chance(this.faults.unseenGone)) return;
    const noticeMs = this.tripMs() + NOTICE_SPAN_MS * this.random.fraction();
    this.timeline.after(noticeMs, () => this.endWhenDone(backend, 'client gone'));
  }

  remove(backend: Backend, reason: string): void {
    if (!this.backends.delete(backend)) return;
    this.#bySession.delete(backend.session);
    this.#byLabel.delete(backend.label);
    this.byLease.delete(backend.attempt.leaseId);
    this.trace.add(this.timeline.nowMs, 'database', `session ends (${reason})`, backend.session);
    backend.peer?.serverEnded(reason);
  }

  /** Every session ends; the server that comes back has another identity. */
  restart(downMs: number): void {
    this.#replace();
    this.downUntilMs = this.timeline.nowMs + downMs;
    for (const backend of [...this.backends]) this.remove(backend, 'restart');
  }

  /** New connections go to another server; the former one serves those it has for a while. */
  failOver(formerMs: number): void {
    const former = [...this.backends];
    this.#replace();
    this.timeline.after(formerMs, () => {
      for (const backend of former) this.remove(backend, 'failover');
    });
  }

  #replace(): void {
    this.#servers += 1;
    this.server = `s${this.#servers}`;
    for (const attempt of [...this.attempts.values()]) attempt.serverReplaced();
  }

  #find(server: string, targets: readonly SessionTarget[]): (Backend | undefined)[] {
    return targets.map(({ label, session }) => {
      const backend =
        this.#byLabel.get(label) ?? (session === undefined ? undefined : this.#bySession.get(session));
      return backend?.server === server ? backend : undefined;
    });
  }

  /** D4: idle too long, also inside a transaction. */
  #watchIdle(backend: Backend, atMs: number): void {
    this.timeline.at(atMs, () => {
      if (!this.backends.has(backend)) return;
      const idleSinceMs = Math.max(backend.lastActiveMs, backend.busyUntilMs);
      const endsAtMs = idleSinceMs + backend.idleMs;
      if (endsAtMs <= this.timeline.nowMs) this.remove(backend, 'idle');
      else this.#watchIdle(backend, endsAtMs);
    });
  }
}
