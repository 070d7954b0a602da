/** The units of Powertools that are used here. */
export type Unit = 'Count' | 'Milliseconds' | 'Percent';

/**
 * All that `poolMetrics` can write, with units: alarms and dashboards are checked against it. What each means stands at
 * `poolMetrics`.
 */
export const POOL_METRICS = {
  PoolSize: 'Count',
  ConnectionsActive: 'Count',
  ConnectionsIdle: 'Count',
  LeasesHeld: 'Count',
  Waiting: 'Count',
  AcquireWait: 'Milliseconds',
  LeaseWait: 'Milliseconds',
  ConnectTime: 'Milliseconds',
  HoldTime: 'Milliseconds',
  GetsDirect: 'Count',
  GetsWaited: 'Count',
  GetsTimedOut: 'Count',
  LeaksSuspected: 'Count',
  HealthChecksFailed: 'Count',
  ConnectionsOpened: 'Count',
  ConnectionsFailed: 'Count',
  ConnectionsClosed: 'Count',
  LeasesLost: 'Count',
  Denied: 'Count',
  AcquireFailed: 'Count',
  LongWaits: 'Count',
  CensusRefused: 'Count',
  LeftLent: 'Count',
} as const satisfies Readonly<Record<string, Unit>>;

export type Name = keyof typeof POOL_METRICS;

/** Those that are written once more for each cause, and the dimension that says which. */
export const CAUSE_DIMENSIONS = {
  ConnectionsFailed: 'cause',
  ConnectionsClosed: 'reason',
  LeasesLost: 'reason',
  Denied: 'reason',
  AcquireFailed: 'code',
  LongWaits: 'because',
} as const satisfies Partial<Record<Name, string>>;

export type Caused = keyof typeof CAUSE_DIMENSIONS;
