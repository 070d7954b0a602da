import { registryDelayMs } from '../core/backoff.ts';
import { type Instant, sleep } from '../core/clock.ts';
import type { CensusDuty, SessionFound } from '../core/duty.ts';
import { isLeaseholdError } from '../core/errors.ts';
import { labelPrefix, parseLabel } from '../core/label.ts';
import { LIMITS } from '../core/limits.ts';
import type { DriverConnection, LabelledSession, SessionCount } from '../driver/driver.ts';
import type { Holder } from './holder.ts';

interface Task {
  readonly duty: CensusDuty;
  /** When it was asked for: the registry counts from its answer, which was later. */
  readonly since: Instant;
  looks: number;
}

/** A look that fails is tried again on the next connection, so often in all. */
const LOOKS_MAX = 3;

/**
 * The task to read the database's own session list and to tell the registry, which has no memory of its own. It belongs to
 * this holder for `censusDutyMs`; then it lapses, and somebody else is asked. Nothing here ever fails a caller.
 */
export class Census {
  readonly #holder: Holder;
  #task: Task | undefined;

  constructor(holder: Holder) {
    this.#holder = holder;
  }

  /** A look is wanted, nobody is at it, and there is time for it. */
  get isDue(): boolean {
    return this.#remainingMs(this.#task) > 0;
  }

  take(duty: CensusDuty | undefined, sentAt: Instant): void {
    if (duty !== undefined) this.#task = { duty, since: sentAt, looks: 0 };
  }

  /** Looks through a connection that nobody has borrowed. The look is made after the duty has come: this is when. */
  async work(connection: DriverConnection<unknown>): Promise<void> {
    const { config, registry, events } = this.#holder;
    const task = this.#task;
    if (task === undefined || !this.isDue) return;
    this.#task = undefined;
    task.looks += 1;
    try {
      const prefix = labelPrefix(config.resource, registry.namespace);
      const { sessions, foreign } = await this.#look(connection, prefix, task);
      const found = sessionsFound(prefix, sessions);
      await this.#tell(task, found, foreign);
      events.emit('censusDone', { sessions: found.length, foreign });
    } catch (error) {
      events.emit('censusFailed', { error });
    }
  }

  async #look(connection: DriverConnection<unknown>, prefix: string, task: Task): Promise<SessionCount> {
    const timeoutMs = Math.min(this.#holder.config.operationTimeoutMs, this.#remainingMs(task));
    try {
      return await connection.census(prefix, timeoutMs);
    } catch (error) {
      // Another connection may still do it in time; a newer task may have come meanwhile.
      if (task.looks < LOOKS_MAX) this.#task ??= task;
      throw error;
    }
  }

  async #tell(task: Task, sessions: readonly SessionFound[], foreign: number): Promise<void> {
    const { pageMax } = LIMITS;
    for (let from = 0; from === 0 || from < sessions.length; from += pageMax) {
      const isLast = from + pageMax >= sessions.length;
      const page = sessions.slice(from, from + pageMax);
      const word = await this.#adopt(task, page, isLast ? { foreign } : undefined);
      if (word === 'refused') throw new Error('The registry no longer wants this census.');
    }
  }

  /** Repeated without a second effect, until there is an answer or the time is up. */
  async #adopt(
    task: Task,
    page: readonly SessionFound[],
    last: { readonly foreign: number } | undefined,
  ): Promise<'adopted' | 'refused'> {
    const { registry, config, clock, random, events } = this.#holder;
    for (let failures = 1; ; failures += 1) {
      try {
        return await registry.adopt(config.resource, task.duty, page, last);
      } catch (error) {
        events.emit('registryFailed', { operation: 'adopt', error });
        const isFinal = isLeaseholdError(error) && !error.retryable;
        if (isFinal || this.#remainingMs(task) <= 0) throw error;
        await sleep(clock, registryDelayMs(failures, random.fraction()));
      }
    }
  }

  #remainingMs(task: Task | undefined): number {
    return task === undefined ? 0 : LIMITS.censusDutyMs - this.#holder.clock.elapsedMs(task.since);
  }
}

/** What a census tells the registry: the sessions whose label is exactly one of this resource's. */
export const sessionsFound = (prefix: string, sessions: readonly LabelledSession[]): SessionFound[] =>
  sessions.flatMap(({ label, session }) => {
    const lease = parseLabel(prefix, label);
    return lease === undefined ? [] : [{ ...lease, session }];
  });
