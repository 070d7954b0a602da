import type { Flavour, SessionIdentity } from './session.ts';

/** What the lease wants of its session. */
export interface SessionSettings {
  readonly label: string;
  readonly idleMs: number;
  /** 0: none. */
  readonly statementTimeoutMs: number;
}

/** The server counts idle time in whole seconds. */
export const IDLE_STEP_MS = 1_000;

/**
 * The server ends a session that nobody uses (D4), in a transaction or not, never later than the registry counts on. One that
 * a frozen environment does not read from is not idle: it ends by the write timeout. A reset may give a session the
 * server's own character set; what is read and written in it is the connection's.
 */
export const settle = (
  flavour: Flavour,
  { idleMs, statementTimeoutMs }: SessionSettings,
  { charset, collation }: SessionIdentity,
): string => {
  const seconds = Math.floor(idleMs / IDLE_STEP_MS);
  const settings = [
    `SESSION wait_timeout = ${seconds}`,
    `SESSION net_write_timeout = LEAST(@@net_write_timeout, ${seconds})`,
    ...(statementTimeoutMs > 0 ? [`SESSION ${timeoutOf(flavour, statementTimeoutMs)}`] : []),
  ];
  return `SET ${settings.join(', ')}, NAMES ${charset} COLLATE ${collation}`;
};

/** MariaDB bounds every statement, in seconds and their parts; MySQL only those that read, in milliseconds. */
const timeoutOf = (flavour: Flavour, timeoutMs: number): string =>
  flavour === 'mariadb'
    ? `max_statement_time = ${timeoutMs / 1_000}`
    : `max_execution_time = ${Math.ceil(timeoutMs)}`;
