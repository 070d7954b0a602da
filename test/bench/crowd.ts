import type { Limiter } from './peers.ts';

/** What a crowd of callers went through while it lasted. */
export interface Round {
  /** In ms; of those still waiting at the end, how long they have waited so far. */
  readonly waits: readonly number[];
  /** How often each caller got what it wanted. */
  readonly counts: readonly number[];
  /** What all of them together held, in ms. */
  readonly heldMs: number;
  readonly lastedMs: number;
  readonly commands: number;
}

/** How long a round's last callers may take to end, in ms; a caller that is never served must not stop the others. */
const SEEN_THROUGH_MS = 3_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Every caller wants again as soon as it has given back, for `roundMs`; what is under way then is seen through, uncounted. */
export const runRound = async (
  limiters: readonly Limiter[],
  holdMs: number,
  roundMs: number,
  commands: () => number,
): Promise<Round> => {
  const endsAt = performance.now() + roundMs;
  const waits: number[] = [];
  const counts = limiters.map(() => 0);
  const waitingSince = new Map<number, number>();
  const commandsBefore = commands();
  let heldMs = 0;
  const use = async (limiter: Limiter, caller: number): Promise<void> => {
    const since = performance.now();
    waitingSince.set(caller, since);
    await limiter.use(async () => {
      const from = performance.now();
      waitingSince.delete(caller);
      await sleep(holdMs);
      if (from >= endsAt) return;
      waits.push(from - since);
      counts[caller] = (counts[caller] ?? 0) + 1;
      heldMs += Math.min(performance.now(), endsAt) - from;
    });
  };
  const callers = limiters.map(async (limiter, caller) => {
    while (performance.now() < endsAt) await use(limiter, caller);
  });
  await sleep(roundMs);
  const commandsMade = commands() - commandsBefore;
  for (const since of waitingSince.values()) waits.push(endsAt - since);
  await Promise.race([Promise.all(callers), sleep(SEEN_THROUGH_MS)]);
  return { waits, counts, heldMs, lastedMs: roundMs, commands: commandsMade };
};

/** The waits of the same crowd before a queue that costs nothing: first come, first served, never a free place unused. */
export const idealWaits = (callers: number, places: number, holdMs: number, roundMs: number): number[] => {
  const waits: number[] = [];
  const freeAt = Array.from({ length: places }, () => 0);
  const cameAt = Array.from({ length: callers }, () => 0);
  // Who is served first leaves first and comes again first, so both lines stay in order.
  for (;;) {
    const came = cameAt.shift() ?? 0;
    const from = Math.max(came, freeAt.shift() ?? 0);
    if (from >= roundMs) return waits;
    waits.push(from - came);
    freeAt.push(from + holdMs);
    cameAt.push(from + holdMs);
  }
};
