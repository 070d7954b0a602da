import type { DriverExceptions } from '../driver.ts';

/** What MySQL and MariaDB have no means for, and what holds instead. */
export const MYSQL_EXCEPTIONS: DriverExceptions = {
  'label-from-birth':
    'a login carries no label; it is the first statement, and while a session of the user has none, no unbound lease is settled by its absence',
  'shared-label': 'a label is a user-level lock, which one session holds at a time; a second one is refused',
  'idle-in-ms': 'wait_timeout counts whole seconds; idleMs is rounded down, so a session never lives longer',
  'idle-end-seen':
    'MariaDB resets the socket of a session that idled for too long, and a reset proves nothing; a look does',
  'killed-end-frees':
    'whoever kills a session shuts its socket before its own thread has left the user’s count; a connect in that moment may be refused, and is tried again',
  'stop-on-close': 'a statement is stopped from another session only, and none is leased for that',
  'census-of-all-roles': 'the process list shows a user its own sessions only, unless it may see all',
};
