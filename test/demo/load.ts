/** The shape of serverless load: bursts of invocations with short pauses, then nothing for a while. */

const BURST_MAX = 6;
const BURST_MEAN = (1 + BURST_MAX) / 2;
const GAP_MIN_MS = 20;
const GAP_SPAN_MS = 80;

/** The storm at the start of a phase: all environments have their cold start within this time. */
const STORM_MS = 1_500;

/** Endless pauses before each invocation of one environment; one invocation each `periodMs` in the mean. */
export function* pausesMs(periodMs: number, random: () => number): Generator<number, never> {
  const burstMs = (BURST_MEAN - 1) * (GAP_MIN_MS + GAP_SPAN_MS / 2);
  const quietMs = Math.max(GAP_MIN_MS, BURST_MEAN * periodMs - burstMs);
  yield STORM_MS * random();
  for (;;) {
    // Exponential, as of independent users.
    yield -Math.log(1 - random()) * quietMs;
    const burst = 1 + Math.floor(BURST_MAX * random());
    for (let at = 1; at < burst; at += 1) yield GAP_MIN_MS + GAP_SPAN_MS * random();
  }
}
