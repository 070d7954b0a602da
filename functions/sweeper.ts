import type { Context, ScheduledEvent } from 'aws-lambda';
import { settingsOf } from '../lib/core/config.ts';
import { createSweeper, type SweepReport } from '../lib/sweeper/sweeper.ts';
import { type Wiring, wiring } from './wiring.ts';

/** A deploy's first step says that the resource is new, so that nobody's first request waits for the registry to learn. */
export interface NewResourceEvent {
  readonly isNew: true;
}

export interface ConfigureReport {
  readonly resource: string;
  readonly kind: 'created' | 'exists';
  readonly learningMs: number;
}

type SweeperHandler = (
  event: ScheduledEvent | NewResourceEvent,
  context: Pick<Context, 'getRemainingTimeInMillis'>,
) => Promise<SweepReport | ConfigureReport>;

/** Time for the last statements, the report and the answer. */
const RESERVE_MS = 5_000;

/** Runs on a schedule; safe to run twice at once, and safe not to run at all. */
export const sweeperHandler = (parts: Wiring): SweeperHandler => {
  const { env, registry, driver, control, logger } = parts;
  const through = control === undefined ? { driver } : { control };
  const sweeper = createSweeper({ registry, env, ...through });
  return async (event, context) => {
    if ('isNew' in event && event.isNew) return configure(parts);
    const timeBudgetMs = Math.max(1, context.getRemainingTimeInMillis() - RESERVE_MS);
    const report = await sweeper.sweep({ timeBudgetMs });
    if (report.trouble === undefined) logger.info('Swept', { report });
    else logger.warn('Swept, but not all of it', { report, trouble: report.trouble });
    measure(parts, report);
    return report;
  };
};

const configure = async ({ pool, registry, logger }: Wiring): Promise<ConfigureReport> => {
  const { resource } = pool.config;
  const { kind, learningMs } = await registry.configure(resource, settingsOf(pool.config), true);
  logger.info('Configured as new', { resource, kind, learningMs });
  return { resource, kind, learningMs };
};

const measure = ({ metrics }: Wiring, report: SweepReport): void => {
  const { expired, settled, denied, held, revoking, waiters, debt, foreign } = report;
  const counts = {
    SweepExpired: expired,
    SweepSettled: settled,
    SweepDenied: denied,
    FleetHeld: held,
    FleetRevoking: revoking,
    FleetWaiters: waiters,
    FleetDebt: debt,
    FleetForeign: foreign,
  };
  for (const [name, value] of Object.entries(counts)) metrics.addMetric(name, 'Count', value);
  // This function's own; nobody else flushes it.
  metrics.publishStoredMetrics();
};

let made: SweeperHandler | undefined;

export const handler: SweeperHandler = async (event, context) => {
  made ??= sweeperHandler(wiring());
  return made(event, context);
};
