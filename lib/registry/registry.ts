import type { CensusDuty, Duty, SessionFound } from '../core/duty.ts';
import type {
  DenialReason,
  Forbidden,
  Fullness,
  InForce,
  LeaseOutcome,
  LeaseRef,
  LossReason,
  ResourceSettings,
  Share,
} from '../core/lease.ts';
import type { Election, OperateReply, Operation } from '../core/operation.ts';
import type { ResourceReport } from '../core/report.ts';

/**
 * The registry port: the only authority on how many connections the fleet may hold.
 *
 * Every method is ONE atomic step and ONE round trip, touches a bounded number of entries (L11), may be repeated with the
 * same arguments without a second effect (L3), and first reaps what time alone made due (L16). Times in replies are durations that
 * REMAIN; a holder counts them from the moment it SENT the request (L17 keeps the registry's own time from going back).
 * A method rejects only where the registry gave no answer (REGISTRY_UNREACHABLE: the effect is unknown, repeat with the
 * same id) or none that this version understands (REGISTRY_INCOMPATIBLE).
 *
 * The laws, by number, as the contract suite tests them on each implementation:
 * - L1 held + revoking <= capacity after every step, one probe aside; whoever gets nothing hears both numbers.
 * - L3 A repeat is answered with the present state; a repeat of an unknown id is `lost`.
 * - L4 Only the holder, with its fence, changes a lease, and only in the order of its turns.
 * - L5 What is revoking or gone is never held again.
 * - L6 A protected lease is never revoked.
 * - L7 Fences rise with every grant.
 * - L8 A denial or an inspection changes nothing but the caller's own ticket.
 * - L9 Within a group and priority callers are served by age; nobody barges.
 * - L10 A group below its minimum is served first; none exceeds its maximum; a higher priority goes before a lower one.
 * - L11 Bounds: reaping, duties, offers, pages, groups, queue.
 * - L12 While more is open than the capacity nothing is granted but a probe, and what is idle is asked to go.
 * - L13 A registry without memory grants nothing but the census, and holders register what they have open.
 * - L14 Resources never touch each other.
 * - L15 State carries no expiry, and half a memory is no memory.
 * - L16 No progress depends on a sweeper.
 * - L17 Time never goes back, and goes on after a step.
 */
export interface Registry {
  /** Six characters that tell this registry's sessions from those of another one on the same database. */
  readonly namespace: string;

  /** Asks for one lease, or polls the ticket of an earlier ask. */
  grant(request: GrantRequest): Promise<GrantReply>;
  /** Prolongs protection. Only for leases whose connection is open. */
  renew(resource: string, holder: string, items: readonly RenewItem[]): Promise<RenewReply>;
  /** Ends protection now; the lease stays until somebody needs it. */
  park(resource: string, holder: string, items: readonly ParkItem[]): Promise<ParkReply>;
  /** Gives leases back whose connection was never started, was refused by the server, or was seen to end. Also cancels a ticket or an ask whose answer is not known (fence 0). */
  release(
    resource: string,
    holder: string,
    items: readonly ReleaseItem[],
  ): Promise<readonly ('released' | 'unknown')[]>;
  /** Gives leases up whose connection may still exist: they count on until somebody proves it gone. */
  abandon(
    resource: string,
    holder: string,
    items: readonly AbandonItem[],
  ): Promise<readonly ('abandoned' | 'unknown')[]>;
  /** Reports looks. `by` is the lease through whose connection the look was made, if it was made through one. */
  settle(
    resource: string,
    by: LeaseRef | undefined,
    items: readonly SettleItem[],
  ): Promise<readonly ('settled' | 'kept' | 'unknown')[]>;
  /**
   * Reaps up to a page, and takes over up to `duties` free duties, and the census if one is due. With `election` only the sweeper
   * that is elected is given any: who asks is, for `forMs` at most and until it retires, unless another one is.
   */
  sweep(resource: string, duties: number, election?: Election): Promise<SweepReply>;
  /**
   * Tells what a census has found: labelled sessions that are open. Those that the registry does not know become held leases.
   * While learning, `last` ends the learning; `foreign` then is the number of sessions of the same role without a label,
   * which reduce the capacity. `refused`: this census is no longer the one that was asked for.
   */
  adopt(
    resource: string,
    census: CensusDuty,
    sessions: readonly SessionFound[],
    last?: { readonly foreign: number },
  ): Promise<'adopted' | 'refused'>;
  /** An operator's word; see `Operation`. */
  operate(resource: string, operation: Operation): Promise<OperateReply>;
  /** Hears that a slot is kept for a ticket of `holder`. A wake-up licenses nothing: the ticket's next poll does. May be missing where nothing can be pushed. */
  listen?(resource: string, holder: string, onWake: (leaseId: string) => void): Listener;
  /** Writes the settings of a resource the registry does not know. `isNew`: the operator knows that no session of it is open, so nothing has to be waited for. */
  configure(resource: string, settings: ResourceSettings, isNew: boolean): Promise<ConfigureReply>;
  /** The present state; changes nothing. `entries`: how many leases to list, or the ids of those to list, at most a page. */
  inspect(resource: string, entries?: number | readonly string[]): Promise<ResourceReport | undefined>;
  /** Forgets the resource: the next grant starts learning. */
  forget(resource: string): Promise<void>;
}

