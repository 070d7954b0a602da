/** What the lease wants of its session, from the first instant to the end. */
export interface SessionSettings {
  readonly label: string;
  readonly idleMs: number;
  /** Absent: not ours to set. */
  readonly statementTimeoutMs?: number;
}

/**
 * The session settings that let the server end a session nobody uses (D4), and the ways to say them.
 *
 * - `full`: PostgreSQL 14 and later.
 * - `old`: without `idle_session_timeout`, which came with 14.
 * - `bare`: some poolers take no startup `options` at all; the settings follow right after the login.
 */
export type Dialect = 'full' | 'old' | 'bare';

/** How often the server looks, during a statement, whether its client is still there: an orphan's statement ends early. */
const CLIENT_CHECK_MS = 2_000;

/** All take milliseconds when no unit is given. */
const settingsOf = (
  dialect: Dialect,
  { idleMs, statementTimeoutMs }: SessionSettings,
): Readonly<Record<string, number>> => {
  if (dialect === 'bare') return {};
  const everywhere = {
    idle_in_transaction_session_timeout: idleMs,
    ...(statementTimeoutMs === undefined ? {} : { statement_timeout: statementTimeoutMs }),
  };
  if (dialect === 'old') return everywhere;
  return {
    ...everywhere,
    idle_session_timeout: idleMs,
    client_connection_check_interval: CLIENT_CHECK_MS,
    // A frozen environment acknowledges nothing: a session that is sending to it is not idle, and ends by this one.
    tcp_user_timeout: idleMs,
  };
};

/** The startup `options` with ours behind the user's own: the last one counts. */
export const startupOptions = (
  dialect: Dialect,
  settings: SessionSettings,
  own: unknown,
): string | undefined => {
  const ours = Object.entries(settingsOf(dialect, settings)).map(([name, value]) => `-c ${name}=${value}`);
  const all = [...(typeof own === 'string' && own !== '' ? [own] : []), ...ours];
  return all.length > 0 ? all.join(' ') : undefined;
};

/** Unknown setting; value that this platform does not take. */
const SETTING_REFUSED: ReadonlySet<string> = new Set(['42704', '22023']);
/** PgBouncer says 08P01, RDS Proxy 0A000. */
const OPTIONS_REFUSED: ReadonlySet<string> = new Set(['08P01', '0A000']);

/** What to try after the server has refused a login with this code, if anything. */
export const nextDialect = (dialect: Dialect, code: string): Dialect | undefined => {
  if (dialect === 'bare') return undefined;
  if (OPTIONS_REFUSED.has(code)) return 'bare';
  if (SETTING_REFUSED.has(code)) return dialect === 'full' ? 'old' : 'bare';
  return undefined;
};

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `SHOW` writes a duration in the largest unit that fits: `5min`, `1500ms`, `0`. */
export const durationMs = (shown: string): number => {
  const [, digits, unit = 'ms'] = /^(\d+)(ms|s|min|h|d)?$/.exec(shown) ?? [];
  return digits === undefined ? Number.NaN : Number(digits) * (UNIT_MS[unit] ?? Number.NaN);
};

/**
 * Sets, of label and timeouts, those that this server has. Only where the startup message did not do it. It has no
 * parameters, so that other statements can stand before it in one message.
 */
export const settleSettings = ({ label, idleMs, statementTimeoutMs }: SessionSettings): string => {
  const wanted = {
    application_name: label,
    idle_session_timeout: idleMs,
    idle_in_transaction_session_timeout: idleMs,
    ...(statementTimeoutMs === undefined ? {} : { statement_timeout: statementTimeoutMs }),
  };
  const rows = Object.entries(wanted).map(([name, value]) => `('${name}', ${literal(String(value))})`);
  return `SELECT pg_catalog.set_config(have.name, want.value, false)
    FROM (VALUES ${rows.join(', ')}) AS want (name, value)
    JOIN pg_catalog.pg_settings AS have ON have.name = want.name`;
};

/** Read alike whatever `standard_conforming_strings` says. */
const literal = (text: string): string => `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
