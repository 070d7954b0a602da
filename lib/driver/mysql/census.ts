import type { SessionCount } from '../driver.ts';
import type { Row } from './command-queue.ts';
import { hasBeginning, isMarked, selectRests } from './label.ts';
import { sessionOf, sessionsOf } from './session.ts';

/**
 * The user's own sessions whose label begins with `prefix`, character by character, this one among them; and how many have no
 * lease's label at all. The server shows no other user's sessions without a grant.
 */
export const censusStatement = (prefix: string, role: string | undefined): string => {
  const everyone = `${sessionsOf(role)} UNION ALL SELECT CONNECTION_ID()`;
  const mine = `SELECT u.id FROM (${everyone}) AS u WHERE ${hasBeginning('u.id', prefix)}`;
  return `${selectRests(mine)}
    UNION ALL SELECT COUNT(*), NULL, NULL FROM (${sessionsOf(role)}) AS f WHERE NOT ${isMarked('f.id')}`;
};

export const readCensus = (server: string, prefix: string, rows: readonly Row[]): SessionCount => {
  const rests = new Map<string, string[]>();
  let foreign = 0;
  for (const [id, position, code] of rows) {
    if (id == null) continue;
    if (position == null || code == null) foreign = Number(id);
    else {
      const characters = rests.get(id) ?? [];
      characters[Number(position)] = String.fromCharCode(Number(code));
      rests.set(id, characters);
    }
  }
  const sessions = [...rests].map(([thread, characters]) => ({
    label: `${prefix}${characters.join('')}`,
    session: sessionOf(server, thread),
  }));
  return { sessions, foreign };
};
