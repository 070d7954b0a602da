export const FLEET_METRICS = {
  FleetCapacity: 'Count',
  FleetHeld: 'Count',
  FleetProtected: 'Count',
  FleetRevoking: 'Count',
  /** Held or revoking, in percent of the capacity. */
  FleetUsed: 'Percent',
  FleetWaiters: 'Count',
  /** Connections above the capacity. */
  FleetDebt: 'Count',
  /** Sessions of the leased role that no lease accounts for, as last seen. */
  FleetForeign: 'Count',
  /** 0 or 1. */
  FleetLearning: 'Count',
  /** 0 or 1: an operator has paused it, or drains it. */
  FleetPaused: 'Count',
  /** 0 or 1. */
  FleetBreakerOpen: 'Count',
  /** Sessions without a lease, and leases without a session, that this run has put right; where it looked. */
  FleetDrift: 'Count',
  SweepRun: 'Count',
  /** Another sweeper was at it. */
  SweepSkipped: 'Count',
  SweepExpired: 'Count',
  SweepSettled: 'Count',
  SweepKept: 'Count',
  SweepDenied: 'Count',
  SweepAdopted: 'Count',
  SweepVacated: 'Count',
  /** 0 or 1: not everything could be done. */
  SweepTrouble: 'Count',
  SweepMs: 'Milliseconds',
  /** 0 or 1, where this run went to the database. */
  DatabaseUnhealthy: 'Count',
} as const;
export const GROUP_METRICS = { GroupHeld: 'Count', GroupWaiting: 'Count' } as const;
