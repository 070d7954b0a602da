import { LABEL_SHAPE } from '../../core/label.ts';
import type { EndOutcome, SessionCount, SessionTarget } from '../driver.ts';
import { LEASE_MARK, MARK_SHAPE, markOf } from './mark.ts';
import type { Parameters } from './parameters.ts';

/** A statement of the driver's own; its answer is read as text. */
export interface OwnStatement {
  readonly sql: string;
  readonly parameters: Parameters;
}

export type TextRow = Readonly<Record<string, string | null>>;

/** Whose sessions are ended, looked for and counted, and how they are told apart. */
export interface SessionList {
  end(targets: readonly SessionTarget[]): OwnStatement;
  look(targets: readonly SessionTarget[]): OwnStatement;
  census(prefix: string): OwnStatement;
}

const micros = (time: string): string => `round(extract(epoch FROM ${time}) * 1000000)::bigint`;

/** The postmaster's start: no two servers, and no two lives of one server, share it. */
const SERVER = `${micros('pg_postmaster_start_time()')}::text AS server`;

export const IDENTITY: OwnStatement = { sql: `SELECT ${SERVER}`, parameters: {} };

/** The same rows in the same order, each with the server that it comes from. */
export const ofServer = ({ sql, parameters }: OwnStatement): OwnStatement => ({
  sql: `SELECT list.*, ${SERVER} FROM (${sql}) AS list`,
  parameters,
});

export interface TransactionSettings {
  readonly label: string;
  readonly idleMs: number;
  readonly statementTimeoutMs: number | undefined;
}

/** The first statement of every transaction; it ends with it. From here on the database lets go of it as of any session. */
export const labelStatement = ({ label, idleMs, statementTimeoutMs }: TransactionSettings): OwnStatement => ({
  sql: `SELECT set_config('application_name', :label, true),
      set_config('idle_in_transaction_session_timeout', :idle, true),
      set_config('statement_timeout', coalesce(:bound, current_setting('statement_timeout')), true)`,
  parameters: {
    label,
    idle: String(idleMs),
    bound: statementTimeoutMs === undefined ? null : String(statementTimeoutMs),
  },
});

const TARGET = 'SELECT * FROM json_to_recordset(CAST(:targets AS json))';

/** Tells each hit to end; `spared`: it may not be told. */
const ENDING = `told AS MATERIALIZED (
      SELECT pid, pg_terminate_backend(pid) FROM (SELECT DISTINCT pid FROM hit WHERE is_plain) AS plain
    )
    SELECT count(hit.pid)::text AS there, (count(hit.pid) - count(told.pid))::text AS spared
    FROM target LEFT JOIN hit USING (position) LEFT JOIN told ON told.pid = hit.pid
    GROUP BY position ORDER BY position`;

/**
 * What runs through the service itself: its own connections, each for a statement or a transaction. A transaction shows its
 * label, a statement its mark. What is busy and shows neither (a transaction between its begin and its label, a foreign
 * tool) may be anybody's: while it is there nobody is proven gone.
 */
const BUSY = `target AS (${TARGET} AS t (position int, label text, mark text)),
    busy AS MATERIALIZED (
      SELECT pid, usename = session_user AS is_own, coalesce(application_name, '') AS label, coalesce(query, '') AS query
      FROM pg_catalog.pg_stat_activity
      WHERE pid <> pg_backend_pid()
        AND (application_name ~ :shape OR (usename = session_user AND xact_start IS NOT NULL))
    )`;

const markedTargets = (targets: readonly SessionTarget[]): Parameters => ({
  shape: LABEL_SHAPE,
  targets: JSON.stringify(targets.map(({ label }, position) => ({ position, label, mark: markOf(label) }))),
});

export const busyList: SessionList = {
  end: (targets) => ({
    sql: `WITH ${BUSY}, hit AS MATERIALIZED (
        SELECT position, pid, true AS is_plain FROM target JOIN busy
          ON is_own AND (busy.label = target.label OR left(busy.query, length(target.mark)) = target.mark)
      ), ${ENDING}`,
    parameters: markedTargets(targets),
  }),
  look: (targets) => ({
    sql: `WITH ${BUSY}, stray AS MATERIALIZED (
        SELECT count(*) AS number FROM busy WHERE label !~ :shape AND query !~ :marks
      )
      SELECT (count(busy.pid) + max(stray.number))::text AS there
      FROM stray CROSS JOIN target LEFT JOIN busy
        ON is_own AND (busy.label = target.label OR position(target.mark IN busy.query) > 0)
      GROUP BY target.position ORDER BY target.position`,
    parameters: { ...markedTargets(targets), marks: MARK_SHAPE },
  }),
  census: (prefix) => ({
    sql: `WITH ${BUSY}, named AS (
        SELECT pid, query, CASE WHEN label ~ :shape THEN label
          ELSE replace(substring(query FROM :mark), '|', chr(58)) END AS label FROM busy
      )
      SELECT label, min(pid)::text AS pid, '0' AS started FROM named
      WHERE label IS NOT NULL AND left(label, length(:prefix)) = :prefix GROUP BY label
      UNION ALL
      SELECT NULL, count(*)::text, NULL FROM named WHERE label IS NULL AND query !~ :marks`,
    parameters: { ...markedTargets([]), prefix, mark: LEASE_MARK, marks: MARK_SHAPE },
  }),
};

