import type { Pool } from '../pool/pool.ts';
import type { PoolStatistics } from '../pool/statistics.ts';
import { CAUSE_DIMENSIONS, type Caused, type Name, POOL_METRICS, type Unit } from './pool-metrics.ts';

/** A metric of its own, with dimensions of its own; written as soon as it is added. */
interface SingleMetric {
  addDimension(name: string, value: string): unknown;
  addMetric(name: string, unit: Unit, value: number): unknown;
}

/** What is used of Powertools' `Metrics`; any other recorder with this shape will do. */
export interface MetricsSink {
  addMetric(name: string, unit: Unit, value: number): unknown;
  singleMetric?(): SingleMetric;
}

/** Values of one metric that a record lists, at most: Powertools flushes a metric that reaches 100. The longest are kept. */
const VALUES_MAX = 50;

/** Listed one by one. */
const DURATIONS = ['AcquireWait', 'LeaseWait', 'ConnectTime', 'HoldTime'] as const satisfies readonly Name[];
type Duration = (typeof DURATIONS)[number];

/** Counted since the last record: `name`, or `name` for one of its causes. */
type Counter = readonly [name: Exclude<Name, Caused>] | readonly [name: Caused, cause: string];

export interface PoolMetrics extends Disposable {
  /**
   * Adds what has happened since the last record, and the levels of this moment, to the sink. The wrappers of handlers
   * call it at the end of each invocation; who has none calls it now and then. Never throws, never flushes.
   */
  record(): void;
}

type MeasuredPool = Pick<Pool<unknown>, 'events' | 'status' | 'statistics'>;
type Gets = PoolStatistics['gets'];

