import type { Events } from '../core/events.ts';
import { Histogram, type HistogramReport } from './histogram.ts';
import type { CloseReason, PoolEvents } from './pool-events.ts';

/** What has happened in a pool since it was made. */
export interface PoolStatistics {
  /** How callers came by a connection, or did not. */
  readonly gets: {
    /** At once: a warm one was there. */
    readonly direct: number;
    /** After a wait: for a return, a check, a lease or a connect. */
    readonly waited: number;
    /** Not within their time. */
    readonly timedOut: number;
    /** They aborted. */
    readonly aborted: number;
    /** For any other reason. */
    readonly failed: number;
  };
  readonly returned: number;
  readonly opened: number;
  /** Attempts to connect. */
  readonly openFailed: number;
  readonly closed: Readonly<Record<CloseReason, number>>;
  readonly leaksSuspected: number;
  /** Of those that waited. */
  readonly wait: HistogramReport;
  readonly open: HistogramReport;
  /** In whole ms of the wall clock. */
  readonly hold: HistogramReport;
}

/** Counts what a pool does. What happens at every use is told directly; the rest is heard from the pool's own events. */
export class Statistics {
  direct = 0;
  readonly hold = new Histogram();
  readonly #wait = new Histogram();
  readonly #open = new Histogram();
  #gets = { waited: 0, timedOut: 0, aborted: 0, failed: 0 };
  #openFailed = 0;
  #leaksSuspected = 0;
  readonly #closed: Record<CloseReason, number> = {
    yielded: 0,
    revoked: 0,
    lost: 0,
    broken: 0,
    idle: 0,
    lifetime: 0,
    uses: 0,
    discarded: 0,
    left: 0,
    closed: 0,
  };

  constructor(events: Events<PoolEvents>) {
    events.on('acquireFailed', ({ error: { code, details } }) => {
      if (code === 'ABORTED') this.#gets.aborted += 1;
      else if ('waitedMs' in details) this.#gets.timedOut += 1;
      else this.#gets.failed += 1;
    });
    events.on('connectionOpened', ({ openMs }) => this.#open.add(openMs));
    events.on('connectionFailed', () => {
      this.#openFailed += 1;
    });
    events.on('connectionClosed', ({ reason }) => {
      this.#closed[reason] += 1;
    });
    events.on('leakSuspected', () => {
      this.#leaksSuspected += 1;
    });
  }

  waited(ms: number): void {
    this.#gets.waited += 1;
    this.#wait.add(ms);
  }

  report(): PoolStatistics {
    const open = this.#open.report();
    const hold = this.hold.report();
    return {
      gets: { direct: this.direct, ...this.#gets },
      returned: hold.count,
      opened: open.count,
      openFailed: this.#openFailed,
      closed: { ...this.#closed },
      leaksSuspected: this.#leaksSuspected,
      wait: this.#wait.report(),
      open,
      hold,
    };
  }
}
