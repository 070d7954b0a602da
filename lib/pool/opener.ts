import { censusDelayMs, REFUSALS_PER_LEASE, refusedDelayMs } from '../core/backoff.ts';
import { sleep } from '../core/clock.ts';
import type { Config } from '../core/config.ts';
import { isLeaseholdError, LeaseholdError, redact } from '../core/errors.ts';
import { sessionLabel } from '../core/label.ts';
import type { LeaseOutcome } from '../core/lease.ts';
import { LIMITS } from '../core/limits.ts';
import type { Driver, DriverConnection, OpenFailure, OpenResult, StatementGate } from '../driver/driver.ts';
import type { Holder } from './holder.ts';
import type { LeaseAnswer } from './lease-request.ts';
import { openStep } from './steps.ts';

export type Opened<Connection> =
  | { readonly kind: 'open'; readonly driver: DriverConnection<Connection> }
  /** Nothing was opened. `isReleasable`: and nothing can be (law L2); else the lease must be abandoned. */
  | {
      readonly kind: 'failed';
      readonly isReleasable: boolean;
      readonly outcome: LeaseOutcome;
      readonly error: LeaseholdError | undefined;
    };

export interface OpenTerms {
  readonly gate: StatementGate;
  /** Nobody wants it any more; heeded until the first attempt. */
  readonly signal?: AbortSignal;
  /** The first attempt is about to begin: from here on it cannot be called off. */
  starting?(): void;
}

type Failed<Connection> = Exclude<OpenResult<Connection>, { kind: 'open' }>;

/** Failures that no retry mends. */
const FINAL: ReadonlySet<OpenFailure> = new Set(['auth', 'rejected']);

/**
 * Opens the one connection of a lease (law L2), no sooner than the registry allows it. An attempt starts only if, read in the
 * same tick, the rest of the protection exceeds the connect timeout; another one only after the server itself refused the
 * last: at most three, or for a census as long as there is time for it.
 */
export const openUnder = async <Connection>(
  holder: Holder,
  driver: Driver<Connection>,
  { lease, reply: { connectAfterMs, census }, sentAt }: LeaseAnswer,
  { gate, signal, starting }: OpenTerms,
): Promise<Opened<Connection>> => {
  const { clock, config, random, events } = holder;
  if (connectAfterMs > 0) await sleep(clock, connectAfterMs, signal);
  if (signal?.aborted) return failed(driver.engine, undefined);
  starting?.();
  const since = clock.read();
  const label = sessionLabel(config.resource, holder.registry.namespace, lease.ref);
  const { connectTimeoutMs: timeoutMs } = config;
  // A census counts on it that no attempt begins long after its grant. Its own one is told apart.
  const isInTime = (): boolean =>
    census !== undefined || clock.elapsedMs(sentAt) - connectAfterMs <= LIMITS.connectStartMs;
  let last: Failed<Connection> | undefined;
  for (let refusals = 1; lease.remainingMs() > timeoutMs && isInTime(); refusals += 1) {
    const startedAt = clock.read();
    const result = await openStep(driver, {
      label,
      idleMs: lease.idleMs,
      timeoutMs,
      gate,
      ...statementBound(config),
    });
    if (result.kind === 'open') {
      events.emit('connectionOpened', { openMs: clock.elapsedMs(startedAt) });
      return { kind: 'open', driver: result.connection };
    }
    last = result;
    // Only "too many connections" passes within milliseconds; everything else is not tried again under this lease.
    const isFull = result.kind === 'refused' && result.failure === 'refused';
    if (isFull && census !== undefined) events.emit('censusRefused', { error: result.error });
    else events.emit('connectionFailed', { failure: result.failure, error: result.error });
    const leftMs = census === undefined ? 0 : LIMITS.censusDutyMs - clock.elapsedMs(since);
    const delayMs = isFull ? nextAttemptInMs(refusals, leftMs, random.fraction()) : undefined;
    if (delayMs === undefined) break;
    await sleep(clock, delayMs);
  }
  return failed(driver.engine, last);
};

const statementBound = ({ statementTimeoutMs }: Config) =>
  statementTimeoutMs === 0 ? {} : { statementTimeoutMs };

/** `leftMs`: what is left for a census. */
const nextAttemptInMs = (refusals: number, leftMs: number, fraction: number): number | undefined => {
  if (refusals <= REFUSALS_PER_LEASE) return refusedDelayMs(fraction);
  return leftMs > 0 ? censusDelayMs(fraction) : undefined;
};

const failed = <Connection>(engine: string, last: Failed<Connection> | undefined): Opened<Connection> => {
  if (last === undefined) return { kind: 'failed', isReleasable: true, outcome: 'unused', error: undefined };
  const isReleasable = last.kind === 'refused';
  return { kind: 'failed', isReleasable, outcome: outcomeOf(last), error: connectError(engine, last) };
};

/** As the fleet's breaker hears it: it tells a database that is away from one that refuses the login. */
export const outcomeOf = <Connection>({ kind, failure }: Failed<Connection>): LeaseOutcome => {
  if (failure === 'auth') return 'auth';
  // It says nothing about the database.
  if (failure === 'credentials') return 'unused';
  if (kind === 'unknown' || failure === 'timeout' || failure === 'cut') return 'unanswered';
  return 'refused';
};

/** What the driver said, as the caller hears it. */
export const connectError = <Connection>(
  engine: string,
  { failure, error }: Failed<Connection>,
): LeaseholdError => {
  if (isLeaseholdError(error)) return error;
  return new LeaseholdError(
    'CONNECT_FAILED',
    `No connection to ${engine} (${failure}): ${redact(error.message)}`,
    {
      cause: error,
      retryable: !FINAL.has(failure),
      details: { failure, engine },
    },
  );
};
