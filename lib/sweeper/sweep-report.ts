import type { LeaseholdError } from '../core/errors.ts';
import type { Control } from '../core/lease.ts';
import type { GroupReport, ResourceReport } from '../core/report.ts';
import type { CapacitySeen } from './capacity.ts';
import type { SessionsSeen } from './survey.ts';

/** Whose connection was used. `none`: the registry knew of nothing to do, and the database was left alone. */
export type LookedThrough = 'none' | 'lease' | 'control';

/** What one sweep has done. */
export interface SweepDone {
  /** False: another sweeper is at it, and this one has done nothing. */
  readonly isElected: boolean;
  readonly lookedThrough: LookedThrough;
  /** Whether a connection could be opened; `unknown` where none was wanted. */
  readonly health: 'unknown' | 'healthy' | 'failing';
  /** Leases whose time was up: they moved to revoking. */
  readonly expired: number;
  /** Revoking leases whose session was proven gone. */
  readonly settled: number;
  /** Looks that proved nothing; the duties are free again. */
  readonly kept: number;
  /** Sessions that this role may not end. */
  readonly denied: number;
  /** What the database's own list has shown, where the sweep had a reason to look. */
  readonly census: SessionsSeen | undefined;
  /** Sessions that a lease's label names and the registry did not know, two looks in a row: they are leases again. */
  readonly adopted: number;
  /** Leases that nobody has renewed and whose sessions two looks in a row did not show: they moved to revoking. */
  readonly vacated: number;
  /** What the database has room for, where it was read. */
  readonly capacity: CapacitySeen | undefined;
  /** Why not everything could be done. */
  readonly trouble: LeaseholdError | undefined;
}

/** What the registry counts after the sweep. */
export interface FleetSeen {
  /** False: the registry has no memory of the resource; nothing can be said. */
  readonly isKnown: boolean;
  /** The capacity in force. */
  readonly fleetCapacity: number;
  /** Of it kept back, so that a revocation can overlap with its replacement. */
  readonly fleetHeadroom: number;
  readonly held: number;
  readonly protected: number;
  readonly revoking: number;
  readonly waiters: number;
  /** Connections above the capacity. */
  readonly debt: number;
  /** Sessions that the last census saw and no lease accounts for: they reduce the capacity. */
  readonly foreign: number;
  readonly learningMs: number;
  readonly control: Control;
  readonly breaker: ResourceReport['breaker'];
  readonly groups: readonly GroupReport[];
}

export interface SweepReport extends SweepDone, FleetSeen {
  readonly resource: string;
  readonly elapsedMs: number;
}

export const fleetSeen = (state: ResourceReport | undefined): FleetSeen => ({
  isKnown: state !== undefined,
  fleetCapacity: state?.settings.capacity ?? 0,
  fleetHeadroom: state?.settings.headroom ?? 0,
  held: state?.held ?? 0,
  protected: state?.protectedCount ?? 0,
  revoking: state?.revoking ?? 0,
  waiters: state?.waiters ?? 0,
  debt: state?.debt ?? 0,
  foreign: state?.foreign ?? 0,
  learningMs: state?.learningMs ?? 0,
  control: state?.control ?? 'open',
  breaker: state?.breaker ?? 'closed',
  groups: state?.groups ?? [],
});
