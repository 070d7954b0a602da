import { callOutside } from '../../core/call-outside.ts';
import { LeaseholdError } from '../../core/errors.ts';
import type { StatementGate } from '../driver.ts';
import type { Command, Packet, QueryMaker, RawConnection } from './module.ts';
import type { ServerStatus } from './status.ts';

/** A command that waits here: for the gate, or for the one before it. */
interface Held {
  readonly command: Command;
  /** The driver's own, or a goodbye: does not ask the gate. */
  readonly isOwn: boolean;
}

/**
 * The order of a connection's commands, and the gate before each of the borrower's.
 *
 * Whatever `mysql2` sends goes through `addCommand` of its connection. It has a queue of its own, but what waits there is sent
 * when its predecessor ends, perhaps after a freeze, and nobody would ask the gate then. So at most one command at a
 * time is handed on; the rest waits here and the gate is asked in the tick in which a command is sent.
 */
export class CommandQueue {
  /** A command of the borrower was sent since this was last set to false. */
  wasUsed = false;
  readonly #gate: StatementGate;
  readonly #connection: RawConnection;
  readonly #send: RawConnection['addCommand'];
  readonly #held: Held[] = [];
  readonly #whenIdle: (() => void)[] = [];
  #isAsking = false;
  #isAtGate = false;
  #isClosed = false;
  #cause: unknown;

  /** Takes the connection over: from here on every command comes by. */
  constructor(connection: RawConnection, gate: StatementGate, status: ServerStatus) {
    this.#gate = gate;
    this.#connection = connection;
    this.#send = connection.addCommand;
    const handle = connection.handlePacket;
    connection.addCommand = (command) => this.#add(command);
    connection.handlePacket = (packet?: Packet) => {
      const running = connection._command;
      const from = packet?.offset ?? 0;
      handle.call(connection, packet);
      const isLast = packet !== undefined && running != null && connection._command !== running;
      if (isLast && !isPreparation(running)) status.read(packet, from);
      this.#pump();
    };
  }

  /** No command is in flight or waits. */
  get isIdle(): boolean {
    return !this.#isBusy && this.#held.length === 0;
  }

  /** What `send` makes the connection do is the driver's own. */
  own<Result>(send: () => Result): Result {
    const wasAsking = this.#isAsking;
    this.#isAsking = true;
    try {
      return send();
    } finally {
      this.#isAsking = wasAsking;
    }
  }

  /** A statement of the driver itself. Every value comes as text; the user's own types and formats do not touch it. */
  ask(sql: string): Promise<readonly Row[]> {
    const { createQuery } = this.#connection.constructor as unknown as QueryMaker;
    const options = { sql, rowsAsArray: true, nestTables: false, namedPlaceholders: false, typeCast: asText };
    return new Promise((resolve, reject) => {
      const done = (error: unknown, rows: unknown): void =>
        error ? reject(error) : resolve(rows as readonly Row[]);
      const query = createQuery(options, done, undefined, this.#connection.config);
      this.own(() => this.#connection.addCommand(query));
    });
  }

  /** Resolves when nothing is in flight and nothing waits. */
  whenIdle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  /** Nothing is sent any more: what waits, and what comes, fails. */
  close(cause?: unknown): void {
    this.#cause ??= cause;
    this.#shut(0);
    this.#tellIdle();
  }

  /** The same by our own wish: what stands at the gate hears the gate's own answer, which may be why we close. */
  retire(): void {
    this.#shut(this.#isAtGate ? 1 : 0);
  }

  #shut(from: number): void {
    this.#isClosed = true;
    for (const { command } of this.#held.splice(from)) failed(command, this.#closedError());
  }

  get #isBusy(): boolean {
    return this.#connection._command != null;
  }

  /** Hot path: with the gate open this costs two calls and no allocation. */
  #add(command: Command): Command {
    const isOwn = this.#isAsking || isUnanswered(command);
    if (this.#isClosed && !this.#isAsking) {
      failed(command, this.#closedError());
      return command;
    }
    if (this.#held.length > 0 || this.#isBusy) {
      this.#held.push({ command, isOwn });
      return command;
    }
    const opening = isOwn || isVoid(command) ? undefined : this.#gate();
    if (opening === undefined) return this.#handOn(command, isOwn);
    this.#held.push({ command, isOwn });
    this.#awaitGate(opening);
    return command;
  }

  #handOn(command: Command, isOwn: boolean): Command {
    this.wasUsed ||= !isOwn;
    return this.#send.call(this.#connection, command);
  }

  /** Sends from the head what may be sent. */
  #pump(): void {
    while (this.#held.length > 0 && !this.#isBusy && !this.#isAtGate) {
      const [head] = this.#held as [Held];
      const opening = head.isOwn || isVoid(head.command) ? undefined : this.#gate();
      if (opening === undefined) this.#sendHead();
      else this.#awaitGate(opening);
    }
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.isIdle) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** The head waits; whoever comes meanwhile queues behind it. */
  #awaitGate(opening: Promise<void>): void {
    this.#isAtGate = true;
    const passOn = (act: () => void): void => {
      this.#isAtGate = false;
      act();
      this.#pump();
    };
    opening.then(
      () => passOn(() => (this.#isClosed ? this.#failHead(this.#closedError()) : this.#sendHead())),
      (error: unknown) => passOn(() => this.#failHead(error)),
    );
  }

  #sendHead(): void {
    const head = this.#held.shift();
    if (head !== undefined) this.#handOn(head.command, head.isOwn);
  }

  #failHead(error: unknown): void {
    const head = this.#held.shift();
    if (head !== undefined) failed(head.command, error);
  }

  #closedError(): LeaseholdError {
    return new LeaseholdError('CONNECTION_LOST', 'The connection to the database is closed.', {
      ...(this.#cause === undefined ? {} : { cause: this.#cause }),
    });
  }
}

/** The columns of a row, in the server's own words. */
export type Row = readonly (string | null)[];

const asText = (field: { string(): string | null }): string | null => field.string();

/** Its last message carries no status, and its first looks as if it did. */
const isPreparation = (command: Command): boolean => 'parameterCount' in command;

/** Such as the one that closes a prepared statement: nobody hears of it. */
const isUnanswered = (command: Command): boolean => !('onResult' in command);

/** An EXECUTE whose preparation has failed: its caller knows, and nothing will be sent. */
const isVoid = (command: Command): boolean => Object.hasOwn(command, 'start');

/** In the form that the caller chose. At once, for an EXECUTE has to hear of its preparation's failure before its turn comes. */
const failed = (command: Command, error: unknown): void => {
  if (isVoid(command) || isUnanswered(command)) return;
  const { onResult } = command;
  if (typeof onResult === 'function') {
    callOutside(() => onResult.call(command, error));
    return;
  }
  process.nextTick(() => {
    if (command.listenerCount('error') > 0) command.emit('error', error);
    command.emit('end');
  });
};
