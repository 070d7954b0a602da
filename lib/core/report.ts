import type { Control, LeaseRef, ResourceSettings, Share } from './lease.ts';

/** What a registry knows of one resource. */
export interface ResourceReport {
  readonly settings: ResourceSettings;
  readonly held: number;
  readonly protectedCount: number;
  readonly revoking: number;
  readonly waiters: number;
  /** Leases told to yield that have not yet gone. */
  readonly flagged: number;
  readonly learningMs: number;
  /** Slots kept for waiters that were woken. */
  readonly claims: number;
  /** Connections above the capacity. */
  readonly debt: number;
  /** Sessions without a label that the last census saw. */
  readonly foreign: number;
  readonly epoch: number;
  readonly version: number;
  readonly control: Control;
  /** What is left of a pause, in ms; 0: nothing is paused, or it is until somebody resumes. */
  readonly pausedForMs: number;
  /** How long ago the last `reconnect` was, in ms; undefined: there was none, or a registry without memory has forgotten it. */
  readonly reconnectedAgoMs: number | undefined;
  readonly breaker: 'closed' | 'open' | 'half-open';
  readonly groups: readonly GroupReport[];
  readonly entries: readonly ReportEntry[];
  /** The last sweeper; none has ever run, or the registry has lost its memory since. */
  readonly sweep?: SweepSeen;
}

export interface SweepSeen {
  /** Since it began, in ms. */
  readonly agoMs: number;
  readonly isRunning: boolean;
  /** Since a sweeper was last at the database, in ms. */
  readonly lookedAgoMs?: number;
}

export interface GroupReport extends Share {
  readonly name: string;
  /** Leases and claims. */
  readonly taken: number;
  readonly waiting: number;
}

export interface ReportEntry {
  readonly lease: LeaseRef;
  readonly state: 'protected' | 'revocable' | 'revoking';
  readonly holder: string;
  readonly group: string;
  readonly session: string | undefined;
  readonly isProbe: boolean;
}
