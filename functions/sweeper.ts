import type { Context, ScheduledEvent } from 'aws-lambda';
import type { Driver } from '../lib/driver/driver.ts';
import { createSweeper, type SweepReport } from '../lib/sweeper/sweeper.ts';
import { openControl } from './control.ts';
import { measureFailedSweep, measureFleet } from './fleet-metrics.ts';
import {
  type ConfigureReport,
  configureAsNew,
  isNewResource,
  type NewResourceEvent,
} from './new-resource.ts';
import { type Wiring, wiring } from './wiring.ts';

type SweeperHandler = (
  event: ScheduledEvent | NewResourceEvent,
  context: Pick<Context, 'getRemainingTimeInMillis'>,
) => Promise<SweepReport | ConfigureReport>;

/** Time for the last statements, the report and the answer. */
const RESERVE_MS = 5_000;

/** Runs on a schedule; the registry elects one at a time, and it is safe not to run at all. */
export const sweeperHandler = (parts: Wiring): SweeperHandler => {
  const { control: way, database } = parts.settings;
  const control = way && openControl(way, database.url);
  const sweeper = makeSweeper(parts, control);
  return async (event, context) => {
    if (isNewResource(event)) return configureAsNew(parts, control);
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

const makeSweeper = (
  { env, registry, driver, settings: { follow, lookEveryMs } }: Wiring,
  control: Driver<unknown> | undefined,
) => {
  return createSweeper({
    ...{ registry, env, driver, lookEveryMs },
    ...(control === undefined ? {} : { control }),
    ...(follow === undefined ? {} : { followCapacity: follow }),
  });
};

const tell = ({ logger }: Wiring, report: SweepReport): void => {
  if (!report.isElected) logger.info('Another sweeper is at it', { report });
  else if (report.trouble === undefined) logger.info('Swept', { report });
  else logger.warn('Swept, but not all of it', { report, trouble: report.trouble });
};

let made: SweeperHandler | undefined;

export const handler: SweeperHandler = async (event, context) => {
  made ??= sweeperHandler(wiring());
  return made(event, context);
};
