import type { Clock } from '../../core/clock.ts';
import { TIMED_OUT, within } from '../../core/deadline.ts';
import { LeaseholdError } from '../../core/errors.ts';
import type { ConnectionEnd } from '../driver.ts';
import type { CommandQueue, Row } from './command-queue.ts';
import type { RawConnection } from './module.ts';
import type { Flavour } from './session.ts';
import type { SessionEnd } from './session-end.ts';
import type { ServerStatus } from './status.ts';
import type { OwnCalls } from './take-over.ts';

/** The parts of one connection, from its login on. */
export interface ConnectionParts extends OwnCalls {
  readonly raw: RawConnection;
  /** What the borrower gets: the connection itself, or the promise form of it. */
  readonly client: unknown;
  readonly statements: CommandQueue;
  readonly status: ServerStatus;
  readonly end: SessionEnd;
  readonly flavour: Flavour;
  readonly clock: Clock;
  /** Whose sessions are ended and looked at; undefined: those of the connection's own user. */
  readonly role: string | undefined;
}

/** Something of the driver's own. What is not answered in time leaves the connection in no known state: it is destroyed. */
export const answerWithin = async <Answer>(
  { end, clock }: ConnectionParts,
  asked: Promise<Answer>,
  timeoutMs: number,
): Promise<Answer> => {
  const answer = await within(clock, timeoutMs, asked);
  if (answer !== TIMED_OUT) return answer;
  const error = new LeaseholdError('CONNECTION_LOST', `MySQL did not answer within ${timeoutMs} ms.`, {
    details: { engine: 'mysql', timeoutMs },
  });
  end.destroy(error);
  throw error;
};

export const askWithin = (parts: ConnectionParts, sql: string, timeoutMs: number): Promise<readonly Row[]> =>
  answerWithin(parts, parts.statements.ask(sql), timeoutMs);

/** The error of `answerWithin` for what was not answered in time. */
export const isTimeout = (error: unknown): boolean =>
  error instanceof LeaseholdError && 'timeoutMs' in error.details;

/** Says goodbye, behind a statement that still runs, and waits for the server's own end; destroys the socket if it does not come. */
export const closeWithin = async (parts: ConnectionParts, timeoutMs: number): Promise<ConnectionEnd> => {
  const { end, clock } = parts;
  if (!end.isExpected) parts.quit();
  const ended = await within(clock, timeoutMs, end.whenEnded());
  if (ended !== TIMED_OUT) return ended;
  end.destroy();
  return end.whenEnded();
};
