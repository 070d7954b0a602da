import type mysql from 'mysql2';
import type { Clock } from '../../core/clock.ts';
import { type Deadline, TIMED_OUT, within } from '../../core/deadline.ts';
import type { OpenFailure, OpenRequest, OpenResult } from '../driver.ts';
import { isUnreachable } from '../network.ts';
import { answerWithin, askWithin, type ConnectionParts, closeWithin, isTimeout } from './ask.ts';
import { CommandQueue } from './command-queue.ts';
import type { ParsedConfig } from './config.ts';
import { MysqlConnection, type Renewal } from './connection.ts';
import { connectError, isServerError, localFailure, serverFailure } from './failure.ts';
import { hasLabel } from './label.ts';
import { makeStream, type StreamMaker } from './link.ts';
import { type Dialled, dial, type MysqlModule } from './module.ts';
import { flavourOf, identify, readIdentity, type SessionIdentity } from './session.ts';
import { SessionEnd } from './session-end.ts';
import { type SessionSettings, settle } from './settings.ts';
import { ServerStatus } from './status.ts';
import { takeOver } from './take-over.ts';

/** How long a failed login waits for the server's FIN: until then its slot may still count. */
const FIN_WAIT_MS = 1_000;

export interface LoginContext {
  readonly module: MysqlModule<unknown>;
  readonly config: mysql.ConnectionOptions;
  readonly parsed: ParsedConfig;
  readonly clock: Clock;
  readonly request: OpenRequest;
  readonly settings: SessionSettings;
  readonly deadline: Deadline;
  readonly role: string | undefined;
  readonly resetsSession: boolean;
}

/** One connection attempt, label, identity and settings included. */
export const login = async <Client>(context: LoginContext): Promise<OpenResult<Client>> => {
  const { module, clock, deadline } = context;
  const end = new SessionEnd(clock);
  let dialled: Dialled | typeof TIMED_OUT;
  try {
    dialled = await within(clock, deadline.remainingMs, dial(module, ownConfig(context, end)));
  } catch (error) {
    return failedLogin(context, end, error);
  }
  if (dialled === TIMED_OUT) return timedOut(context, end);
  return identified(context, makeParts(context, dialled, end));
};

/** The bound is ours, and so is the stream. The attribute is for people: where performance_schema is on, it shows the label. */
const ownConfig = ({ config, parsed, request }: LoginContext, end: SessionEnd): mysql.ConnectionOptions => ({
  ...config,
  connectTimeout: 0,
  connectAttributes: { ...config.connectAttributes, program_name: request.label },
  stream: makeStream(config.stream as StreamMaker | undefined, parsed, end),
});

const makeParts = (
  { clock, role, request, settings }: LoginContext,
  { raw, client }: Dialled,
  end: SessionEnd,
): ConnectionParts => {
  // With TLS it is another one than at first.
  end.watch(raw.stream);
  const status = new ServerStatus();
  const statements = new CommandQueue(raw, request.gate, status);
  const flavour = flavourOf(raw._handshakePacket?.serverVersion);
  const own = takeOver(raw, statements, end, () => {
    introduce(parts, settings, request.timeoutMs).catch((error: unknown) =>
      end.destroy(error instanceof Error ? error : undefined),
    );
  });
  const parts = { ...own, raw, client, statements, status, end, flavour, clock, role };
  end.onEnd(({ error }) => statements.close(error));
  return parts;
};

/**
 * Who is this session? Its label first, for until then nobody finds it; then its settings.
 *
 * @throws the server's error, or one of ours where the label is not to be had.
 */
const introduce = async (
  parts: ConnectionParts,
  settings: SessionSettings,
  timeoutMs: number,
): Promise<SessionIdentity> => {
  const { locks, ...identity } = readIdentity(
    await askWithin(parts, identify(parts.flavour, settings.label), timeoutMs),
  );
  if (!hasLabel(settings.label, locks))
    throw new Error(
      `The session label ${settings.label} is taken, or user-level locks are not to be had here.`,
    );
  await askWithin(parts, settle(parts.flavour, settings, identity), timeoutMs);
  return identity;
};

