import type { EventEmitter } from 'node:events';
import type { PoolConnection } from './mysql-lending.ts';

/** What a pool of `mysql2` runs its own statements on: a connection that comes back by itself. */
export interface Carrier {
  query(command: Statement): EventEmitter;
  execute(sql: unknown, values: unknown, callback: Callback): EventEmitter;
  release(): void;
  destroy(): void;
}

type Callback = (error: unknown, ...answer: unknown[]) => void;

interface Statement extends EventEmitter {
  onResult?: Callback;
}

/**
 * Gives the connection back before the caller hears of its answer, and after the command is off the connection: who asks for
 * the next statement in the callback of this one would have another connection opened otherwise. Without a callback the end of
 * the command is the sign.
 */
export const carrierOf = (connection: PoolConnection): Carrier => {
  const answering =
    (callback: Callback): Callback =>
    (...answer) => {
      const answered = (): void => {
        connection.release();
        callback(...answer);
      };
      // An error is told while its command is still on the connection.
      if (connection._command) process.nextTick(answered);
      else answered();
    };
  return {
    query: (command) => {
      const { onResult } = command;
      if (onResult !== undefined) command.onResult = answering(onResult);
      else command.once('end', () => process.nextTick(() => connection.release()));
      return connection.query(command);
    },
    execute: (sql, values, callback) => connection.execute(sql, values, answering(callback)),
    release: () => undefined,
    destroy: () => undefined,
  };
};
