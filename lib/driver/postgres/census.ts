import { LABEL_SHAPE } from '../../core/label.ts';
import type { SessionCount } from '../driver.ts';
import { base36, micros, rawText, rowsOf } from './session.ts';

/**
 * Everybody's sessions with a lease's label that begins with `prefix`, and how many of the role's have none: two parts of one
 * list, read at one moment. Labels of other roles' sessions can be seen by all; their start and kind cannot. A parallel
 * worker shows its leader's label and is no session of its own; where kinds are hidden, a label counts once all the same.
 */
export const censusStatement = (prefix: string, role?: string) => ({
  text: `WITH client AS MATERIALIZED (
      SELECT pid, usename, ${micros('backend_start')}::text AS started, coalesce(application_name, '') AS label
      FROM pg_catalog.pg_stat_activity
      WHERE usename IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
    ), labelled AS (
      SELECT DISTINCT ON (label) label, pid::text, coalesce(started, '0') AS started
      FROM client WHERE label ~ $2 AND left(label, length($1)) = $1
      ORDER BY label, client.started NULLS LAST, pid
    )
    SELECT label, pid, started FROM labelled
    UNION ALL
    SELECT NULL, count(*)::text, NULL FROM client
    WHERE label !~ $2 AND usename = coalesce($3::name, session_user) AND pid <> pg_backend_pid()`,
  values: [prefix, LABEL_SHAPE, role],
  types: rawText,
});

interface CensusRow {
  /** None in the row that counts the foreign ones. */
  readonly label: string | null;
  readonly pid: string;
  readonly started: string;
}

export const readCensus = (server: string, result: unknown): SessionCount => {
  const rows = rowsOf<CensusRow>(result);
  const sessions = rows.flatMap(({ label, pid, started }) =>
    label === null ? [] : [{ label, session: `${server}.${base36(pid)}.${base36(started)}` }],
  );
  return { sessions, foreign: Number(rows.find(({ label }) => label === null)?.pid) };
};
