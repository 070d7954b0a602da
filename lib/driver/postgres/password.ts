import type pg from 'pg';
import type { Clock } from '../../core/clock.ts';
import { type Deadline, TIMED_OUT, within } from '../../core/deadline.ts';
import { LeaseholdError, redact } from '../../core/errors.ts';
import { isRenewable, type RenewablePassword } from '../../core/password.ts';
import type { OpenResult } from '../driver.ts';
import { isLoginRefusal } from './failure.ts';

type Failed = Exclude<OpenResult<never>, { kind: 'open' }>;

/**
 * The password of the configuration where that is a function. It is asked before anything is opened: a slow vault would else
 * keep a half-open session at the server, and one that fails would look as if the server had failed.
 */
export class Password {
  readonly #read: (() => unknown) | undefined;
  readonly #renewable: RenewablePassword | undefined;
  readonly #clock: Clock;

  constructor({ password }: pg.ClientConfig, clock: Clock) {
    this.#read = typeof password === 'function' ? password : undefined;
    this.#renewable = isRenewable(password) ? password : undefined;
    this.#clock = clock;
  }

  /** A fresh one for this attempt; undefined: the configuration has it. Or the outcome of an attempt that cannot be made. */
  async next(deadline: Deadline, timeoutMs: number): Promise<{ readonly text: string | undefined } | Failed> {
    const read = this.#read;
    if (read === undefined) return { text: undefined };
    try {
      const text = await within(this.#clock, deadline.remainingMs, (async () => read())());
      if (text === TIMED_OUT || isLate(deadline, timeoutMs))
        return notHad(new Error('it did not come in time'));
      return typeof text === 'string' ? { text } : notHad(new Error('it is no text'));
    } catch (error) {
      return notHad(error);
    }
  }

  /** The server has refused the login with this password: is there another one, in time? */
  async isRenewed(
    refused: string | undefined,
    result: Failed,
    deadline: Deadline,
    timeoutMs: number,
  ): Promise<boolean> {
    if (this.#renewable === undefined || refused === undefined || !isLoginRefusal(result)) return false;
    const renewed = await within(this.#clock, deadline.remainingMs, this.#renewable.renew(refused));
    return renewed === true && !isLate(deadline, timeoutMs);
  }

  /** A password that somebody rotates may be right again in a moment. */
  judged(result: Failed): Failed {
    if (this.#renewable === undefined || !isLoginRefusal(result)) return result;
    const { message, cause } = result.error;
    const details = result.error instanceof LeaseholdError ? result.error.details : {};
    const error = new LeaseholdError('CONNECT_FAILED', message, { cause, details, retryable: true });
    return { ...result, error };
  }

  get onChange(): RenewablePassword['onChange'] | undefined {
    return this.#renewable?.onChange;
  }
}

/** A connect with less than this part of its time left would only leave a lease behind of which nobody knows what became. */
const LEAST_PART = 0.1;

const isLate = ({ remainingMs }: Deadline, timeoutMs: number): boolean =>
  remainingMs < LEAST_PART * timeoutMs;

/** Nothing was opened. */
const notHad = (cause: unknown): Failed => {
  const text = cause instanceof Error ? redact(cause.message) : 'unknown';
  return {
    kind: 'refused',
    failure: 'credentials',
    error: new LeaseholdError('CONNECT_FAILED', `No password for PostgreSQL: ${text}`, {
      cause,
      details: { engine: 'postgres', failure: 'credentials' },
    }),
  };
};