const identified = async <Client>(
  context: LoginContext,
  parts: ConnectionParts,
): Promise<OpenResult<Client>> => {
  const { settings, deadline, resetsSession } = context;
  try {
    const identity = await introduce(parts, settings, deadline.remainingMs);
    // The timer that bounds this may itself have slept through a freeze.
    if (deadline.remainingMs === 0) return timedOut(context, parts.end);
    const renewal = resetsSession ? renew(parts, settings) : undefined;
    const connection = new MysqlConnection<Client>(parts, identity, renewal);
    return { kind: 'open', connection };
  } catch (error) {
    return unidentified(context, parts, error);
  }
};

/** The server forgets everything that a borrower has done to its session; what ours was told, it is told again. */
const renew =
  (parts: ConnectionParts, settings: SessionSettings): Renewal =>
  async (timeoutMs) => {
    const forgotten = new Promise<void>((resolve, reject) => {
      parts.statements.own(() => parts.forget((error) => (error ? reject(error) : resolve())));
    });
    const [, identity] = await Promise.all([
      answerWithin(parts, forgotten, timeoutMs),
      introduce(parts, settings, timeoutMs),
    ]);
    return identity;
  };

const timedOut = <Client>({ request, parsed }: LoginContext, end: SessionEnd): OpenResult<Client> => {
  const cause = new Error(`not ready within ${request.timeoutMs} ms`);
  end.destroy(cause);
  return { kind: 'unknown', failure: 'timeout', error: connectError('timeout', cause, parsed) };
};

/** The server said no, or nobody was there, or something broke on the way: only the first two leave nothing behind for sure. */
const failedLogin = async <Client>(
  context: LoginContext,
  end: SessionEnd,
  error: unknown,
): Promise<OpenResult<Client>> => {
  if (isServerError(error)) {
    // Before it is ready, whatever a server reports ends the session; its slot is free once the socket is closed.
    await untilEnded(context, end);
    return refused(serverFailure(error.errno), error, context);
  }
  if (!end.wasConnected && isUnreachable(error)) {
    end.destroy();
    return refused('unreachable', error, context);
  }
  const failure = localFailure(error);
  if (failure !== 'cut') {
    // No credentials were sent, or their proof failed here: an end that is seen is the end of it.
    for (const stream of end.streams) stream.end();
    if ((await untilEnded(context, end)).endSeen) return refused(failure, error, context);
  }
  end.destroy();
  return { kind: 'unknown', failure, error: connectError(failure, error, context.parsed) };
};

const untilEnded = async ({ clock, deadline }: LoginContext, end: SessionEnd) => {
  const waitMs = Math.min(FIN_WAIT_MS, deadline.remainingMs);
  if ((await within(clock, waitMs, end.whenEnded())) === TIMED_OUT) end.destroy();
  return end.whenEnded();
};

const refused = (failure: OpenFailure, error: unknown, { parsed }: LoginContext) =>
  ({ kind: 'refused', failure, error: connectError(failure, error, parsed) }) as const;

/** Logged in, but of no use: ended properly, and only an end that was seen is a refusal. */
const unidentified = async <Client>(
  context: LoginContext,
  parts: ConnectionParts,
  error: unknown,
): Promise<OpenResult<Client>> => {
  if (isTimeout(error)) return timedOut(context, parts.end);
  const failure = isServerError(error) ? serverFailure(error.errno) : localFailure(error);
  const { endSeen } = parts.end.isOver
    ? await untilEnded(context, parts.end)
    : await closeWithin(parts, context.deadline.remainingMs);
  if (endSeen) return refused(failure, error, context);
  return { kind: 'unknown', failure, error: connectError(failure, error, context.parsed) };
};
