import type { Context, EventBridgeEvent } from 'aws-lambda';
import { type Clock, sleep, systemClock } from '../lib/core/clock.ts';
import type { OperateReply, Operation } from '../lib/core/operation.ts';
import { isLeaseholdError } from '../lib/index.ts';
import { readDatabaseEvent } from './database-event.ts';
import { type Plan, planFor } from './failover-plan.ts';
import { readFailoverSettings, withoutSources } from './failover-settings.ts';
import { isAction, type OperatorAction, readAction } from './operator-action.ts';
import { type RegistryWiring, registryWiring } from './registry-wiring.ts';

/** What this function measures, with units; nothing else writes metrics of these names. */
export const FAILOVER_METRICS = {
  /** Nothing is granted, because a failover has started or an operator has said so. */
  FailoverPaused: 'Count',
  /** Every connection of before is being replaced. */
  FailoverReconnected: 'Count',
  /** Granting again. */
  FailoverResumed: 'Count',
  /** Nothing is granted, and what is idle is asked to go. */
  FailoverDrained: 'Count',
  /** The capacity is another one. */
  FailoverResized: 'Count',
  /** An event that changed nothing: foreign, unknown, a repeat, too late. */
  FailoverIgnored: 'Count',
} as const;

const METRIC_OF = {
  pause: 'FailoverPaused',
  reconnect: 'FailoverReconnected',
  resume: 'FailoverResumed',
  drain: 'FailoverDrained',
  resize: 'FailoverResized',
} as const satisfies Readonly<Record<string, keyof typeof FAILOVER_METRICS>>;

type Kind = keyof typeof METRIC_OF;

export interface FailoverReport {
  readonly resource: string;
  /** The operations that were told to the registry, in this order. */
  readonly did: readonly Kind[];
  /** How long a pause lasts if nobody ends it, in ms; 0: until `resume`. */
  readonly forMs?: number;
  /** Why nothing, or no more than that, was done. */
  readonly because?: string;
  /** RDS's id of the event. */
  readonly event?: string;
}

type FailoverHandler = (
  event: EventBridgeEvent<string, unknown> | OperatorAction,
  context: Pick<Context, 'getRemainingTimeInMillis'>,
) => Promise<FailoverReport>;

type Parts = Omit<RegistryWiring, 'close'>;

/**
 * Pauses a resource while its database fails over, and has every connection replaced when that is over. For the events of RDS
 * from EventBridge (see database-event.ts), and for an operator's own word (see operator-action.ts).
 *
 * An event that is not ours is ignored, with a word in the log. A registry that gives no answer is tried again for some
 * seconds; then the invocation fails, so that Lambda retries it: everything here may be repeated.
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem of the environment at once.
 */
export const failoverHandler = (parts: Parts, clock: Clock = systemClock): FailoverHandler => {
  const { registry, logger } = parts;
  const { resource } = parts.config;
  const { sources, pauseMs } = readFailoverSettings(parts.env);

  const planOf = async (event: unknown): Promise<Plan & { readonly event?: string }> => {
    if (isAction(event)) return { steps: [readAction(event, pauseMs)] };
    const found = readDatabaseEvent(event);
    if ('because' in found) return { steps: [], because: found.because };
    if (sources.length === 0) throw withoutSources();
    const { id, names } = found;
    if (!names.some((name) => isListed(sources, name)))
      return { steps: [], because: 'not of a cluster or instance in FAILOVER_SOURCES', event: id };
    const report = await registry.inspect(resource, 0);
    return { ...planFor(found, { nowMs: clock.wallMs(), pauseMs, report }), event: id };
  };

  const follow = async (event: unknown): Promise<FailoverReport> => {
    const { steps, ...why } = await planOf(event);
    const done = { resource, did: steps.map(({ kind }) => kind as Kind), ...durationOf(steps), ...why };
    for (const step of steps) {
      const because = WHY_NOT[await registry.operate(resource, step)];
      if (because !== undefined) return { ...done, did: [], because };
    }
    return done;
  };

  return async (event, context) => {
    const report = await persistently(clock, context, logger, () => follow(event));
    logger.info(report.did.length > 0 ? 'Failover: told the registry' : 'Failover: nothing to do', {
      report,
    });
    measure(parts, report);
    return report;
  };
};

const WHY_NOT: Readonly<Partial<Record<OperateReply, string>>> = {
  unknown: 'the registry does not know the resource',
  refused: "the groups' minima need more than capacity - headroom",
};

/** An identifier in the list names a cluster or an instance by the last part of its ARN, too. */
const isListed = (sources: readonly string[], name: string): boolean =>
  sources.includes(name) || sources.includes(name.split(':').at(-1) ?? '');

const durationOf = (steps: readonly Operation[]): Pick<FailoverReport, 'forMs'> => {
  const pause = steps.find((step) => step.kind === 'pause');
  return pause === undefined ? {} : { forMs: pause.forMs };
};

/** Waits between tries, in ms. Lambda's own second try comes after a minute, when a failover is mostly over. */
const WAITS_MS = [250, 500, 1_000, 2_000, 4_000];
/** For the last try, and the answer. */
const RESERVE_MS = 3_000;

/** What takes down a database's zone may take down a node of the registry at the same moment. */
const persistently = async <Result>(
  clock: Clock,
  context: Pick<Context, 'getRemainingTimeInMillis'>,
  logger: Parts['logger'],
  work: () => Promise<Result>,
): Promise<Result> => {
  for (const waitMs of WAITS_MS) {
    try {
      return await work();
    } catch (error) {
      if (!isLeaseholdError(error) || !error.retryable) throw error;
      if (context.getRemainingTimeInMillis() < waitMs + RESERVE_MS) throw error;
      logger.warn('Failover: the registry gives no answer; trying again', { waitMs, reason: error.message });
    }
    await sleep(clock, waitMs);
  }
  return work();
};

const measure = ({ metrics }: Parts, { did }: FailoverReport): void => {
  if (did.length === 0) metrics.addMetric('FailoverIgnored', FAILOVER_METRICS.FailoverIgnored, 1);
  for (const kind of did) metrics.addMetric(METRIC_OF[kind], FAILOVER_METRICS[METRIC_OF[kind]], 1);
  metrics.publishStoredMetrics();
};

let made: FailoverHandler | undefined;

export const handler: FailoverHandler = async (event, context) => {
  made ??= failoverHandler(registryWiring());
  return made(event, context);
};
