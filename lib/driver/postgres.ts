import type pg from 'pg';
import { type Clock, systemClock } from '../core/clock.ts';
import { Deadline } from '../core/deadline.ts';
import type { Driver, OpenRequest, OpenResult } from './driver.ts';
import { driverClientClass, type PgModule } from './postgres/client.ts';
import { checkConfig } from './postgres/config.ts';
import { type LoginContext, login } from './postgres/login.ts';
import { Password } from './postgres/password.ts';
import { type Dialect, nextDialect, type SessionSettings } from './postgres/settings.ts';

export type { DatabaseCapacity } from './driver.ts';
export { type ReadCapacityOptions, readCapacity } from './postgres/capacity.ts';

export interface PostgresDriverOptions {
  /** Default: the system's clock. */
  readonly clock?: Clock;
  /**
   * Whose sessions this driver's connections end and look at. Default: their own role's. For an administrator's role beside
   * the leased one, as the sweeper's `control`; it must be a member of the role named here.
   */
  readonly role?: string;
  /**
   * After each borrower that sent a statement, the session is reset before the next one: settings, role, LISTEN, temporary
   * tables, advisory locks, cursors and sequence values; one round trip. Prepared statements stay. A server that knows
   * not all of these commands gets its connection closed instead. Default: false, only an open transaction is ended.
   */
  readonly resetSession?: boolean;
  /**
   * Between here and the database a pooler (PgBouncer, RDS Proxy) hands the database's sessions around. Then no session is this
   * connection's own: none is labelled for a census, looked for or ended, nothing is set on it, and what is leased is the right
   * to use the pooler. Default: false.
   */
  readonly behindPooler?: boolean;
}

const LABEL_MAX_BYTES = 63;

/**
 * The driver for PostgreSQL over the user's own `pg` (8.21 or later); the borrower gets a real `pg.Client` of it.
 *
 * `config` is what `new pg.Client` takes. Two of its settings are the lease's: `application_name` is replaced by the session
 * label, and `connectionTimeoutMillis` by the request's bound. At the server an idle session ends after `idleMs`, one that
 * thinks inside a transaction as well. A `statement_timeout` of the configuration stands before the pool's.
 *
 * A password function is asked at every connect, before it, and within its bound; with `rotatingSecret` a refused login is tried
 * once more with the password of that moment. Towards another machine TLS is on, and verified, unless the configuration
 * says otherwise (`ssl`, or `sslmode` in the connection string).
 *
 * What a cursor or a COPY stream fetches after its first message belongs to the statement that opened it: the gate is
 * not asked again.
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem in `details.problems`; no secret is in it.
 */
export const postgresDriver = (
  pg: PgModule,
  config: pg.ClientConfig,
  { clock = systemClock, role, resetSession = false, behindPooler = false }: PostgresDriverOptions = {},
): Driver<pg.Client> => {
  const { hasStatementTimeout, needsTls } = checkConfig(pg, config);
  const own = { ...config, ...(needsTls ? { ssl: true } : {}) };
  const password = new Password(config, clock);
  const Client = driverClientClass(pg);
  // What this server, or a pooler in front of it, was found to understand.
  let dialect: Dialect = behindPooler ? 'bare' : 'full';

  /** Only a server's refusal permits another attempt (D1), and only within the bound of the first. */
  const attempt = async (context: LoginContext, speaking: Dialect): Promise<OpenResult<pg.Client>> => {
    const result = await login(context, speaking);
    if (result.kind === 'open') dialect = speaking;
    if (result.kind !== 'refused' || context.deadline.remainingMs === 0) return result;
    const next = nextDialect(speaking, String(Reflect.get(Object(result.error.cause), 'code')));
    return next === undefined ? result : attempt(context, next);
  };

  /** One refused login may be the rotation of the password: then one more attempt, with the new one. */
  const logIn = async (
    context: Omit<LoginContext, 'password'>,
    isAgain: boolean,
  ): Promise<OpenResult<pg.Client>> => {
    const { deadline, request } = context;
    const had = await password.next(deadline, request.timeoutMs);
    if ('kind' in had) return had;
    const result = await attempt({ ...context, password: had.text }, dialect);
    if (result.kind === 'open') return result;
    if (!isAgain && (await password.isRenewed(had.text, result, deadline, request.timeoutMs)))
      return logIn(context, true);
    return password.judged(result);
  };

  return {
    engine: 'postgres',
    open: async (request: OpenRequest) => {
      if (Buffer.byteLength(request.label) > LABEL_MAX_BYTES) {
        throw new RangeError(`PostgreSQL cuts a label after ${LABEL_MAX_BYTES} bytes.`);
      }
      const deadline = new Deadline(clock, request.timeoutMs);
      const settings = settingsOf(request, hasStatementTimeout);
      const context = { Client, config: own, clock, request, settings, deadline, role };
      return logIn({ ...context, resetsSession: resetSession, isPooled: behindPooler }, false);
    },
    ...(password.onChange && { onCredentialsChange: password.onChange }),
  };
};

/** A timeout of 0 is none, and none is no reason to overrule what the role or the database has. */
const settingsOf = (
  { label, idleMs, statementTimeoutMs = 0 }: OpenRequest,
  hasStatementTimeout: boolean,
): SessionSettings => ({
  label,
  idleMs,
  ...(statementTimeoutMs > 0 && !hasStatementTimeout ? { statementTimeoutMs } : {}),
});
