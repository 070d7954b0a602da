import { createHash } from 'node:crypto';
import type { SessionTarget } from '../driver.ts';
import type { Row } from './command-queue.ts';
import { isMarked, takeLabel, threadOf } from './label.ts';

/** Who a session is, in the server's own words. */
export interface SessionIdentity {
  /** The server's start and a hash of what names it: no two servers, and no two lives of one server, share it. */
  readonly server: string;
  /** `<server>.<thread id>` in base 36: within one life of a server no thread id comes twice. */
  readonly session: string;
  /** What the connection was made with, and what a reset may have changed. */
  readonly charset: string;
  readonly collation: string;
  readonly database: string | null;
}

/** Which of the two the server says it is. MySQL knows `server_uuid`; MariaDB keeps its status elsewhere. */
export type Flavour = 'mariadb' | 'mysql';

export const flavourOf = (version: string | undefined): Flavour =>
  /mariadb/i.test(version ?? '') ? 'mariadb' : 'mysql';

const STATUS: Readonly<Record<Flavour, string>> = {
  mariadb: 'information_schema.GLOBAL_STATUS',
  mysql: 'performance_schema.global_status',
};
const OWN_NAME: Readonly<Record<Flavour, string>> = { mariadb: "''", mysql: '@@server_uuid' };

/**
 * The one statement of a login: who am I? And the label. The uptime is what has passed since the start up to this statement's
 * own time, so their difference is the start, to the second, whenever it is asked.
 */
export const identify = (flavour: Flavour, label: string): string => `SELECT CONNECTION_ID(),
    CONCAT_WS(' ', @@hostname, @@port, @@server_id, @@datadir, ${OWN_NAME[flavour]}),
    UNIX_TIMESTAMP() - CAST(up.VARIABLE_VALUE AS SIGNED),
    @@character_set_client, @@collation_connection, DATABASE(),
    ${takeLabel(label)}
  FROM ${STATUS[flavour]} AS up WHERE up.VARIABLE_NAME = 'Uptime'`;

/** Of the server's id: 36^12 of them. */
const HASH_CHARACTERS = 12;

/** The locks taken come last. @throws if the server did not say who this session is. */
export const readIdentity = ([row]: readonly Row[]): SessionIdentity & { readonly locks: string | null } => {
  const [thread, name, start, charset, collation, database = null, locks = null] = row ?? [];
  if (!thread || !name || !start || !charset || !collation)
    throw new Error('The server did not say who this session is.');
  const hash = BigInt(`0x${createHash('sha256').update(name).digest('hex')}`).toString(36);
  const server = `${BigInt(start.replace(/\..*/, '')).toString(36)}${hash.slice(0, HASH_CHARACTERS)}`;
  return { server, session: sessionOf(server, thread), charset, collation, database, locks };
};

export const sessionOf = (server: string, thread: string): string =>
  `${server}.${BigInt(thread).toString(36)}`;

/** The user whose sessions are meant, as an expression: the given one, or the connection's own as it logged in. */
const userOf = (role: string | undefined): string =>
  role === undefined
    ? "LEFT(USER(), CHAR_LENGTH(USER()) - LOCATE('@', REVERSE(USER())))"
    : `CONVERT(0x${Buffer.from(role).toString('hex')} USING utf8mb4)`;

/** The sessions of that user, this one aside: id. The server shows a user its own without any grant. */
export const sessionsOf = (role: string | undefined): string =>
  `SELECT s.ID AS id FROM information_schema.PROCESSLIST AS s
    WHERE CONVERT(s.USER USING utf8mb4) COLLATE utf8mb4_bin = ${userOf(role)} AND s.ID <> CONNECTION_ID()`;

/** The list of now: each session and whether a lease's label is on it, and behind them the thread of each target's label. */
export const listStatement = (targets: readonly SessionTarget[], role: string | undefined): string =>
  [
    `SELECT 'session', t.id, ${isMarked('t.id')} FROM (${sessionsOf(role)}) AS t`,
    ...targets.map(({ label }, at) => `SELECT 'label', ${at}, ${threadOf(label)}`),
  ].join(' UNION ALL ');

/** What the list shows of one target. */
export interface Hit {
  readonly threads: readonly string[];
  /** A session without a label may be the one that is looked for: nothing else is known of it. */
  readonly mayBeUnlabelled: boolean;
}

export const readList = (
  server: string,
  targets: readonly SessionTarget[],
  rows: readonly Row[],
): readonly Hit[] => {
  const sessions = new Map(rows.filter(([kind]) => kind === 'session').map(([, id, mark]) => [id, mark]));
  const labels = rows.filter(([kind]) => kind === 'label');
  const isAnyUnlabelled = [...sessions.values()].some((mark) => mark === '0');
  return targets.map((target, at) => {
    const labelled = labels.find(([, position]) => position === String(at))?.[2];
    const wanted = [boundOn(server, target), labelled];
    const threads = [...new Set(wanted)].filter(
      (id): id is string => typeof id === 'string' && sessions.has(id),
    );
    return { threads, mayBeUnlabelled: target.session === undefined && isAnyUnlabelled };
  });
};

/** Another server's session cannot be here, so only its label is looked for. */
const boundOn = (server: string, { session }: SessionTarget): string | undefined => {
  const [, home, thread] = /^([0-9a-z]+)\.([0-9a-z]+)$/.exec(session ?? '') ?? [];
  return home === server && thread ? String(fromBase36(thread)) : undefined;
};

const fromBase36 = (text: string): bigint =>
  [...text].reduce((sum, digit) => sum * 36n + BigInt(Number.parseInt(digit, 36)), 0n);
