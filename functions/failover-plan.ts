import type { Operation } from '../lib/core/operation.ts';
import type { ResourceReport } from '../lib/core/report.ts';
import type { DatabaseEvent } from './database-event.ts';

/** What is to be told to the registry, in this order, and why no more than that. */
export interface Plan {
  readonly steps: readonly Operation[];
  readonly because?: string;
}

export interface Situation {
  /** The wall clock, in ms. */
  readonly nowMs: number;
  readonly pauseMs: number;
  /** Undefined: the registry does not know the resource, so nothing of it is open. */
  readonly report: ResourceReport | undefined;
}

/** EventBridge tries for a day; what has lived for an hour since has been replaced, or lives well. In ms. */
const EVENT_AGE_MAX_MS = 3_600_000;
/** So far apart the clocks of RDS, Lambda and the registry may be, with the time that a word takes, in ms. */
const SKEW_MS = 2_000;

/**
 * What an event of our database asks for. Events come twice, late, in any order, or not at all, and are compared by the time
 * at which they happened with what the registry has done since:
 *
 * - A pause ends `pauseMs` after its failover STARTED, whenever its event comes: a repeat does not prolong it, and one that
 *   is late pauses for the rest, or not at all.
 * - A start before the last `reconnect` belongs to a failover that is over. An end before the last `reconnect` is done with.
 * - An end ends only a pause that has an end, too, and had begun by then: one until `resume` is an operator's, and so is a
 *   drain.
 */
export const planFor = (event: DatabaseEvent, situation: Situation): Plan => {
  const ageMs = Math.max(0, situation.nowMs - event.atMs);
  if (ageMs > EVENT_AGE_MAX_MS) return nothing('it is more than an hour old');
  const { report } = situation;
  if (report === undefined) return nothing('the registry does not know the resource');
  const seen = { ...situation, report, ageMs };
  return event.phase === 'started' ? onStarted(seen) : onOver(seen);
};

type Seen = Situation & { readonly report: ResourceReport; readonly ageMs: number };

const nothing = (because: string): Plan => ({ steps: [], because });

const onStarted = ({ report, ageMs, pauseMs }: Seen): Plan => {
  const forMs = pauseMs - ageMs;
  if (forMs <= 0) return nothing('it is older than the pause that it asks for');
  if (isReconnectedSince(report, ageMs)) return nothing('every connection has been replaced since');
  if (isOperators(report)) return nothing(`an operator's word holds: ${report.control}`);
  if (report.control === 'paused' && report.pausedForMs >= forMs - SKEW_MS)
    return nothing('it is paused as long already');
  return { steps: [{ kind: 'pause', forMs, atMost: true }] };
};

const onOver = (seen: Seen): Plan => {
  const { report, ageMs } = seen;
  if (isPausedSince(seen)) return nothing('a later failover is under way');
  const isDone = isReconnectedSince(report, ageMs);
  if (isOperators(report)) {
    const because = `an operator's word holds: ${report.control}`;
    return isDone ? nothing(because) : { steps: [{ kind: 'reconnect' }], because };
  }
  // Done, but still paused: an earlier try got only as far as that.
  if (isDone && report.control === 'open') return nothing('every connection has been replaced since');
  return { steps: [...(isDone ? [] : [{ kind: 'reconnect' } as const]), { kind: 'resume' }] };
};

const isReconnectedSince = ({ reconnectedAgoMs }: ResourceReport, ageMs: number): boolean =>
  reconnectedAgoMs !== undefined && reconnectedAgoMs <= ageMs;

const isOperators = ({ control, pausedForMs }: ResourceReport): boolean =>
  control === 'draining' || (control === 'paused' && pausedForMs === 0);

/** What is left of a pause tells when the failover began that it was made for. */
const isPausedSince = ({ report, ageMs, pauseMs }: Seen): boolean =>
  report.control === 'paused' && pauseMs - report.pausedForMs < ageMs - SKEW_MS && report.pausedForMs > 0;