class Recorder implements PoolMetrics {
  readonly #pool: MeasuredPool;
  readonly #sink: MetricsSink;
  readonly #subscriptions: readonly Disposable[];
  readonly #counts = new Map<string, { readonly counter: Counter; count: number }>();
  readonly #durations: Record<Duration, number[]> = {
    AcquireWait: [],
    LeaseWait: [],
    ConnectTime: [],
    HoldTime: [],
  };
  /** As of the last record. */
  #gets: Gets;
  /** The most that were lent, and the most callers that waited, at once. */
  #peak = { lent: 0, waiting: 0 };

  constructor(pool: MeasuredPool, sink: MetricsSink) {
    this.#pool = pool;
    this.#sink = sink;
    this.#gets = pool.statistics().gets;
    const { events } = pool;
    this.#subscriptions = [
      events.on('acquired', ({ waitMs }) => this.#onAcquired(waitMs)),
      events.on('acquireFailed', ({ error }) => this.#onFailed(error.code)),
      events.on('returned', ({ heldMs }) => this.#keep('HoldTime', heldMs)),
      events.on('leaseGranted', ({ waitMs }) => this.#keep('LeaseWait', waitMs)),
      events.on('connectionOpened', ({ openMs }) => this.#keep('ConnectTime', openMs)),
      events.on('leakSuspected', () => this.#add(['LeaksSuspected'])),
      events.on('healthChecked', ({ closed }) => closed > 0 && this.#add(['HealthChecksFailed'], closed)),
      events.on('waiting', ({ because }) => this.#add(['LongWaits', because ?? 'QUEUE'])),
      events.on('connectionOpened', () => this.#add(['ConnectionsOpened'])),
      events.on('connectionFailed', ({ failure }) => this.#add(['ConnectionsFailed', failure])),
      events.on('connectionClosed', ({ reason }) => this.#add(['ConnectionsClosed', reason])),
      events.on('leaseLost', ({ reason }) => this.#add(['LeasesLost', reason])),
      events.on('leaseDenied', ({ reason }) => this.#add(['Denied', reason])),
      events.on('censusRefused', () => this.#add(['CensusRefused'])),
      events.on('leftLent', ({ count }) => this.#add(['LeftLent'], count)),
    ];
  }

  record(): void {
    const counts = [...this.#counts.values()];
    const durations = DURATIONS.map((name) => [name, this.#durations[name].splice(0)] as const);
    const { gets } = this.#pool.statistics();
    const before = this.#gets;
    const { idle, lent, busy, closing, waiting } = this.#pool.status();
    const peak = this.#peak;
    this.#counts.clear();
    this.#gets = gets;
    this.#peak = { lent, waiting };
    quietly(() => {
      this.#tell('PoolSize', idle + lent + busy);
      this.#tell('ConnectionsActive', Math.max(peak.lent, lent));
      this.#tell('ConnectionsIdle', idle);
      this.#tell('LeasesHeld', idle + lent + busy + closing);
      this.#tell('Waiting', Math.max(peak.waiting, waiting));
      for (const [name, values] of durations) for (const ms of values) this.#tell(name, ms);
      for (const [name, count] of getsSince(before, gets)) this.#tell(name, count);
      for (const [name, count] of totals(counts)) this.#tell(name, count);
    });
    for (const { counter, count } of counts) quietly(() => this.#addByCause(counter, count));
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    recorders.get(this.#sink)?.delete(this.#pool);
  }

  #tell(name: Name, value: number): void {
    this.#sink.addMetric(name, POOL_METRICS[name], value);
  }

  /** A dimension applies to a whole blob, so a cause goes into one of its own; such events are rare. */
  #addByCause(counter: Counter, count: number): void {
    if (counter.length === 1) return;
    const [name, cause] = counter;
    const single = this.#sink.singleMetric?.();
    single?.addDimension(CAUSE_DIMENSIONS[name], cause);
    single?.addMetric(name, POOL_METRICS[name], count);
  }

  #onAcquired(waitMs: number): void {
    // A caller that waited has just left those who wait.
    this.#notePeak(waitMs > 0 ? 1 : 0);
    this.#keep('AcquireWait', waitMs);
  }

  #keep(name: Duration, ms: number): void {
    keepLongest(this.#durations[name], ms);
  }

  #onFailed(code: string): void {
    this.#notePeak(1);
    this.#add(['AcquireFailed', code]);
  }

  #notePeak(leftWaiting: number): void {
    const { lent, waiting } = this.#pool.status();
    this.#peak.lent = Math.max(this.#peak.lent, lent);
    this.#peak.waiting = Math.max(this.#peak.waiting, waiting + leftWaiting);
  }

  #add(counter: Counter, by = 1): void {
    const key = counter.join(' ');
    const entry = this.#counts.get(key) ?? { counter, count: 0 };
    entry.count += by;
    this.#counts.set(key, entry);
  }
}

const keepLongest = (waits: number[], waitMs: number): void => {
  waits.push(waitMs);
  if (waits.length > VALUES_MAX) waits.splice(waits.indexOf(Math.min(...waits)), 1);
};

/** How callers came by a connection since then: what is worth an alarm is how few of them came by it at once. */
const getsSince = (before: Gets, now: Gets): readonly (readonly [Name, number])[] =>
  (
    [
      ['GetsDirect', now.direct - before.direct],
      ['GetsWaited', now.waited - before.waited],
      ['GetsTimedOut', now.timedOut - before.timedOut],
    ] as const
  ).filter(([, count]) => count > 0);

/** One recorder for each pool and sink: two handlers of one module must not count the same event twice. */
const recorders = new WeakMap<MetricsSink, WeakMap<MeasuredPool, PoolMetrics>>();

/**
 * Turns a pool's events and status into metrics of `metrics`, Powertools' own or anything of its shape. The same pool and
 * sink give the same recorder.
 *
 * Everything is added when `record` is called, not when it happens: a timer of an earlier invocation may be what makes it
 * happen, and Powertools keeps the metrics of concurrent invocations apart. So a metric has the dimensions that the sink
 * has then; give a sink of its own (flushed beside yours) where yours has dimensions that should not multiply these.
 *
 * Levels, always: PoolSize, ConnectionsActive (the most lent at once since the last record), ConnectionsIdle, LeasesHeld,
 * Waiting (the most callers of this process that waited at once). In ms, the 50 longest: AcquireWait, for each connection
 * got, LeaseWait, for each lease that the registry granted after its queue, ConnectTime, and HoldTime, for each connection that
 * came back. Counts, when above 0: GetsDirect, GetsWaited, GetsTimedOut, LeaksSuspected, HealthChecksFailed, ConnectionsOpened,
 * ConnectionsFailed, ConnectionsClosed, LeasesLost, Denied, AcquireFailed, LeftLent, CensusRefused, and LongWaits (told of a
 * lease waited for longer than a second, then ever more rarely). A count that has causes is a total in the sink, to alarm
 * on, and is written once more for each cause with that as its dimension (`cause`, `reason`, `code`, `because`) where the sink has
 * `singleMetric`, to find out with: the dimension would otherwise apply to everything else in the sink.
 */
export const poolMetrics = (pool: MeasuredPool, metrics: MetricsSink): PoolMetrics => {
  const ofSink = recorders.get(metrics) ?? new WeakMap<MeasuredPool, PoolMetrics>();
  recorders.set(metrics, ofSink);
  const recorder = ofSink.get(pool) ?? new Recorder(pool, metrics);
  ofSink.set(pool, recorder);
  return recorder;
};

const totals = (
  counts: readonly { readonly counter: Counter; readonly count: number }[],
): ReadonlyMap<Name, number> => {
  const sums = new Map<Name, number>();
  for (const { counter, count } of counts) sums.set(counter[0], (sums.get(counter[0]) ?? 0) + count);
  return sums;
};

/** A sink of somebody else must not be able to hurt an invocation. */
const quietly = (call: () => void): void => {
  try {
    call();
  } catch {
    // Lost metrics are the sink's own affair.
  }
};
