import type { EndOutcome, SessionTarget } from '../driver.ts';
import { durationMs, type SessionSettings } from './settings.ts';

/** Who a session is, in the server's own words. Times are microseconds since 1970, as decimal text. */
export interface SessionIdentity {
  /** The postmaster's start in base 36: no two servers, and no two lives of one server, share it. */
  readonly server: string;
  /** `<server>.<process id>.<backend start>`, all in base 36. */
  readonly session: string;
}

/** Everything comes as text and stays text: the user's own type parsers must not change what the driver reads. */
export const rawText = { getTypeParser: () => (value: unknown) => (value === null ? null : String(value)) };

export const micros = (time: string): string => `round(extract(epoch FROM ${time}) * 1000000)::bigint`;

/** The one statement of a login: who am I, and did the startup message arrive? */
export const IDENTITY = {
  text: `SELECT pg_backend_pid()::text AS pid,
      ${micros('me.backend_start')}::text AS started,
      ${micros('pg_postmaster_start_time()')}::text AS server_started,
      current_setting('application_name') AS label,
      current_setting('idle_session_timeout', true) AS idle,
      current_setting('idle_in_transaction_session_timeout', true) AS idle_in_transaction,
      current_setting('statement_timeout', true) AS statement
    FROM pg_catalog.pg_stat_get_activity(pg_backend_pid()) AS me`,
  types: rawText,
};

interface IdentityRow {
  readonly pid: string;
  readonly started: string | null;
  readonly server_started: string;
  readonly label: string;
  readonly idle: string | null;
  readonly idle_in_transaction: string | null;
  readonly statement: string | null;
}

/** Whether the server takes writes; a session that was made for reading only is none for the next borrower either. */
export const IS_PRIMARY = {
  text: `SELECT (NOT pg_catalog.pg_is_in_recovery()
      AND NOT pg_catalog.current_setting('default_transaction_read_only')::boolean)::text AS is_primary`,
  types: rawText,
};

export const rowsOf = <Row>(result: unknown): readonly Row[] => (result as { rows: Row[] }).rows;

export const base36 = (decimal: string | null | undefined): string => {
  if (!decimal) throw new Error('PostgreSQL did not say who this session is.');
  return BigInt(decimal).toString(36);
};

export const readIdentity = (result: unknown): SessionIdentity => {
  const row = rowsOf<IdentityRow>(result)[0];
  const server = base36(row?.server_started);
  return { server, session: `${server}.${base36(row?.pid)}.${base36(row?.started)}` };
};

/** What can be said behind a pooler: a name, by which nobody is ever looked for. */
export const pooledIdentity = ({ processID }: { readonly processID: number | null }): SessionIdentity => ({
  server: 'pooler',
  session: `pooler.${(processID ?? 0).toString(36)}.0`,
});

/** False where a pooler has dropped the startup options or the label. A setting that the server does not have counts as set. */
export const hasSettings = (
  result: unknown,
  { label, idleMs, statementTimeoutMs }: SessionSettings,
): boolean => {
  const row = rowsOf<IdentityRow>(result)[0];
  const isSet = (shown: string | null | undefined, wantedMs: number | undefined): boolean =>
    shown == null || wantedMs === undefined || durationMs(shown) === wantedMs;
  return (
    row?.label === label &&
    isSet(row.idle, idleMs) &&
    isSet(row.idle_in_transaction, idleMs) &&
    isSet(row.statement, statementTimeoutMs)
  );
};

interface BoundSession {
  readonly pid: number;
  readonly started: string;
}

/** Another server's session cannot be here, so only its label is looked for. */
const boundOn = (server: string, { session }: SessionTarget): BoundSession | undefined => {
  const [, home, pid, started] = /^([0-9a-z]+)\.([0-9a-z]+)\.([0-9a-z]+)$/.exec(session ?? '') ?? [];
  if (home !== server || !pid || !started) return undefined;
  return { pid: Number.parseInt(pid, 36), started: String(fromBase36(started)) };
};

const fromBase36 = (text: string): bigint =>
  [...text].reduce((sum, digit) => sum * 36n + BigInt(Number.parseInt(digit, 36)), 0n);

/**
 * Sessions of this role (or of the one that is named) and this database that are a target's, never this one. By identity, and by label: a borrower may have
 * changed the label, and a session that was never bound has nothing else. A role's own sessions always show their start;
 * where it is hidden (a borrower has done SET ROLE on THIS session), a process id that fits counts as still there, and is
 * not ended.
 */
const HITS = `target AS (
    SELECT * FROM unnest($1::int[], $2::bigint[], $3::text[]) WITH ORDINALITY AS t (pid, started, label, position)
  ), hit AS MATERIALIZED (
    SELECT t.position, s.pid, s.backend_start IS NOT NULL AS is_plain
    FROM target AS t JOIN pg_catalog.pg_stat_activity AS s
      ON s.application_name = t.label
      OR (s.pid = t.pid AND coalesce(${micros('s.backend_start')} = t.started, true))
    WHERE s.usename = coalesce($4::name, session_user) AND s.datname = current_database() AND s.pid <> pg_backend_pid()
  )`;

const parameters = (
  server: string,
  targets: readonly SessionTarget[],
  role: string | undefined,
): unknown[] => {
  const bound = targets.map((target) => boundOn(server, target));
  return [
    bound.map((b) => b?.pid ?? null),
    bound.map((b) => b?.started ?? null),
    targets.map((t) => t.label),
    role,
  ];
};

/** Ends the targets' sessions. `pg_terminate_backend` only tells them: a look proves that they are gone. */
export const endStatement = (server: string, targets: readonly SessionTarget[], role?: string) => ({
  text: `WITH ${HITS}, told AS MATERIALIZED (
      SELECT pid, pg_terminate_backend(pid) FROM (SELECT DISTINCT pid FROM hit WHERE is_plain) AS plain
    )
    SELECT count(hit.pid)::text AS there, (count(hit.pid) - count(told.pid))::text AS spared
    FROM target LEFT JOIN hit USING (position) LEFT JOIN told ON told.pid = hit.pid
    GROUP BY position ORDER BY position`,
  values: parameters(server, targets, role),
  types: rawText,
});

export const readEnd = (result: unknown): EndOutcome[] =>
  rowsOf<{ there: string; spared: string }>(result).map(({ there, spared }) => {
    if (there === '0') return 'absent';
    return spared === '0' ? 'seen' : 'denied';
  });

/** Which targets the server's list shows now. */
export const lookStatement = (server: string, targets: readonly SessionTarget[], role?: string) => ({
  text: `WITH ${HITS}
    SELECT count(hit.pid)::text AS there FROM target LEFT JOIN hit USING (position)
    GROUP BY position ORDER BY position`,
  values: parameters(server, targets, role),
  types: rawText,
});

export const readLook = (result: unknown): boolean[] =>
  rowsOf<{ there: string }>(result).map(({ there }) => there !== '0');
