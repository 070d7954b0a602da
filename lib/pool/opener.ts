import { REFUSALS_PER_LEASE, refusedDelayMs } from '../core/backoff.ts';
import { sleep } from '../core/clock.ts';
import { isLeaseholdError, LeaseholdError, redact } from '../core/errors.ts';
import { sessionLabel } from '../core/label.ts';
import type { LeaseOutcome } from '../core/lease.ts';
import type { Driver, DriverConnection, OpenFailure, OpenResult, StatementGate } from '../driver/driver.ts';
import type { HeldLease } from './held-lease.ts';
import type { Holder } from './holder.ts';

export type Opened<Connection> =
  | { readonly kind: 'open'; readonly driver: DriverConnection<Connection> }
  /** Nothing was opened. `isReleasable`: and nothing can be (law L2); else the lease must be abandoned. */
  | {
      readonly kind: 'failed';
      readonly isReleasable: boolean;
      readonly outcome: LeaseOutcome;
      readonly error: LeaseholdError | undefined;
    };

type Failed<Connection> = Exclude<OpenResult<Connection>, { kind: 'open' }>;

/** Failures that no retry mends. */
const FINAL: ReadonlySet<OpenFailure> = new Set(['auth', 'rejected']);

/**
 * Opens the one connection of a lease (law L2). An attempt starts only if, read in the same tick, the rest of the
 * protection exceeds the connect timeout; another one only after the server itself refused the last, and at most three.
 */
export const openUnder = async <Connection>(
  holder: Holder,
  driver: Driver<Connection>,
  lease: HeldLease,
  gate: StatementGate,
): Promise<Opened<Connection>> => {
  const { clock, config, random, events } = holder;
  const label = sessionLabel(config.resource, holder.registry.namespace, lease.ref);
  let last: Failed<Connection> | undefined;
  for (let refusals = 0; refusals <= REFUSALS_PER_LEASE; refusals += 1) {
    if (refusals > 0) await sleep(clock, refusedDelayMs(random.fraction()));
    if (lease.remainingMs() <= config.connectTimeoutMs) break;
    const startedAt = clock.read();
    const result = await driver.open({
      label,
      idleMs: lease.idleMs,
      timeoutMs: config.connectTimeoutMs,
      gate,
    });
    if (result.kind === 'open') {
      events.emit('connectionOpened', { openMs: clock.elapsedMs(startedAt) });
      return { kind: 'open', driver: result.connection };
    }
    events.emit('connectionFailed', { failure: result.failure, error: result.error });
    last = result;
    // Only "too many connections" passes within milliseconds; everything else is not tried again under this lease.
    if (result.kind === 'unknown' || result.failure !== 'refused') break;
  }
  return failed(driver.engine, last);
};

const failed = <Connection>(engine: string, last: Failed<Connection> | undefined): Opened<Connection> => {
  if (last === undefined) return { kind: 'failed', isReleasable: true, outcome: 'unused', error: undefined };
  const isReleasable = last.kind === 'refused';
  const outcome = isReleasable ? 'refused' : 'unseen';
  return { kind: 'failed', isReleasable, outcome, error: connectError(engine, last) };
};

/** What the driver said, as the caller hears it. */
const connectError = <Connection>(engine: string, { failure, error }: Failed<Connection>): LeaseholdError => {
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
