import type { Clock, Timer } from '../../core/clock.ts';
import { withoutSecrets } from '../../core/errors.ts';
import type { ConnectionEnd } from '../driver.ts';
import { dropStreams, type RawStream } from '../network.ts';

/** After a FIN the rest follows within moments; if it does not, the socket is destroyed and what was seen counts. */
const REST_OF_END_MS = 1_000;

/** How a session ends, and whether the server itself was seen to end it: by its FIN, or by a last message that says so. */
export class SessionEnd {
  readonly #clock: Clock;
  readonly #streams: RawStream[] = [];
  readonly #listeners: ((end: ConnectionEnd) => void)[] = [];
  #wasConnected = false;
  #isOver = false;
  #isExpected = false;
  #sawFin = false;
  #sawLastWord = false;
  #lastError: Error | undefined;
  #end: ConnectionEnd | undefined;
  #patience: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The socket, and the TLS that is put upon it. */
  get streams(): readonly RawStream[] {
    return this.#streams;
  }

  /** A TCP connection was established at some time. */
  get wasConnected(): boolean {
    return this.#wasConnected;
  }

  /** Known to be over, or about to be. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Somebody here has said goodbye, or has ended our half of the stream. */
  get isExpected(): boolean {
    return this.#isExpected;
  }

  watch(stream: RawStream): void {
    if (this.#streams.includes(stream)) return;
    this.#streams.push(stream);
    stream.on('connect', () => {
      this.#wasConnected = true;
    });
    stream.on('end', () => {
      // Node emits 'end' only for the peer's own end, never after a reset or a destroy.
      this.#sawFin = true;
      this.#begin();
    });
    // Our half ends by itself when the server's has.
    stream.on('finish', () => {
      if (!this.#sawFin) this.expected();
    });
    stream.on('error', (error) => this.failed(error));
    stream.on('close', () => this.#finish());
  }

  /** Once, when nothing of the connection is left. */
  onEnd(listener: (end: ConnectionEnd) => void): void {
    if (this.#end) listener(this.#end);
    else this.#listeners.push(listener);
  }

  whenEnded(): Promise<ConnectionEnd> {
    return new Promise((resolve) => this.onEnd(resolve));
  }

  /** An error of the connection itself: it is unusable, whether the socket knows it yet or not. */
  failed(error: unknown): void {
    if (this.#end || this.#isExpected) return;
    this.#lastError ??= withoutSecrets(error);
    this.#sawLastWord ||= isLastWord(error);
    this.#begin();
  }

  /** We have said goodbye. */
  expected(): void {
    this.#isExpected = true;
    this.#isOver = true;
  }

  /** Drops the connection here and now, and proves nothing by it. */
  destroy(error?: Error): void {
    if (this.#end) return;
    this.#lastError ??= error;
    dropStreams(this.#streams);
    this.#finish();
  }

  #begin(): void {
    this.#isOver = true;
    this.#patience ??= this.#clock.setBackgroundTimer(REST_OF_END_MS, () => this.destroy());
  }

  #finish(): void {
    if (this.#end) return;
    this.#isOver = true;
    this.#patience?.cancel();
    const error = this.#lastError ?? (this.#isExpected ? undefined : lost());
    this.#end = { endSeen: this.#sawFin || this.#sawLastWord, ...(error ? { error } : {}) };
    for (const listener of this.#listeners.splice(0)) listener(this.#end);
  }
}

/** A message that the server sends when nothing was asked says why it ends the session: idle for too long, killed, shut down. */
const isLastWord = (error: unknown): boolean =>
  Reflect.get(Object(error), 'fatal') === true && /^ER_/.test(String(Reflect.get(Object(error), 'code')));

/** In the words of `mysql2`, which learns of it later than we do. */
const lost = (): Error =>
  Object.assign(new Error('Connection lost: The server closed the connection.'), {
    code: 'PROTOCOL_CONNECTION_LOST',
  });