export interface GrantRequest {
  readonly resource: string;
  /** Chosen by the caller, fresh per ask: 16 base64url characters. */
  readonly leaseId: string;
  /** This id was asked for before: a poll, or a try after a lost answer. */
  readonly again: boolean;
  /** Order stamp of an earlier ticket of the same caller; 0 for none. */
  readonly stamp: number;
  readonly holder: string;
  readonly group: string;
  /** Queue if nothing is free. */
  readonly wait: boolean;
  /** How long the caller can wait, in ms: if every grant is forbidden for longer, or its connect would be put off for longer, it hears so at once. */
  readonly waitMs?: number;
  /** The caller hears wake-ups, so a slot may be kept for it. */
  readonly listens?: boolean;
  readonly settings: ResourceSettings;
  /** The group's share, written when the registry first hears of one; a later difference is only reported. */
  readonly share?: Share;
}

/** Wake-ups for one holder. */
export interface Listener extends Disposable {
  /** Wake-ups arrive: ask with `listens` only from then on, or the push could overtake the answer that says "queued". */
  readonly isReady: boolean;
}

/** What every reply to a holder says about the fleet. */
export interface Weather {
  /** Somebody waits, or the next newcomer would have to: park at the end of the invocation. */
  readonly pressure: boolean;
  /** The registry's settings of this resource differ from the caller's. */
  readonly settingsDiffer?: boolean;
  /** What an operator has changed; keep it for a registry that loses its memory. */
  readonly inForce?: InForce;
}

export type GrantReply =
  | ({
      readonly kind: 'granted';
      readonly fence: number;
      readonly protectMs: number;
      readonly idleMs: number;
      readonly connectAfterMs: number;
      readonly renewAfterMs: number;
      readonly dutyMs: number;
      readonly duties: readonly Duty[];
      /** This lease is the one beyond the count. */
      readonly isProbe: boolean;
      /** The lease is for a census first: then it is an ordinary one. */
      readonly census?: CensusDuty;
    } & Weather)
  | ({
      readonly kind: 'queued';
      readonly position: number;
      readonly stamp: number;
      readonly retryAfterMs: number;
      /** Nobody is granted anything for now. */
      readonly because?: Forbidden;
    } & Fullness &
      Weather)
  | ({
      readonly kind: 'denied';
      readonly reason: DenialReason;
      readonly retryAfterMs: number;
      /** With DEADLINE_NEAR: what forbids every grant. */
      readonly because?: Forbidden;
    } & Fullness)
  | { readonly kind: 'lost'; readonly reason: LossReason };

export interface RenewItem extends LeaseRef {
  /** Raised by the holder with every renew and park of this lease. */
  readonly turn: number;
  /** Session identity, until it was sent once. */
  readonly session?: string;
  /** Not lent at this moment. */
  readonly idle: boolean;
  /** After `forgotten`: the connection is open and has answered; its lease is to be known again. Needs `session`. */
  readonly again?: Registration;
}

/** What a holder brings back to a registry without memory. */
export interface Registration {
  readonly group: string;
  readonly settings: ResourceSettings;
  /** What an operator had changed, as last heard. */
  readonly inForce?: InForce;
}

export type RenewOutcome =
  | { readonly kind: 'held'; readonly protectMs: number; readonly yield: boolean }
  /** The registry has lost its memory and learns: renew once more with `again`. */
  | { readonly kind: 'forgotten' }
  | { readonly kind: 'lost'; readonly reason: LossReason };

export interface RenewReply extends Weather {
  readonly outcomes: readonly RenewOutcome[];
  readonly renewAfterMs: number;
  readonly dutyMs: number;
  readonly duties: readonly Duty[];
  readonly census?: CensusDuty;
}

export type ParkItem = Omit<RenewItem, 'idle' | 'again'>;

export type ParkOutcome =
  | { readonly kind: 'parked' }
  /** Parked; and the holder should close and release: somebody waits, and that is cheaper than being revoked. */
  | { readonly kind: 'yield' }
  /** A later renewal had already been applied. */
  | { readonly kind: 'held'; readonly protectMs: number }
  | { readonly kind: 'lost'; readonly reason: LossReason };

export interface ParkReply extends Weather {
  readonly outcomes: readonly ParkOutcome[];
}

export interface ReleaseItem extends LeaseRef {
  readonly outcome: LeaseOutcome;
}

export interface AbandonItem extends LeaseRef {
  readonly session?: string;
  readonly outcome: LeaseOutcome;
}

export type SettleItem =
  /** The look's list did not show the session. `seen`: the END statement itself had found it. `server`: whose list it was. */
  | { readonly id: string; readonly kind: 'absent'; readonly seen: boolean; readonly server: string }
  /** The session is there and the right to end it is missing, or the duty cannot be done here: free for others. */
  | { readonly id: string; readonly kind: 'cannot' }
  /** A list that was made after this lease was seen held and unprotected does not show its session: unless it is protected again, it is revoking from now on. */
  | { readonly id: string; readonly kind: 'vacant'; readonly fence: number };

export interface SweepReply {
  /** False: another sweeper is at it. */
  readonly isElected: boolean;
  readonly expired: number;
  readonly held: number;
  readonly revoking: number;
  readonly dutyMs: number;
  readonly duties: readonly Duty[];
  readonly census?: CensusDuty;
}

export interface ConfigureReply {
  readonly kind: 'created' | 'exists';
  /** What is in force now. */
  readonly settings: ResourceSettings;
  /** Ms until the first grant; 0 when the registry knows the resource. */
  readonly learningMs: number;
}
