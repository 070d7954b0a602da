import type { Context, ScheduledEvent } from 'aws-lambda';
import { settingsOf } from '../lib/core/config.ts';
import { createSweeper, type SweepReport } from '../lib/sweeper/sweeper.ts';
import { openControl } from './control.ts';
import { measureFailedSweep, measureFleet } from './fleet-metrics.ts';
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

/** Runs on a schedule; the registry elects one at a time, and it is safe not to run at all. */
export const sweeperHandler = (parts: Wiring): SweeperHandler => {
  const sweeper = makeSweeper(parts);
  return async (event, context) => {
    if ('isNew' in event && event.isNew) return configure(parts);
    const timeBudgetMs = Math.max(1, context.getRemainingTimeInMillis() - RESERVE_MS);
    try {
      const report = await sweeper.sweep({ timeBudgetMs });
      tell(parts, report);
      measureFleet(parts.metrics, report);
      return report;
    } catch (error) {
      measureFailedSweep(parts.metrics);
      throw error;
    } finally {
      // This function's own; nobody else flushes it.
      parts.metrics.publishStoredMetrics();
    }
  };
};

const makeSweeper = ({ env, registry, driver, settings }: Wiring) => {
  const { control, database, follow, lookEveryMs } = settings;
  return createSweeper({
    ...{ registry, env, driver, lookEveryMs },
    ...(control === undefined ? {} : { control: openControl(control, database.url) }),
    ...(follow === undefined ? {} : { followCapacity: follow }),
  });
};

const tell = ({ logger }: Wiring, report: SweepReport): void => {
  if (!report.isElected) logger.info('Another sweeper is at it', { report });
  else if (report.trouble === undefined) logger.info('Swept', { report });
  else logger.warn('Swept, but not all of it', { report, trouble: report.trouble });
};

const configure = async ({ pool, registry, logger }: Wiring): Promise<ConfigureReport> => {
  const { resource } = pool.config;
  const { kind, learningMs } = await registry.configure(resource, settingsOf(pool.config), true);
  logger.info('Configured as new', { resource, kind, learningMs });
  return { resource, kind, learningMs };
};

let made: SweeperHandler | undefined;

export const handler: SweeperHandler = async (event, context) => {
  made ??= sweeperHandler(wiring());
  return made(event, context);
};
