import type { Clock } from '../core/clock.ts';
import { isLeaseholdError, LeaseholdError } from '../core/errors.ts';
import type { Patience } from '../pool/lease-request.ts';

interface Bounds {
  readonly clock: Clock;
  remainingMs(): number;
}

/** Runs what waits for a lease, until it has one or the time is up; then it rejects with what it waited for. */
export const withPatience = async <Result>(
  { clock, remainingMs }: Bounds,
  work: (patience: Patience) => Promise<Result | undefined>,
): Promise<Result> => {
  const bound = new AbortController();
  const timer = clock.setTimer(remainingMs(), () => bound.abort());
  let step = 'the lease registry';
  let tooLate: LeaseholdError | undefined;
  try {
    const result = await work({
      signal: bound.signal,
      remainingMs,
      note: (what) => {
        step = what;
      },
      giveUpBefore: (ms, error) => {
        if (ms <= remainingMs()) return;
        tooLate = error;
        bound.abort();
      },
    });
    if (result === undefined) throw tooLate ?? noLease(step);
    return result;
  } finally {
    timer.cancel();
  }
};

const noLease = (step: string): LeaseholdError =>
  new LeaseholdError('ACQUIRE_TIMEOUT', `The sweeper got no lease in its time: waiting for ${step}.`, {
    details: { step },
  });

/** It found no lease in its time. */
export const isTimeout = (error: unknown): boolean =>
  isLeaseholdError(error) && error.code === 'ACQUIRE_TIMEOUT';
