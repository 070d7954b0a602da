import type { LeaseOutcome, Share } from './lease.ts';

/** An operator's word to a registry. */
export type Operation =
  /**
   * Grants nothing for `forMs`, or until `resume` (0). What is open stays in use. `atMost`: a resume is expected before, so
   * callers wait for it; where the end is known, who cannot wait that long hears so at once.
   */
  | { readonly kind: 'pause'; readonly forMs: number; readonly atMost?: boolean }
  /** Ends a pause or a drain, and closes the breaker. */
  | { readonly kind: 'resume' }
  /** Grants nothing, and asks for everything idle until nothing is held. */
  | { readonly kind: 'drain' }
  /** Every connection opened before now is replaced, a few at a time, when it is idle. */
  | { readonly kind: 'reconnect' }
  /** `version`: a lower one than the last applied is `stale`; left out: the next. */
  | {
      readonly kind: 'resize';
      readonly capacity: number;
      readonly headroom: number;
      readonly version?: number;
    }
  | { readonly kind: 'share'; readonly group: string; readonly share: Share; readonly version?: number }
  /** How a connect went that was made under no lease (the sweeper's control channel); feeds the breaker. */
  | { readonly kind: 'observe'; readonly holder: string; readonly outcome: LeaseOutcome }
  /** An elected sweeper is done. `looked`: it has been at the database. */
  | { readonly kind: 'retire'; readonly sweeper: string; readonly looked: boolean };

/** `refused`: the sum of all minima would exceed capacity - headroom. */
export type OperateReply = 'done' | 'stale' | 'refused' | 'unknown';

/** Who asks to be the one that sweeps. */
export interface Election {
  /** A name of this one sweep; the same one goes on. */
  readonly sweeper: string;
  readonly forMs: number;
}
