import { type Clock, type Instant, sleep, systemClock } from '../core/clock.ts';
import { configError } from '../core/config.ts';
import type { RenewablePassword } from '../core/password.ts';
import { show } from '../core/problem.ts';
import { type Random, systemRandom } from '../core/random.ts';
import { wholeNumber } from '../core/right.ts';

/**
 * Reads the password, from AWS Secrets Manager or wherever it is. `refused`: the one that the database no longer takes, where
 * that is the reason to ask; then a pending version may be the right one already.
 */
export type SecretFetch = (refused?: string) => Promise<string>;

export interface RotatingSecretOptions {
  /** How long a password is used without asking again, in ms. Default: 300,000. */
  readonly ttlMs?: number;
  /** After a refused login the fetch waits up to so long, in ms, drawn at random: a fleet does not ask in one moment. Default: 300. */
  readonly spreadMs?: number;
  /** How long one fetch may take, in ms. Default: 2,000, less than a connect may take. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

interface Known {
  readonly text: string;
  /** When it is to be asked for anew. */
  readonly since: Instant;
  readonly forMs: number;
}

const DEFAULTS = { ttlMs: 300_000, spreadMs: 300, timeoutMs: 2_000 } as const;
const RANGES = { ttlMs: [1, 86_400_000], spreadMs: [0, 10_000], timeoutMs: [1, 60_000] } as const;

/** Where a fetch fails and an older password is known, that one is used so long before the next fetch, in ms. */
const STALE_MS = 10_000;
/** A refused password that was fetched again and is still the same is not fetched once more for so long, in ms. */
const IN_VAIN_MS = 1_000;

/**
 * A password that somebody rotates, as a function for `pg`'s `password`. It is cached for `ttlMs`; fetches are made one at a
 * time. When the database refuses it, the driver asks once for another one and tries again, within the bound of the same
 * connect; when it has changed, pools drain the connections of the old one. A fetch that fails leaves the last password in
 * use. The user stays the same: sessions are looked for and ended by their role, so rotation between two users cannot work.
 *
 * Rejects where no password was ever had; the pool then has opened nothing and tries again.
 *
 * @throws LeaseholdError CONFIG_INVALID.
 */
export const rotatingSecret = (
  fetch: SecretFetch,
  options: RotatingSecretOptions = {},
): RenewablePassword => {
  const problems = problemsOf(fetch, options);
  if (problems.length > 0) throw configError(problems);
  const secret = new Secret(fetch, options);
  return Object.assign(() => secret.read(), {
    renew: (refused: string) => secret.renew(refused),
    onChange: (listener: () => void) => secret.onChange(listener),
  });
};

const problemsOf = (fetch: unknown, options: RotatingSecretOptions): string[] => [
  ...(typeof fetch === 'function' ? [] : ['fetch: is no function that resolves with the password']),
  ...Object.entries(RANGES).flatMap(([name, [min, max]]) => {
    const value: unknown = Reflect.get(options, name);
    const { isRight, says } = wholeNumber(min, max, 'ms');
    return value === undefined || isRight(value) ? [] : [`${name}: ${show(value)} is not ${says}`];
  }),
];

class Secret {
  readonly #fetch: SecretFetch;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #options: Required<Pick<RotatingSecretOptions, keyof typeof DEFAULTS>>;
  readonly #listeners = new Set<() => void>();
  #known: Known | undefined;
  #reading: Promise<string> | undefined;
  #renewing: Promise<void> | undefined;
  #inVainSince: Instant | undefined;

  constructor(
    fetch: SecretFetch,
    { clock = systemClock, random = systemRandom, ...options }: RotatingSecretOptions,
  ) {
    this.#fetch = fetch;
    this.#clock = clock;
    this.#random = random;
    this.#options = { ...DEFAULTS, ...options };
  }

  onChange(listener: () => void): Disposable {
    // A hearer of its own for each listener: the same function may listen twice.
    const hearer = (): void => listener();
    this.#listeners.add(hearer);
    return { [Symbol.dispose]: () => void this.#listeners.delete(hearer) };
  }

  async read(): Promise<string> {
    const known = this.#known;
    if (known !== undefined && this.#clock.elapsedMs(known.since) < known.forMs) return known.text;
    try {
      return await this.#fetchOnce();
    } catch (error) {
      const last = this.#known;
      if (last === undefined) throw error;
      // Better an old password that may still be right than none.
      this.#know(last.text, STALE_MS);
      return last.text;
    }
  }

  async renew(refused: string): Promise<boolean> {
    if (this.#isOther(refused)) return true;
    const inVainMs = this.#inVainSince === undefined ? IN_VAIN_MS : this.#clock.elapsedMs(this.#inVainSince);
    if (inVainMs < IN_VAIN_MS) return false;
    this.#renewing ??= this.#renew(refused).finally(() => {
      this.#renewing = undefined;
    });
    await this.#renewing;
    return this.#isOther(refused);
  }

  async #renew(refused: string): Promise<void> {
    await sleep(this.#clock, this.#options.spreadMs * this.#random.fraction());
    // Somebody's cache has run out meanwhile.
    if (this.#isOther(refused)) return;
    await this.#fetchOnce(refused).catch(() => undefined);
    this.#inVainSince = this.#isOther(refused) ? undefined : this.#clock.read();
  }

  #isOther(refused: string): boolean {
    return this.#known !== undefined && this.#known.text !== refused;
  }

  #fetchOnce(refused?: string): Promise<string> {
    this.#reading ??= this.#fetchNow(refused).finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #fetchNow(refused: string | undefined): Promise<string> {
    const text: unknown = await this.#bounded(async () => this.#fetch(refused));
    if (typeof text !== 'string' || text === '') throw new Error('The secret holds no password.');
    this.#know(text, this.#options.ttlMs);
    return text;
  }

  #know(text: string, forMs: number): void {
    const isChange = this.#isOther(text);
    this.#known = { text, since: this.#clock.read(), forMs };
    if (isChange) for (const listener of [...this.#listeners]) listener();
  }

  #bounded<Result>(work: () => Promise<Result>): Promise<Result> {
    const { timeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const late = (): void => reject(new Error(`The secret did not come within ${timeoutMs} ms.`));
      const timer = this.#clock.setTimer(timeoutMs, late);
      work()
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }
}
