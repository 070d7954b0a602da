import type { EventEmitter } from 'node:events';
import type pg from 'pg';
import { callOutside } from '../core/call-outside.ts';

type Log = (...messages: unknown[]) => void;

/** What a pool tells its listeners, in the words and with the arguments of `pg.Pool`. */
export class PgEvents {
  readonly #emitter: EventEmitter;
  readonly log: Log;

  constructor(emitter: EventEmitter, log: Log) {
    this.#emitter = emitter;
    this.log = log;
  }

  tell(event: 'connect' | 'acquire' | 'release' | 'remove' | 'error', ...values: unknown[]): void {
    callOutside(() => this.#emitter.emit(event, ...values));
  }

  /** An idle client has died. An 'error' that nobody listens for would end the process. */
  fail(client: pg.Client, cause: Error | undefined): void {
    if (this.#emitter.listenerCount('error') === 0) return;
    const error = cause ?? new Error('Connection terminated unexpectedly');
    Object.defineProperty(error, 'client', { value: client, configurable: true, writable: true });
    this.tell('error', error, client);
  }
}
