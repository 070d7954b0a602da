import { isMainThread } from 'node:worker_threads';
import { type Clock, sleep, systemClock } from '../core/clock.ts';
import { configError } from '../core/config.ts';
import { registerExtension } from './extension.ts';

/** What is used of a pool. */
export interface ClosablePool {
  close(options?: { readonly timeoutMs?: number }): Promise<unknown>;
}

/** A pool, or what stands in front of one. */
export type ShutdownPool = ClosablePool | { readonly leases: ClosablePool };

export interface ShutdownOptions {
  /**
   * Ms for which work that goes on may still use its connections. Default: 300. Lambda kills 500 ms after its SIGTERM; a
   * server that may take its time takes more.
   */
  readonly drainMs?: number;
  /** Ms in which what is left after that is ended and every lease given back. Default: 150. Then the process ends in any case. */
  readonly farewellMs?: number;
  /** `process.env`: on Lambda it says where an extension is registered, without which there is no SIGTERM. Default: none. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Told why Lambda would not register the extension, and of a pool that could not be closed. Default: nobody. */
  readonly onError?: (error: Error) => void;
  /** Default: the system's clock. */
  readonly clock?: Clock;
}

/** Disposing takes the listener away again; the extension stays registered, which does no harm. */
export interface Shutdown extends Disposable {
  /**
   * Resolves when Lambda has been asked for a SIGTERM, to whether it will send one: false off Lambda, in a worker thread,
   * and where it refused. Await it in the module's init, for later it is too late. Never rejects.
   */
  readonly registered: Promise<boolean>;
}

const DRAIN_MS = 300;
const FAREWELL_MS = 150;
const TIME_MAX_MS = 3_600_000;
const OPTIONS = ['drainMs', 'farewellMs', 'env', 'onError', 'clock'];

/** By this other copies of this module know our listeners from those of others. */
const OURS = Symbol.for('leasehold.shutdown');

/**
 * Closes the pools on SIGTERM: lends nothing more, waits `drainMs` for what is lent, ends the rest and gives every lease
 * back within `farewellMs`. Then the process ends as it would have without: by the signal, or, where others listen for
 * SIGTERM too, whenever they see fit.
 *
 * Nothing depends on it: leases that nobody gives back expire. On Lambda pass `env`, and await `registered` during init.
 * Node delivers signals to the main thread only: in a worker thread this does nothing.
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem of the arguments.
 */
export const closeOnShutdown = (
  pools: ShutdownPool | readonly ShutdownPool[],
  options: ShutdownOptions = {},
): Shutdown => {
  const all = (Array.isArray(pools) ? pools : [pools]) as readonly ShutdownPool[];
  const problems = [...all.flatMap(poolProblems), ...optionProblems(options)];
  if (problems.length > 0) throw configError(problems);
  if (!isMainThread) return { registered: Promise.resolve(false), [Symbol.dispose]: () => undefined };
  const watch = new SignalWatch(all.map(closable), options);
  return { registered: registered(options), [Symbol.dispose]: () => watch.stop() };
};

/** One listener for SIGTERM, and what it does once. */
class SignalWatch {
  readonly #pools: readonly ClosablePool[];
  readonly #options: ShutdownOptions;
  readonly #listener: () => void;
  #isClosing = false;

  constructor(pools: readonly ClosablePool[], options: ShutdownOptions) {
    this.#pools = pools;
    this.#options = options;
    this.#listener = Object.assign(() => void this.#shutDown(), { [OURS]: true });
    // Before all others: a `once` of theirs would be gone when we look who else listens.
    process.prependListener('SIGTERM', this.#listener);
  }

  stop(): void {
    process.off('SIGTERM', this.#listener);
  }

  async #shutDown(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const othersListen = process.listeners('SIGTERM').some((listener) => !(OURS in listener));
    await this.#close();
    this.stop();
    // Of several of our own the last one to be done does it.
    if (!othersListen && process.listenerCount('SIGTERM') === 0) process.kill(process.pid, 'SIGTERM');
  }

  async #close(): Promise<void> {
    const { drainMs = DRAIN_MS, farewellMs = FAREWELL_MS, clock = systemClock } = this.#options;
    const bound = new AbortController();
    const closing = Promise.all(this.#pools.map((pool) => this.#closeOne(pool, drainMs)));
    await Promise.race([closing, sleep(clock, drainMs + farewellMs, bound.signal)]);
    bound.abort();
  }

  async #closeOne(pool: ClosablePool, drainMs: number): Promise<void> {
    try {
      await pool.close({ timeoutMs: drainMs });
    } catch (error) {
      tell(this.#options, error);
    }
  }
}

/** One registration an environment: a second one of the same name would be refused. */
const registrations = new Map<string, Promise<boolean>>();

const registered = (options: ShutdownOptions): Promise<boolean> => {
  const { env = {}, clock = systemClock } = options;
  const api = env['AWS_LAMBDA_RUNTIME_API'];
  if (api === undefined || api === '') return Promise.resolve(false);
  const onError = (error: unknown): false => tell(options, error);
  const registration =
    registrations.get(api) ?? registerExtension({ api, clock, onError }).then(() => true, onError);
  registrations.set(api, registration);
  return registration;
};

/** The signal's, or the init's, own way must not depend on whoever listens. */
const tell = ({ onError }: ShutdownOptions, error: unknown): false => {
  try {
    onError?.(error instanceof Error ? error : new Error(String(error)));
  } catch {
    // It had its chance.
  }
  return false;
};

const closable = (pool: ShutdownPool): ClosablePool => ('leases' in pool ? pool.leases : pool);

const poolProblems = (pool: unknown): string[] => {
  const { leases = pool } = Object(pool) as { leases?: unknown };
  return typeof Reflect.get(Object(leases), 'close') === 'function'
    ? []
    : ['pools: one is missing or is none; it is createPool({ … }), or has one as `leases`'];
};

const optionProblems = (options: ShutdownOptions): string[] => {
  const unknown = Object.keys(options).filter((name) => !OPTIONS.includes(name));
  const times = Object.entries({ drainMs: options.drainMs, farewellMs: options.farewellMs });
  const isTime = (ms = 0): boolean => Number.isSafeInteger(ms) && ms >= 0 && ms <= TIME_MAX_MS;
  return [
    ...unknown.map((name) => `${name}: no such option; there are ${OPTIONS.join(', ')}`),
    ...times
      .filter(([, ms]) => !isTime(ms))
      .map(([name, ms]) => `${name}: ${ms} is not a whole number of ms from 0 to ${TIME_MAX_MS}`),
  ];
};
