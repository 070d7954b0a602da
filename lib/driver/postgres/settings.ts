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
const settingsOf = (dialect: Dialect, idleMs: number): Readonly<Record<string, number>> => {
  if (dialect === 'bare') return {};
  if (dialect === 'old') return { idle_in_transaction_session_timeout: idleMs };
  return {
    idle_session_timeout: idleMs,
    idle_in_transaction_session_timeout: idleMs,
    client_connection_check_interval: CLIENT_CHECK_MS,
    // A frozen environment acknowledges nothing: a session that is sending to it is not idle, and ends by this one.
    tcp_user_timeout: idleMs,
  };
};

/** The startup `options` with ours behind the user's own: the last one counts. */
export const startupOptions = (dialect: Dialect, idleMs: number, own: unknown): string | undefined => {
  const ours = Object.entries(settingsOf(dialect, idleMs)).map(([name, value]) => `-c ${name}=${value}`);
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

/** Sets, of label and idle timeouts, those that this server has. Only where the startup message did not do it. */
export const settleSettings = (label: string, idleMs: number) => ({
  text: `SELECT pg_catalog.set_config(have.name, want.value, false)
    FROM unnest($1::text[], $2::text[]) AS want (name, value)
    JOIN pg_catalog.pg_settings AS have ON have.name = want.name`,
  values: [
    ['application_name', 'idle_session_timeout', 'idle_in_transaction_session_timeout'],
    [label, String(idleMs), String(idleMs)],
  ],
});