interface BoundTarget {
  readonly position: number;
  readonly label: string;
  readonly pid?: number;
  readonly started?: string;
}

const fromBase36 = (text: string): bigint =>
  [...text].reduce((sum, digit) => sum * 36n + BigInt(Number.parseInt(digit, 36)), 0n);

const boundTarget = ({ label, session = '' }: SessionTarget, position: number): BoundTarget => {
  const [, server, pid, started] = /^([0-9a-z]+)\.([0-9a-z]+)\.([0-9a-z]+)$/.exec(session) ?? [];
  if (!server || !pid || !started) return { position, label };
  return { position, label, pid: Number.parseInt(pid, 36), started: String(fromBase36(started)) };
};

/** Connections that a driver of the engine has opened, of this role: by identity (a process id and its start), and by label. */
export const connectionList = (role: string | undefined): SessionList => {
  const hits = `target AS (${TARGET} AS t (position int, label text, pid bigint, started bigint)),
    hit AS MATERIALIZED (
      SELECT t.position, s.pid, s.backend_start IS NOT NULL AS is_plain
      FROM target AS t JOIN pg_catalog.pg_stat_activity AS s
        ON s.application_name = t.label
        OR (s.pid = t.pid AND coalesce(${micros('s.backend_start')} = t.started, true))
      WHERE s.usename = coalesce(CAST(:role AS name), session_user) AND s.pid <> pg_backend_pid()
    )`;
  const parameters = (targets: readonly SessionTarget[]): Parameters => ({
    targets: JSON.stringify(targets.map(boundTarget)),
    role,
  });
  return {
    end: (targets) => ({ sql: `WITH ${hits}, ${ENDING}`, parameters: parameters(targets) }),
    look: (targets) => ({
      sql: `WITH ${hits}
        SELECT count(hit.pid)::text AS there FROM target LEFT JOIN hit USING (position)
        GROUP BY position ORDER BY position`,
      parameters: parameters(targets),
    }),
    census: (prefix) => ({
      sql: `WITH client AS MATERIALIZED (
          SELECT pid, usename, ${micros('backend_start')}::text AS started, coalesce(application_name, '') AS label
          FROM pg_catalog.pg_stat_activity
          WHERE usename IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
        ), labelled AS (
          SELECT DISTINCT ON (label) label, pid::text, coalesce(started, '0') AS started
          FROM client WHERE label ~ :shape AND left(label, length(:prefix)) = :prefix
          ORDER BY label, client.started NULLS LAST, pid
        )
        SELECT label, pid, started FROM labelled
        UNION ALL
        SELECT NULL, count(*)::text, NULL FROM client
        WHERE label !~ :shape AND usename = coalesce(CAST(:role AS name), session_user) AND pid <> pg_backend_pid()`,
      parameters: { prefix, role, shape: LABEL_SHAPE },
    }),
  };
};

export const readEnd = (rows: readonly TextRow[]): EndOutcome[] =>
  rows.map(({ there, spared }) => {
    if (there === '0') return 'absent';
    return spared === '0' ? 'seen' : 'denied';
  });

export const readLook = (rows: readonly TextRow[]): boolean[] => rows.map(({ there }) => there !== '0');

export const base36 = (decimal: string | null | undefined): string => {
  if (!decimal || !/^\d+$/.test(decimal)) throw new Error('PostgreSQL did not say which server this is.');
  return BigInt(decimal).toString(36);
};

export const readCensus = (server: string, rows: readonly TextRow[]): SessionCount => ({
  sessions: rows.flatMap(({ label, pid, started }) =>
    label ? [{ label, session: `${server}.${base36(pid)}.${base36(started)}` }] : [],
  ),
  foreign: Number(rows.find(({ label }) => label === null)?.['pid'] ?? 0),
});
