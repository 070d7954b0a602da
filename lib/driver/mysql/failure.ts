import { LeaseholdError, withoutSecrets } from '../../core/errors.ts';
import type { OpenFailure } from '../driver.ts';
import { codeOf, isCut, isTlsTrouble } from '../network.ts';

/** An error message of the server, as `mysql2` hands it on. */
export interface ServerError extends Error {
  readonly errno: number;
}

/** Only the server's own messages have their text twice. */
export const isServerError = (error: unknown): error is ServerError =>
  typeof Reflect.get(Object(error), 'sqlMessage') === 'string' && errnoOf(error) > 0;

/** Everything else that a server answers to a login is `rejected`. */
const SERVER_FAILURES: ReadonlyMap<number, OpenFailure> = new Map([
  // Too many connections: of the server, of the user (two limits), of the threads it can make.
  [1040, 'refused'],
  [1203, 'refused'],
  [1226, 'refused'],
  [1135, 'refused'],
  // Wrong user or password, no right to this database or from this host, password expired, account locked.
  [1044, 'auth'],
  [1045, 'auth'],
  [1130, 'auth'],
  [1698, 'auth'],
  [1820, 'auth'],
  [1862, 'auth'],
  [3118, 'auth'],
  [4151, 'auth'],
  // Shutting down; killed in the middle.
  [1053, 'starting'],
  [1077, 'starting'],
  [1079, 'starting'],
  [1927, 'starting'],
]);

export const serverFailure = (errno: number): OpenFailure => SERVER_FAILURES.get(errno) ?? 'rejected';

/** No retry mends these: database, setting, value, authentication method, transport, no user-level locks here. */
const PERMANENT: ReadonlySet<number> = new Set([1049, 1193, 1231, 1235, 1251, 1305, 1436, 1524, 3159]);

const errnoOf = (error: unknown): number => Number(Reflect.get(Object(error), 'errno') ?? 0);

/** What an error on this side of a started connection means; the server did not say it. */
export const localFailure = (error: unknown): OpenFailure => {
  const code = codeOf(error);
  if (isCut(code) || code === 'PROTOCOL_CONNECTION_LOST') return 'cut';
  // `mysql2` calls every trouble of a TLS handshake by one code; the network's own has a system call.
  if (Reflect.get(Object(error), 'syscall') !== undefined) return 'cut';
  return isTlsTrouble(code) || /^(HANDSHAKE_|AUTH_SWITCH)/.test(code) ? 'auth' : 'rejected';
};

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a failed login looks like from outside; nothing of the configuration but the address is in it. */
export const connectError = (
  failure: OpenFailure,
  cause: unknown,
  { host, port }: Address,
): LeaseholdError => {
  const code = codeOf(cause);
  const safe = withoutSecrets(cause);
  return new LeaseholdError(
    'CONNECT_FAILED',
    `No connection to MySQL at ${host}:${port} (${failure}): ${safe.message}${code && ` [${code}]`}`,
    {
      cause: safe,
      details: { engine: 'mysql', failure, code, errno: errnoOf(cause), host, port },
      retryable: failure !== 'auth' && !(isServerError(cause) && PERMANENT.has(cause.errno)),
    },
  );
};
