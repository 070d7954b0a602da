import type { Clock, Timer } from '../../core/clock.ts';
import { withoutSecrets } from '../../core/errors.ts';
import type { ConnectionEnd } from '../driver.ts';
import { dropStreams, type RawStream } from '../network.ts';
import type { RawConnection } from './client.ts';
import { isFatal, isServerError } from './failure.ts';

/**
 * After the first sign of an end (a fatal message, a FIN) the rest follows within moments, and only then has the server
 * freed the slot; if it does not follow, the socket is destroyed and what was seen counts.
 */
const REST_OF_END_MS = 1_000;

/** The server's word to a write where only reading is allowed: after a failover, or in a transaction that says so itself. */
const READ_ONLY = '25006';

/** How a session ends, and whether the server itself was seen to end it: its fatal message or its FIN. */
export class SessionEnd {
  readonly #clock: Clock;
  readonly #connection: RawConnection;
  readonly #socket: RawStream;
  readonly #listeners: ((end: ConnectionEnd) => void)[] = [];
  #wasConnected = false;
  #isSecure = false;
  #isLoggedIn = false;
  #isOver = false;
  #sawFin = false;
  #fatal: Error | undefined;
  /** A statement was refused as a write: this may be a primary no more. */
  wasReadOnly = false;
  #lastError: Error | undefined;
  #end: ConnectionEnd | undefined;
  #patience: Timer | undefined;

  constructor(connection: RawConnection, clock: Clock) {
    this.#clock = clock;
    this.#connection = connection;
    this.#socket = connection.stream;
    this.#socket.on('connect', () => {
      this.#wasConnected = true;
    });
    this.#watchFin(this.#socket);
    connection.on('sslconnect', () => {
      this.#watchFin(connection.stream);
      // `pg` writes the startup message into the stream at once; Node sends nothing of it before the certificate is verified.
      connection.stream.on('secureConnect', () => {
        this.#isSecure = true;
      });
    });
    connection.on('errorMessage', (message) => this.#onServerError(message));
    connection.on('end', () => this.#finish());
  }

  /** What the connection goes through: the first stream, and the TLS that was put upon it. */
  get streams(): readonly RawStream[] {
    const { stream } = this.#connection;
    return stream === this.#socket ? [stream] : [this.#socket, stream];
  }

  /** A TCP connection was established at some time. */
  get wasConnected(): boolean {
    return this.#wasConnected;
  }

  /** TLS was established; where it was wanted, the server has not been asked for a session before. */
  get isSecure(): boolean {
    return this.#isSecure;
  }

  /** Known to be over, or about to be. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** From now on an error message of the server need not be the end. */
  loggedIn(): void {
    this.#isLoggedIn = true;
  }

  /** Once, when nothing of the connection is left. */
  onEnd(listener: (end: ConnectionEnd) => void): void {
    if (this.#end) listener(this.#end);
    else this.#listeners.push(listener);
  }

  whenEnded(): Promise<ConnectionEnd> {
    return new Promise((resolve) => this.onEnd(resolve));
  }

  /** The client reported an error: it is unusable, whether the socket knows it yet or not. */
  failed(error: unknown): void {
    if (this.#end) return;
    this.#lastError = withoutSecrets(error);
    this.#begin();
  }

  /** We have said goodbye. */
  expected(): void {
    this.#isOver = true;
  }

  /** Drops the connection here and now, and proves nothing by it. */
  destroy(error?: Error): void {
    if (this.#end) return;
    this.#lastError ??= error;
    dropStreams(this.streams);
    this.#finish();
  }

  #watchFin(stream: RawStream): void {
    stream.on('end', () => {
      // Node emits 'end' only for the peer's own end, never after a reset or a destroy.
      this.#sawFin = true;
      this.#begin();
    });
  }

  #onServerError(message: unknown): void {
    if (!isServerError(message)) return;
    if (message.code === READ_ONLY) this.wasReadOnly = true;
    if (this.#isLoggedIn && !isFatal(message)) return;
    this.#fatal = withoutSecrets(message);
    this.#begin();
  }

  #begin(): void {
    this.#isOver = true;
    this.#patience ??= this.#clock.setBackgroundTimer(REST_OF_END_MS, () => this.destroy());
  }

  #finish(): void {
    if (this.#end) return;
    this.#isOver = true;
    this.#patience?.cancel();
    const error = this.#fatal ?? this.#lastError;
    this.#end = { endSeen: this.#sawFin || this.#fatal !== undefined, ...(error ? { error } : {}) };
    for (const listener of this.#listeners.splice(0)) listener(this.#end);
  }
}
