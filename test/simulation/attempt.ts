import type { Timer } from '../../lib/core/clock.ts';
import type { OpenFailure, OpenRequest, OpenResult } from '../../lib/driver/driver.ts';
import type { Handshake } from './backend.ts';
import type { Database } from './database.ts';
import type { Machine, Socket } from './machine.ts';
import { Session, type SimClient } from './session.ts';

/** What a server may still do with an attempt that its client has given up (the connect bound is the timeout and this). */
const GRACE_MS = 1_000;
/** A cut is noticed after this. */
const RESET_MS = 1;

/**
 * One connection attempt, both ends of it: the socket opens, the client sends its login, the server answers it. Each step
 * can meet a client that is frozen, gone or has given up, and a server that is down, silent or slow.
 */
export class Attempt implements Handshake, Socket {
  readonly label: string;
  readonly leaseId: string;
  readonly machine: Machine;
  readonly timeoutMs: number;
  readonly idleMs: number;
  readonly boundAtMs: number;
  stepsMs = 0;
  mayStillOpen = true;
  readonly #database: Database;
  readonly #request: OpenRequest;
  readonly #resolve: (result: OpenResult<SimClient>) => void;
  readonly #since;
  readonly #timer: Timer;
  readonly #server: string;
  #isSettled = false;
  #isLoginSent = false;

  constructor(
    database: Database,
    machine: Machine,
    request: OpenRequest,
    resolve: (result: OpenResult<SimClient>) => void,
  ) {
    this.#database = database;
    this.machine = machine;
    this.#request = request;
    this.#resolve = resolve;
    this.label = request.label;
    this.leaseId = request.label.split(':')[2] ?? '';
    this.timeoutMs = request.timeoutMs;
    this.idleMs = request.idleMs;
    this.boundAtMs = database.timeline.nowMs + request.timeoutMs + GRACE_MS;
    this.#server = database.server;
    this.#since = machine.read();
    this.#timer = machine.setTimer(request.timeoutMs, () => this.#giveUp('timeout'));
    machine.sockets.add(this);
    database.witness?.connectStarted(this);
    database.attempts.set(this.leaseId, this);
    this.#knock();
  }

  machineGone(): void {
    this.#isSettled = true;
    if (!this.#isLoginSent) this.#decided();
  }

  serverReplaced(): void {
    if (!this.mayStillOpen) return;
    this.#decided();
    this.#toClient(() => this.#giveUp('cut'), RESET_MS);
  }

  #knock(): void {
    const database = this.#database;
    const { timeline } = database;
    if (database.isSilent) {
      // Nobody is there to answer, and a client that gives up sends no more.
      this.#decided();
      return;
    }
    timeline.after(database.tripMs(), () => {
      if (this.#isStale) return;
      if (database.isDown) this.#refuse('starting');
      else this.#toClient(() => this.#login());
    });
  }

  /** As clients do: the login follows the open socket, before any timer has been looked at. */
  #login(): void {
    if (this.#isSettled) return;
    this.#isLoginSent = true;
    const database = this.#database;
    const { timeline } = database;
    database.whenLoginSent?.(this.machine);
    const isFrozenLate = timeline.nowMs > this.boundAtMs;
    timeline.after(database.tripMs(), () => {
      if (this.#isStale) return;
      timeline.after(database.loginMs(this), () => this.#answer(isFrozenLate));
    });
  }

  #answer(isFrozenLate: boolean): void {
    if (this.#isStale) return;
    const database = this.#database;
    if (!isFrozenLate && database.timeline.nowMs > this.boundAtMs) {
      // The server's own bound on logins.
      this.#decided();
      return;
    }
    if (database.isLocked) {
      this.#refuse('auth');
      return;
    }
    const backend = database.admit(this);
    this.#decided();
    if (backend === undefined) this.#toClient(() => this.#refused('refused'));
    else if (this.#isSettled) database.clientGone(backend);
    else {
      const session = new Session(database, this.machine, backend, this.#request);
      this.#toClient(() => this.#ready(session));
    }
  }

  #ready(session: Session): void {
    if (this.#isSettled || this.machine.elapsedMs(this.#since) >= this.timeoutMs) {
      session.destroy();
      this.#giveUp('timeout');
      return;
    }
    this.#settle({ kind: 'open', connection: session });
  }

  /** Its server has been replaced meanwhile, or everything is decided. */
  get #isStale(): boolean {
    return !this.mayStillOpen || this.#database.server !== this.#server;
  }

  #refuse(failure: OpenFailure): void {
    this.#decided();
    this.#toClient(() => this.#refused(failure));
  }

  #refused(failure: OpenFailure): void {
    this.#settle({ kind: 'refused', failure, error: new Error(failure) });
  }

  #giveUp(failure: OpenFailure): void {
    if (this.#isSettled) return;
    if (!this.#isLoginSent) this.#decided();
    this.#settle({ kind: 'unknown', failure, error: new Error(failure) });
  }

  #toClient(callback: () => void, moreMs = 0): void {
    this.#database.timeline.after(this.#database.tripMs() + moreMs, () => this.machine.receive(callback));
  }

  /** No session of this attempt will appear from now on; if one has, it is in the list. */
  #decided(): void {
    this.mayStillOpen = false;
    const { attempts } = this.#database;
    if (attempts.get(this.leaseId) === this) attempts.delete(this.leaseId);
  }

  #settle(result: OpenResult<SimClient>): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#timer.cancel();
    this.machine.sockets.delete(this);
    this.#resolve(result);
  }
}
