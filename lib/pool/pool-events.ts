import type { LeaseholdError } from '../core/errors.ts';
import type { DenialReason, LossReason } from '../core/lease.ts';
import type { OpenFailure } from '../driver/driver.ts';

/** Why a connection was closed. */
export type CloseReason =
  /** Somebody else waits for the place. */
  | 'yielded'
  /** The registry gave the lease to somebody else, or has forgotten it. */
  | 'lost'
  /** The database or the network ended it, or a check or reset failed. */
  | 'broken'
  /** Unused for so long that the server is about to end it. */
  | 'idle'
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
  leaseDenied: { readonly reason: DenialReason; readonly retryAfterMs: number };
  /** `inUse`: a borrower had the connection. */
  leaseLost: { readonly reason: LossReason; readonly inUse: boolean };
  connectionOpened: { readonly openMs: number };
  connectionFailed: { readonly failure: OpenFailure; readonly error: Error };
  connectionClosed: { readonly reason: CloseReason; readonly endSeen: boolean };
  /** A transaction was open when the connection came back; it was rolled back, or the connection dropped. */
  transactionLeftOpen: { readonly rolledBack: boolean };
  /** An invocation ended without giving connections back; they were taken back, and closed. */
  leftLent: { readonly count: number };
  /** Sessions of revoked leases were ended and proven gone (`settled`), or not yet. */
  dutyDone: { readonly settled: number; readonly kept: number };
  /** The right to end a revoked session is missing. */
  dutyDenied: { readonly lease: string };
  /** The registry keeps other settings of the resource than this pool's; the registry's are in force. */
  settingsDiffer: { readonly resource: string };
  registryFailed: { readonly operation: string; readonly error: unknown };
  /** Something failed and will be tried again. */
  retry: {
    readonly operation: 'lease' | 'connect' | 'renew' | 'farewell';
    readonly attempt: number;
    readonly delayMs: number;
    readonly elapsedMs: number;
    readonly reason: string;
  };
}
