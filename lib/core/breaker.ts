import type { LeaseOutcome } from './lease.ts';
import { LIMITS } from './limits.ts';

/** A grant that a half-open breaker lets try: failed when its connect bound has passed without a word. */
export interface Trial {
  readonly id: string;
  readonly until: number;
}

/** The fleet-wide breaker of one resource. `openings` 0: closed; else open until `openUntil`, half-open from then on. */
export interface Breaker {
  readonly openings: number;
  readonly openUntil: number;
  readonly isAuth: boolean;
  /** The last failing connects, oldest first. */
  readonly failures: readonly { readonly holder: string; readonly at: number }[];
  readonly trials: readonly Trial[];
}

export const CLOSED: Breaker = { openings: 0, openUntil: 0, isAuth: false, failures: [], trials: [] };

/** Connects that failed; what became of an open connection says nothing about the next one. */
export const isFailure = (outcome: LeaseOutcome): boolean =>
  outcome === 'refused' || outcome === 'auth' || outcome === 'unanswered';

export const phaseOf = ({ openings, openUntil }: Breaker, now: number): 'closed' | 'open' | 'half-open' => {
  if (openings === 0) return 'closed';
  return now < openUntil ? 'open' : 'half-open';
};

/** Half-open, a few may try at once. */
export const mayTry = (breaker: Breaker, now: number): boolean => {
  const phase = phaseOf(breaker, now);
  return phase === 'closed' || (phase === 'half-open' && breaker.trials.length < LIMITS.breakerProbes);
};

/** Ms the breaker stays open the `openings`th time; longer where logins were refused. */
export const openForMs = (openings: number, isAuth: boolean): number => {
  const base = isAuth ? LIMITS.breakerAuthMs : LIMITS.breakerOpenMs;
  const cap = isAuth ? LIMITS.breakerAuthMaxMs : LIMITS.breakerOpenMaxMs;
  return Math.min(cap, base * 2 ** (openings - 1));
};

const opened = (breaker: Breaker, isAuth: boolean, now: number): Breaker => {
  const openings = breaker.openings + 1;
  return { openings, isAuth, openUntil: now + openForMs(openings, isAuth), failures: [], trials: [] };
};

/** A connect of `holder` has failed. Failures of several holders open the breaker; where nothing is held, as many of any. */
export const afterFailure = (
  breaker: Breaker,
  failure: { readonly holder: string; readonly isAuth: boolean; readonly now: number; readonly held: number },
): Breaker => {
  const { holder, isAuth, now, held } = failure;
  const phase = phaseOf(breaker, now);
  // A connect of the time before it opened.
  if (phase === 'open') return breaker;
  if (phase === 'half-open') return opened(breaker, isAuth, now);
  const recent = breaker.failures.filter(({ at }) => at > now - LIMITS.breakerWindowMs);
  const failures = [...recent, { holder, at: now }].slice(-LIMITS.breakerMemory);
  const holders = new Set(failures.map((each) => each.holder)).size;
  const count = held === 0 ? failures.length : holders;
  return count >= LIMITS.breakerFailures ? opened(breaker, isAuth, now) : { ...breaker, failures };
};

export const withTrial = (breaker: Breaker, trial: Trial): Breaker => ({
  ...breaker,
  trials: [...breaker.trials, trial],
});

/** The trial ended without a connect: another one may try. */
export const withoutTrial = (breaker: Breaker, id: string): Breaker => ({
  ...breaker,
  trials: breaker.trials.filter((trial) => trial.id !== id),
});

/** An unanswered trial is a failure. */
export const afterTime = (breaker: Breaker, now: number): Breaker =>
  breaker.trials.some(({ until }) => until <= now) ? opened(breaker, breaker.isAuth, now) : breaker;
