import type pg from 'pg';

/** What is used of `pg.Client` here: every form of `query` at once. */
interface QueryClient {
  query(statement: unknown, values?: unknown, callback?: unknown): unknown;
}

/** A pg.Query, a pg-cursor or a pg-query-stream: it sends itself, and tells of its end by events. */
interface Submittable {
  callback?: unknown;
  once?(event: string, listener: () => void): unknown;
}

type Callback = (error: unknown, result?: unknown) => void;

/** One statement on a client, in any form but the caller's own callback; settles when the client is free again. */
export const runStatement = async (
  client: pg.PoolClient,
  statement: unknown,
  values: unknown,
): Promise<unknown> => {
  const forms: QueryClient = client;
  if (isSubmittable(statement)) return submitted(forms, statement, values);
  // A callback inside the object would be called instead of settling the promise: it is replaced, as `pg.Pool` does.
  if (typeof Reflect.get(Object(statement), 'callback') === 'function')
    return new Promise((resolve, reject) => {
      forms.query(statement, values, settle(resolve, reject));
    });
  return forms.query(statement, values);
};

/**
 * One with a callback of its own keeps it, and hears its errors there. One without results (a cursor, a stream) is done when
 * it says so.
 */
const submitted = (client: QueryClient, statement: Submittable, values: unknown): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const { callback: own } = statement;
    if (typeof own === 'function')
      statement.callback = (...answer: unknown[]) => {
        resolve(answer[1]);
        Reflect.apply(own, statement, answer);
      };
    for (const event of ['end', 'close']) statement.once?.(event, () => resolve(undefined));
    client.query(statement, values, typeof own === 'function' ? undefined : settle(resolve, reject));
  });

/** The signs that nothing of a statement is to come any more. */
const ENDS = ['drain', 'error', 'end'] as const;

/**
 * The server's error is what a statement fails with, but its client is free only after the server's next word, at once or one
 * round trip later. Given back before, it would look busy, and whoever asks then would have another one opened.
 */
export const untilFree = (client: pg.PoolClient, error: unknown): Promise<void> | undefined => {
  const isServers = typeof Reflect.get(Object(error), 'severity') === 'string';
  const isFree = Reflect.get(client, 'readyForQuery') !== false;
  if (!isServers || isFree || Reflect.get(client, '_queryable') === false) return undefined;
  return new Promise((resolve) => {
    const free = (): void => {
      for (const event of ENDS) client.off(event, free);
      resolve();
    };
    for (const event of ENDS) client.on(event, free);
  });
};

const settle =
  (resolve: (result: unknown) => void, reject: (error: unknown) => void): Callback =>
  (error, result) => {
    if (error) reject(error);
    else resolve(result);
  };

const isSubmittable = (statement: unknown): statement is Submittable =>
  typeof Reflect.get(Object(statement), 'submit') === 'function';
