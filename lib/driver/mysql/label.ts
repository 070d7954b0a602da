import { LABEL_SHAPE } from '../../core/label.ts';

/**
 * MySQL shows no name of a session to everybody. It does show user-level locks: whoever knows a lock's name is told the
 * thread id of the session that holds it, without any grant, and a session's locks are gone when it is. So a session takes, in
 * its first statement, locks whose names are its label:
 *
 * - the label itself: who looks for a lease finds its session;
 * - `lh <thread>`: a lease accounts for this session;
 * - `lh <thread> <beginning of the label>`, and `lh <thread> <position> <character code>` for each character of the rest: a census
 *   that knows the thread ids reads the label back.
 */
const MARK = 'lh ';

/** Of a lease and its fence; everything before is the beginning that a resource's labels share. */
const REST = /[^:]+:[^:]+$/;

/** What may stand in it. */
const REST_CODES = [...'-0123456789:ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz'].map((character) =>
  character.charCodeAt(0),
);
const REST_MAX = 44;

const IS_LEASE = new RegExp(LABEL_SHAPE);

/** Read alike whatever the session's SQL mode and character set. */
const literal = (text: string): string => `CONVERT(0x${Buffer.from(text).toString('hex')} USING utf8mb4)`;

const onThread = (thread: string, ...more: readonly (string | number)[]): string =>
  `CONCAT('${MARK}', ${[thread, ...more.flatMap((each) => ["' '", each])].join(', ')})`;

/** Names of locks as expressions of SQL. */
const namesOf = (label: string): readonly string[] => {
  if (!IS_LEASE.test(label)) return label === '' ? [] : [literal(label)];
  const rest = REST.exec(label)?.[0] ?? '';
  const beginning = label.slice(0, label.length - rest.length);
  const thread = 'CONNECTION_ID()';
  return [
    literal(label),
    onThread(thread),
    onThread(thread, literal(beginning)),
    ...[...rest].map((character, position) => onThread(thread, position, character.charCodeAt(0))),
  ];
};

/** Takes the label's locks without waiting; a number. */
export const takeLabel = (label: string): string =>
  ['0', ...namesOf(label).map((name) => `COALESCE(GET_LOCK(${name}, 0), 0)`)].join(' + ');

/** Whether that number is all of them. Only a lease's label is ever looked for: without another one a session does as well. */
export const hasLabel = (label: string, taken: string | null | undefined): boolean =>
  !IS_LEASE.test(label) || Number(taken) === namesOf(label).length;

/** The thread id of the session with this label; NULL: there is none. */
export const threadOf = (label: string): string => `IS_USED_LOCK(${literal(label)})`;

/** Of a thread id, an expression: whether a lease's label is on that session. */
export const isMarked = (thread: string): string =>
  `COALESCE(IS_USED_LOCK(${onThread(thread)}) = ${thread}, 0)`;

/** The same for one whose label begins so. */
export const hasBeginning = (thread: string, beginning: string): string =>
  `COALESCE(IS_USED_LOCK(${onThread(thread, literal(beginning))}) = ${thread}, 0)`;

/** A row for each character of each thread of `threads` (a subselect with a column `id`): thread, position, code. */
export const selectRests = (threads: string): string => `SELECT t.id, p.position, c.code
  FROM (${threads}) AS t
  JOIN (${rows(
    'position',
    Array.from({ length: REST_MAX }, (_, position) => position),
  )}) AS p
  JOIN (${rows('code', REST_CODES)}) AS c
  WHERE IS_USED_LOCK(${onThread('t.id', 'p.position', 'c.code')}) = t.id`;

const rows = (name: string, values: readonly number[]): string =>
  values.map((value, at) => `SELECT ${value}${at === 0 ? ` AS ${name}` : ''}`).join(' UNION ALL ');
