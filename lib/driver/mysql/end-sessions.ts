import type { EndOutcome } from '../driver.ts';
import type { Hit } from './session.ts';

/** Unknown thread: it has ended meanwhile. */
const GONE = 'ER_NO_SUCH_THREAD';
/** Not one's own, and the right to end others' is missing. */
const DENIED = 'ER_KILL_DENIED_ERROR';

/** Tells each session that the list has shown to end. Safe one by one: no thread id ever becomes another session's. */
export const endSessions = async (
  hits: readonly Hit[],
  ask: (sql: string) => Promise<unknown>,
): Promise<readonly EndOutcome[]> => {
  const denied = new Set<string>();
  for (const thread of new Set(hits.flatMap(({ threads }) => threads)))
    if (!(await kill(thread, ask))) denied.add(thread);
  return hits.map(({ threads }) => {
    if (threads.length === 0) return 'absent';
    return threads.some((thread) => denied.has(thread)) ? 'denied' : 'seen';
  });
};

const kill = async (thread: string, ask: (sql: string) => Promise<unknown>): Promise<boolean> => {
  try {
    await ask(`KILL ${thread}`);
    return true;
  } catch (error) {
    const code: unknown = Reflect.get(Object(error), 'code');
    if (code !== GONE && code !== DENIED) throw error;
    return code === GONE;
  }
};
