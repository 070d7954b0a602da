import type { Clock, Instant } from '../../core/clock.ts';
import type { OpenRequest, OpenResult } from '../driver.ts';
import type { Caller } from './caller.ts';
import { openFailureOf } from './fate.ts';
import { Requests } from './requests.ts';
import { textRows } from './result.ts';
import { base36, IDENTITY } from './sessions.ts';
import type { Settings } from './settings.ts';

/** For so long an answer vouches for service, secret and database. */
const VOUCHED_MS = 10_000;

type Failed = Exclude<OpenResult<never>, { kind: 'open' }>;

/**
 * Which server the service speaks to, so that nobody's absence is proven by another one's list. Asked once, and again after a silence or
 * when a look has met another server; in between opening costs no call.
 */
export class ServerIdentity {
  readonly #caller: Caller;
  readonly #settings: Settings;
  readonly #clock: Clock;
  #server: string | undefined;
  #knownAt: Instant | undefined;

  constructor(caller: Caller, settings: Settings, clock: Clock) {
    this.#caller = caller;
    this.#settings = settings;
    this.#clock = clock;
  }

  /** One statement: it resumes a database that has paused, and shows whether service, secret and database are there. */
  async ask({ label, timeoutMs }: OpenRequest): Promise<string | Failed> {
    if (this.#server !== undefined && this.#isVouchedFor) return this.#server;
    const input = new Requests(this.#settings, label).own(IDENTITY);
    const outcome = await this.#caller.call('ExecuteStatement', input, { timeoutMs, retryForMs: 0 });
    if (outcome.kind === 'answer') {
      this.#knownAt = this.#clock.read();
      this.#server = base36(textRows(outcome.output)[0]?.['server']);
      return this.#server;
    }
    const { fate, error, isTimeout, cause } = outcome;
    const failure = openFailureOf(cause, fate, isTimeout);
    return { kind: fate === 'unknown' ? 'unknown' : 'refused', failure, error };
  }

  /** A look has met another server. */
  forget(): void {
    this.#server = undefined;
  }

  get #isVouchedFor(): boolean {
    const since = [this.#knownAt, this.#caller.answeredAt].filter((each) => each !== undefined);
    return since.some((each) => this.#clock.elapsedMs(each) < VOUCHED_MS);
  }
}
