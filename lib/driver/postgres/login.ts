import type pg from 'pg';
import type { Clock } from '../../core/clock.ts';
import { type Deadline, TIMED_OUT, within } from '../../core/deadline.ts';
import type { OpenFailure, OpenRequest, OpenResult } from '../driver.ts';
import { isUnreachable } from '../network.ts';
import type { DriverClientClass } from './client.ts';
import { askWithin, type ConnectionParts, closeWithin, isTimeout, PostgresConnection } from './connection.ts';
import { connectError, isServerError, localFailure, serverFailure } from './failure.ts';
import { hasSettings, IDENTITY, pooledIdentity, readIdentity } from './session.ts';
import { SessionEnd } from './session-end.ts';
import { undoStatements } from './session-reset.ts';
import { type Dialect, type SessionSettings, settleSettings, startupOptions } from './settings.ts';
import { StatementQueue } from './statement-queue.ts';

/** How long a failed login waits for the server's FIN: until then its slot may still count. */
const FIN_WAIT_MS = 1_000;

export interface LoginContext {
  readonly Client: DriverClientClass;
  readonly config: pg.ClientConfig;
  /** Where the configuration has a function for it. */
  readonly password: string | undefined;
  readonly clock: Clock;
  readonly request: OpenRequest;
  /** Of the request, as far as the user's own configuration leaves it to the lease. */
  readonly settings: SessionSettings;
  readonly deadline: Deadline;
  readonly role: string | undefined;
  readonly resetsSession: boolean;
  readonly isPooled: boolean;
}

/** One connection attempt in one dialect, the session's identity included. */
export const login = async (context: LoginContext, dialect: Dialect): Promise<OpenResult<pg.Client>> => {
  const parts = makeParts(context, dialect);
  const { clock, deadline } = context;
  try {
    const connected = await within(clock, deadline.remainingMs, parts.client.connect());
    if (connected === TIMED_OUT) return timedOut(context, parts);
  } catch (error) {
    return failedLogin(context, parts, error);
  }
  parts.end.loggedIn();
  return identified(context, parts);
};

const makeParts = (
  { Client, config, password, clock, request, settings, role, isPooled }: LoginContext,
  dialect: Dialect,
): ConnectionParts => {
  const statements = new StatementQueue(request.gate, config.pipeline === true);
  // `onError` cannot be called before `connect`.
  let end: SessionEnd | undefined;
  // The bound is ours, and so is what the configuration says about the label.
  const client = new Client(
    { ...config, connectionTimeoutMillis: 0 },
    {
      statements,
      completeStartup: (message) => {
        const options = startupOptions(dialect, settings, message.options);
        const own = options === undefined ? {} : { options };
        return { ...message, application_name: settings.label, ...own };
      },
      onError: (error) => {
        end?.failed(error);
        statements.close(error);
      },
    },
  );
  if (password !== undefined) client.password = password;
  end = new SessionEnd(client.connection, clock);
  end.onEnd(({ error }) => statements.close(error));
  return { client, statements, end, clock, role, isPooled, stream: config.stream };
};

const timedOut = ({ request }: LoginContext, { client, end }: ConnectionParts): OpenResult<pg.Client> => {
  const cause = new Error(`not ready within ${request.timeoutMs} ms`);
  end.destroy(cause);
  return { kind: 'unknown', failure: 'timeout', error: connectError('timeout', cause, client) };
};

/** The server said no, or nobody was there, or something broke on the way: that leaves nothing behind for sure only while the server waits for TLS. */
const failedLogin = async (
  context: LoginContext,
  parts: ConnectionParts,
  error: unknown,
): Promise<OpenResult<pg.Client>> => {
  const { client, end } = parts;
  if (isServerError(error)) {
    // Before it is ready, whatever a server reports ends the session; its slot is free once the socket is closed.
    await untilEnded(context, parts);
    return refused(serverFailure(error.code), error, client);
  }
  if (!end.wasConnected && isUnreachable(error)) {
    end.destroy();
    return refused('unreachable', error, client);
  }
  const failure = localFailure(error);
  if (client.ssl && !end.isSecure) {
    end.destroy();
    return refused(failure, error, client);
  }
  if (failure !== 'cut') {
    // No credentials were sent, or their proof failed here: an end that is seen is the end of it.
    client.connection.stream.end();
    if ((await untilEnded(context, parts)).endSeen) return refused(failure, error, client);
  }
  end.destroy();
  return { kind: 'unknown', failure, error: connectError(failure, error, client) };
};

const untilEnded = async ({ clock, deadline }: LoginContext, { end }: ConnectionParts) => {
  const waitMs = Math.min(FIN_WAIT_MS, deadline.remainingMs);
  if ((await within(clock, waitMs, end.whenEnded())) === TIMED_OUT) end.destroy();
  return end.whenEnded();
};

const refused = (failure: OpenFailure, error: unknown, address: { host: string; port: number }) =>
  ({ kind: 'refused', failure, error: connectError(failure, error, address) }) as const;

const identified = async (context: LoginContext, parts: ConnectionParts): Promise<OpenResult<pg.Client>> => {
  const { settings, deadline, resetsSession } = context;
  try {
    if (context.isPooled) return await throughPooler(context, parts);
    const answer = await askWithin(parts, IDENTITY, deadline.remainingMs);
    const identity = readIdentity(answer);
    const isFromBirth = hasSettings(answer, settings);
    if (!isFromBirth) await askWithin(parts, { text: settleSettings(settings) }, deadline.remainingMs);
    // The timer that bounds this may itself have slept through a freeze.
    if (deadline.remainingMs === 0) return timedOut(context, parts);
    const undoing = resetsSession ? undoStatements(isFromBirth ? undefined : settings) : undefined;
    return { kind: 'open', connection: new PostgresConnection(parts, identity, undoing) };
  } catch (error) {
    return unidentified(context, parts, error);
  }
};

/** The pooler has let us in; only an answer shows that there is a database behind it. */
const throughPooler = async (
  context: LoginContext,
  parts: ConnectionParts,
): Promise<OpenResult<pg.Client>> => {
  const { deadline, resetsSession } = context;
  await askWithin(parts, { text: '' }, deadline.remainingMs);
  if (deadline.remainingMs === 0) return timedOut(context, parts);
  const undoing = resetsSession ? undoStatements(undefined) : undefined;
  const identity = pooledIdentity(parts.client);
  return { kind: 'open', connection: new PostgresConnection(parts, identity, undoing) };
};

/** Logged in, but of no use: ended properly, and only an end that was seen is a refusal. */
const unidentified = async (
  context: LoginContext,
  parts: ConnectionParts,
  error: unknown,
): Promise<OpenResult<pg.Client>> => {
  if (isTimeout(error)) return timedOut(context, parts);
  const failure = isServerError(error) ? serverFailure(error.code) : localFailure(error);
  const { endSeen } = parts.end.isOver
    ? await untilEnded(context, parts)
    : await closeWithin(parts, context.deadline.remainingMs);
  if (endSeen) return refused(failure, error, parts.client);
  return { kind: 'unknown', failure, error: connectError(failure, error, parts.client) };
};
