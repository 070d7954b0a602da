import type { Clock, Timer } from '../../core/clock.ts';
import type {
  ConnectionEnd,
  DriverConnection,
  EndOutcome,
  ResetResult,
  SessionCount,
  SessionTarget,
} from '../driver.ts';
import { DataApiClient } from './client.ts';
import type { ServerIdentity } from './server-identity.ts';
import {
  base36,
  type OwnStatement,
  ofServer,
  readCensus,
  readEnd,
  readLook,
  type SessionList,
  type TextRow,
} from './sessions.ts';
import type { Slot } from './slot.ts';

export interface ConnectionParts {
  readonly slot: Slot;
  readonly list: SessionList;
  readonly clock: Clock;
  readonly identity: ServerIdentity;
  readonly server: string;
  readonly session: string;
}

/**
 * A connection of the pool that is no connection: a slot for one unit of work at the service. While nothing runs in it there is
 * nothing at the database, so nothing has to be checked, kept alive or let go; the lease on it goes on.
 */
export class DataApiConnection implements DriverConnection<DataApiClient> {
  readonly client: DataApiClient;
  readonly server: string;
  readonly session: string;
  readonly #parts: ConnectionParts;
  #closing: Promise<ConnectionEnd> | undefined;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.client = new DataApiClient(parts.slot);
    this.server = parts.server;
    this.session = parts.session;
  }

  get isOpen(): boolean {
    return this.#parts.slot.end.isUsable;
  }

  get isClean(): boolean {
    return this.#parts.slot.isClean;
  }

  onEnd(listener: (end: ConnectionEnd) => void): void {
    this.#parts.slot.end.onEnd(listener);
  }

  /** No round trip: a call would prove nothing about the next one, and would wake a database that has paused. */
  check(): Promise<boolean> {
    return Promise.resolve(this.isOpen);
  }

  async reset(timeoutMs: number): Promise<ResetResult> {
    const { slot, clock } = this.#parts;
    const since = clock.read();
    if (!this.isOpen) return { isFit: false, wasInTransaction: false };
    if (!(await this.#isIdleWithin(timeoutMs))) return { isFit: false, wasInTransaction: true };
    const wasInTransaction = slot.isInTransaction;
    const isFinished = await slot.finish(Math.max(1, timeoutMs - clock.elapsedMs(since)));
    return { isFit: isFinished && this.isOpen, wasInTransaction };
  }

  close(timeoutMs: number): Promise<ConnectionEnd> {
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  async end(targets: readonly SessionTarget[], timeoutMs: number): Promise<readonly EndOutcome[]> {
    if (targets.length === 0) return [];
    return readEnd(await this.#ask(this.#parts.list.end(this.#here(targets)), timeoutMs));
  }

  async look(targets: readonly SessionTarget[], timeoutMs: number): Promise<readonly boolean[]> {
    if (targets.length === 0) return [];
    return readLook(await this.#ask(this.#parts.list.look(this.#here(targets)), timeoutMs));
  }

  async census(prefix: string, timeoutMs: number): Promise<SessionCount> {
    return readCensus(this.server, await this.#ask(this.#parts.list.census(prefix), timeoutMs));
  }

  /** The SDK's idle sockets keep no process alive, and a call that somebody awaits should. */
  keepAlive(): void {}

  /** A list proves something of its own server alone; the service may speak to another one by now. */
  async #ask(statement: OwnStatement, timeoutMs: number): Promise<readonly TextRow[]> {
    const { slot, identity } = this.#parts;
    const rows = await slot.own(ofServer(statement), timeoutMs);
    if (rows.every(({ server }) => base36(server) === this.server)) return rows;
    identity.forget();
    const error = new Error('The Data API speaks to another server than before.');
    slot.end.over({ endSeen: true, error });
    throw error;
  }

  /** Another server's session cannot be here, so only its label is looked for. */
  #here(targets: readonly SessionTarget[]): SessionTarget[] {
    return targets.map(({ label, session }) =>
      session?.startsWith(`${this.server}.`) ? { label, session } : { label },
    );
  }

  /** The end is seen when the service has answered everything, and has said of a transaction that it is over. */
  async #close(timeoutMs: number): Promise<ConnectionEnd> {
    const { slot, clock } = this.#parts;
    const since = clock.read();
    slot.end.closing();
    if (!(await this.#isIdleWithin(slot.isInTransaction ? timeoutMs / 2 : timeoutMs))) {
      slot.end.giveUp();
      await slot.whenIdle();
    }
    await slot.finish(Math.max(1, timeoutMs - clock.elapsedMs(since))).catch(() => undefined);
    return slot.end.over({ endSeen: true });
  }

  async #isIdleWithin(timeoutMs: number): Promise<boolean> {
    const { slot, clock } = this.#parts;
    let timer: Timer | undefined;
    const late = new Promise<false>((resolve) => {
      timer = clock.setTimer(timeoutMs, () => resolve(false));
    });
    const isIdle = await Promise.race([slot.whenIdle().then(() => true as const), late]);
    timer?.cancel();
    return isIdle;
  }
}
