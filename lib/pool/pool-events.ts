import type { LeaseholdError } from '../core/errors.ts';
import type { DenialReason, Forbidden, LossReason } from '../core/lease.ts';
import type { OpenFailure } from '../driver/driver.ts';

/** Why a connection was closed. */
export type CloseReason =
  /** Somebody else waits for the place. */
  | 'yielded'
  /** The registry gave the lease to somebody else. */
  | 'revoked'
  /** The lease has ended for another reason: it has expired, or the registry has forgotten it. */
  | 'lost'
  /** The database or the network ended it, or a check or reset failed. */
  | 'broken'
  /** Unused for `idleTimeoutMs`, or for so long that the server is about to end it. */
  | 'idle'
  /** Older than `maxLifetimeMs`. */
  | 'lifetime'
  /** Lent `maxUses` times. */
  | 'uses'
  /** Its borrower wanted it closed. */
  | 'discarded'
  /** An invocation ended without giving it back. */
  | 'left'
  /** The pool closes. */
  | 'closed';

/** What a pool tells about itself; all times in ms. */
export interface PoolEvents {
  /** A caller got a connection. */
  acquired: { readonly waitMs: number };
  /** A caller got none. */
  acquireFailed: { readonly waitMs: number; readonly error: LeaseholdError };
  /** A connection went back to the pool. */
  returned: { readonly heldMs: number };
  leaseGranted: { readonly waitMs: number; readonly isProbe: boolean };
  /** `because`, with DEADLINE_NEAR: what forbids every grant. */
  leaseDenied: {
    readonly reason: DenialReason;
    readonly retryAfterMs: number;
    readonly because?: Forbidden;
  };
  /** A lease has been waited for longer than a second; told again ever more rarely. `because`: nobody is granted anything. */
  waiting: {
    readonly position: number;
    readonly waitedMs: number;
    readonly because: Forbidden | undefined;
  };
  /** The registry had lost its memory; `isKnownAgain`: it took the lease over from this pool. */
  leaseForgotten: { readonly isKnownAgain: boolean };
  /** The registry is away, and an unprotected connection stays in use all the same (`onRegistryLoss: 'keep'`). */
  leaseKept: { readonly unprotectedMs: number };
  /** `inUse`: a borrower had the connection. */
  leaseLost: { readonly reason: LossReason; readonly inUse: boolean };
  connectionOpened: { readonly openMs: number };
  connectionFailed: { readonly failure: OpenFailure; readonly error: Error };
  connectionClosed: { readonly reason: CloseReason; readonly endSeen: boolean };
  /** So many open connections are replaced within `overMs`: the credentials have changed, or somebody has asked for it. */
  renewingConnections: { readonly count: number; readonly overMs: number };
  /** A transaction was open when the connection came back; it was rolled back, or the connection dropped. */
  transactionLeftOpen: { readonly rolledBack: boolean };
  /** An invocation ended without giving connections back; they were taken back, and closed. */
  leftLent: { readonly count: number };
  /** A connection has been lent for longer than `leakAfterMs`; `stack`: where it was borrowed. */
  leakSuspected: { readonly heldMs: number; readonly stack: string };
  /** Idle connections were looked after: so many answered, so many were closed. */
  healthChecked: { readonly healthy: number; readonly closed: number };
  /** Sessions of revoked leases were ended and proven gone (`settled`), or not yet. */
  dutyDone: { readonly settled: number; readonly kept: number };
  /** The database's own session list was read and told to the registry. `foreign`: sessions of the role without a lease. */
  censusDone: { readonly sessions: number; readonly foreign: number };
  /** It could not be read or told in time, or is no longer wanted; somebody else is asked. */
  censusFailed: { readonly error: unknown };
  /** The database refused the one connection that a census is made through; it is tried again. Not a `connectionFailed`. */
  censusRefused: { readonly error: Error };
  /** The database has room for so many connections of the fleet only, and the capacity promises more (the sweeper has looked). */
  capacityTooHigh: { readonly capacity: number; readonly usable: number; readonly limitedBy: string };
  /** The sweeper has resized the resource, because the database has room for more or fewer. */
  capacityFollowed: { readonly from: number; readonly to: number; readonly usable: number };
  /** The right to end a revoked session is missing. */
  dutyDenied: { readonly lease: string };
  /** The registry keeps other settings of the resource than this pool's; the registry's are in force. */
  settingsDiffer: { readonly resource: string };
  registryFailed: { readonly operation: string; readonly error: unknown };
  /** Something failed and will be tried again. */
  retry: {
    /** `call`: a service has turned away a statement before it was executed. */
    readonly operation: 'lease' | 'connect' | 'renew' | 'farewell' | 'call';
    readonly attempt: number;
    readonly delayMs: number;
    readonly elapsedMs: number;
    readonly reason: string;
  };
}
