/** The one place of the tests that waits for the world: it polls until `probe` gives an answer, and fails at a deadline. */
export interface EventuallyOptions {
  /** What is waited for, for the message. */
  readonly what?: string;
  /** Milliseconds until it counts as a failure. */
  readonly timeoutMs?: number;
  readonly everyMs?: number;
}

/** Resolves with the first truthy answer of `probe`; an exception counts as "not yet" and is the cause of the failure. */
export const eventually = async <T>(
  probe: () => T | Promise<T>,
  { what = 'the condition', timeoutMs = 5_000, everyMs = 5 }: EventuallyOptions = {},
): Promise<Exclude<T, false | undefined | null | 0 | ''>> => {
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  do {
    try {
      const answer = await probe();
      if (answer) return answer as Exclude<T, false | undefined | null | 0 | ''>;
    } catch (error) {
      cause = error;
    }
    await pause(everyMs);
  } while (performance.now() < deadline);
  throw new Error(`${what} did not come about within ${timeoutMs} ms`, { cause });
};

/** For polling and for giving a wrong thing time to happen; never to make something right. */
export const pause = (delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });
