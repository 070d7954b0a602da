import type mysql from 'mysql2';
import { type Clock, systemClock } from '../core/clock.ts';
import { Deadline } from '../core/deadline.ts';
import type { Driver, OpenRequest } from './driver.ts';
import { checkConfig } from './mysql/config.ts';
import { MYSQL_EXCEPTIONS } from './mysql/exceptions.ts';
import { login } from './mysql/login.ts';
import type { MysqlModule } from './mysql/module.ts';
import { IDLE_STEP_MS } from './mysql/settings.ts';

export type { MysqlModule } from './mysql/module.ts';

export interface MysqlDriverOptions {
  /** Default: the system's clock. */
  readonly clock?: Clock;
  /**
   * Whose sessions this driver's connections end and look at. Default: their own user's. For an administrator's user beside
   * the leased one, as the sweeper's `control`; it must be allowed to see and to end the sessions of the user named here.
   */
  readonly role?: string;
  /**
   * After each borrower that sent a statement, the session is reset before the next one (COM_RESET_CONNECTION): variables,
   * temporary tables, locks and prepared statements; three round trips. Default: false, only an open transaction is ended.
   */
  readonly resetSession?: boolean;
}

/** The longest name of a user-level lock, and of a label. */
const LABEL_MAX_BYTES = 63;

/**
 * The driver for MySQL (5.7.5 or later) and MariaDB (10.2 or later) over the user's own `mysql2` (3.24 or later). The borrower
 * gets a connection as that module makes it: with callbacks from `mysql2`, with promises from `mysql2/promise`.
 *
 * `config` is what `createConnection` takes. `connectTimeout` is replaced by the request's bound, and the connection attribute
 * `program_name` is the session label. The label itself is a user-level lock of the session: a borrower who calls
 * RELEASE_ALL_LOCKS gives that up as well, and its session is from then on known by its thread id alone.
 *
 * A statement timeout is MariaDB's `max_statement_time`; MySQL's `max_execution_time` bounds only statements that read.
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem in `details.problems`; no secret is in it.
 */
export const mysqlDriver = <Connection>(
  mysql2: MysqlModule<Connection>,
  config: mysql.ConnectionOptions,
  { clock = systemClock, role, resetSession = false }: MysqlDriverOptions = {},
): Driver<Connection> => {
  const parsed = checkConfig(mysql2, config);
  const own = { ...config };
  return {
    engine: 'mysql',
    exceptions: MYSQL_EXCEPTIONS,
    open: async (request: OpenRequest) => {
      const { label, idleMs, statementTimeoutMs = 0 } = request;
      if (Buffer.byteLength(label) > LABEL_MAX_BYTES)
        throw new RangeError(`A session label has at most ${LABEL_MAX_BYTES} bytes.`);
      if (idleMs < IDLE_STEP_MS)
        throw new RangeError(`MySQL counts idle time in whole seconds: ${idleMs} ms are too few.`);
      return login<Connection>({
        ...{ module: mysql2, config: own, parsed, clock, request, role, resetsSession: resetSession },
        settings: { label, idleMs, statementTimeoutMs },
        deadline: new Deadline(clock, request.timeoutMs),
      });
    },
  };
};
