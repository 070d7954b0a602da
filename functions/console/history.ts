/** One moment of the fleet; without numbers nobody could tell them. */
export interface Sample {
  readonly atMs: number;
  readonly numbers: FleetNumbers | undefined;
}

export interface FleetNumbers {
  readonly leases: number;
  readonly capacity: number;
  readonly waiters: number;
}

/** A minute of the history in one row. */
export interface Minute {
  readonly startMs: number;
  readonly leasesMin: number;
  readonly leasesMax: number;
  readonly capacity: number;
  readonly waitersMax: number;
}

const MINUTE_MS = 60_000;

/** An hour at one sample in two seconds. */
const KEPT_MS = 60 * MINUTE_MS;
const KEPT_SAMPLES = 2_000;

/** What the page has seen, an hour of it at most; nothing of it outlives the page. */
export class History {
  #samples: Sample[] = [];

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  add(sample: Sample): void {
    // A clock that was set back would draw the line backwards.
    const earlier = this.#samples.filter(({ atMs }) => atMs < sample.atMs);
    const oldestMs = sample.atMs - KEPT_MS;
    this.#samples = [...earlier, sample].filter(({ atMs }) => atMs >= oldestMs).slice(-KEPT_SAMPLES);
  }

  /** By the minute, the latest first; minutes without an answer are left out. */
  minutes(): readonly Minute[] {
    const byStart = new Map<number, Minute>();
    for (const { atMs, numbers } of this.#samples) {
      if (numbers === undefined) continue;
      const startMs = atMs - (atMs % MINUTE_MS);
      byStart.set(startMs, joined(byStart.get(startMs), startMs, numbers));
    }
    return [...byStart.values()].reverse();
  }
}

const joined = (minute: Minute | undefined, startMs: number, now: FleetNumbers): Minute => ({
  startMs,
  leasesMin: Math.min(minute?.leasesMin ?? now.leases, now.leases),
  leasesMax: Math.max(minute?.leasesMax ?? now.leases, now.leases),
  // The last one of the minute.
  capacity: now.capacity,
  waitersMax: Math.max(minute?.waitersMax ?? 0, now.waiters),
});
