import type { MetricsSink } from '../lib/lambda/metrics.ts';
import type { SweepReport } from '../lib/sweeper/sweeper.ts';

/** What the sweeper tells of the fleet after each run: names and units. Alarms and dashboards are checked against it. */
export const FLEET_METRICS = {
  FleetCapacity: 'Count',
  FleetHeld: 'Count',
  FleetProtected: 'Count',
  FleetRevoking: 'Count',
  /**
   * Protected, in percent of what may be held (the capacity without its headroom): at 100 nobody's lease can be taken over, and who
   * comes next waits. What is merely held says nothing: frozen environments hold all that there is.
   */
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

/** Written once more for each group, with the dimension `group`. */
export const GROUP_METRICS = { GroupHeld: 'Count', GroupWaiting: 'Count' } as const;

type Values = Partial<Record<keyof typeof FLEET_METRICS, number>>;

/** Adds what a run has done and seen. */
export const measureFleet = (metrics: MetricsSink, report: SweepReport): void => {
  const values: Values = { ...workOf(report), ...levelsOf(report) };
  for (const [name, value] of Object.entries(values))
    metrics.addMetric(name, FLEET_METRICS[name as keyof Values], value);
  for (const { name, taken, waiting } of report.groups) {
    for (const [metric, value] of Object.entries({ GroupHeld: taken, GroupWaiting: waiting })) {
      // A record of its own for each: a dimension applies to everything in a record.
      const single = metrics.singleMetric?.();
      single?.addDimension('group', name);
      single?.addMetric(metric, 'Count', value);
    }
  }
};

/** The registry gave no answer: nothing is known of the fleet. */
export const measureFailedSweep = (metrics: MetricsSink): void => {
  for (const name of ['SweepRun', 'SweepTrouble'] as const) metrics.addMetric(name, FLEET_METRICS[name], 1);
};

const workOf = (report: SweepReport): Values => {
  if (!report.isElected) return { SweepRun: 1, SweepSkipped: 1, SweepMs: report.elapsedMs };
  return {
    SweepRun: 1,
    SweepSkipped: 0,
    SweepExpired: report.expired,
    SweepSettled: report.settled,
    SweepKept: report.kept,
    SweepDenied: report.denied,
    SweepAdopted: report.adopted,
    SweepVacated: report.vacated,
    SweepTrouble: Number(report.trouble !== undefined),
    SweepMs: report.elapsedMs,
    ...(report.census === undefined ? {} : { FleetDrift: report.adopted + report.vacated }),
    ...(report.health === 'unknown' ? {} : { DatabaseUnhealthy: Number(report.health === 'failing') }),
  };
};

const levelsOf = (report: SweepReport): Values =>
  report.isKnown
    ? {
        FleetCapacity: report.fleetCapacity,
        FleetHeld: report.held,
        FleetProtected: report.protected,
        FleetRevoking: report.revoking,
        FleetUsed: (100 * report.protected) / Math.max(1, report.fleetCapacity - report.fleetHeadroom),
        FleetWaiters: report.waiters,
        FleetDebt: report.debt,
        FleetForeign: report.foreign,
        FleetLearning: Number(report.learningMs > 0),
        FleetPaused: Number(report.control !== 'open'),
        FleetBreakerOpen: Number(report.breaker !== 'closed'),
      }
    : {};
