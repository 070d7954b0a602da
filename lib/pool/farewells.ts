import { registryDelayMs } from '../core/backoff.ts';
import { isLeaseholdError } from '../core/errors.ts';
import type { LeaseOutcome } from '../core/lease.ts';
import type { Background } from './background.ts';
import type { HeldLease } from './held-lease.ts';
import type { Holder } from './holder.ts';

/** The longest a farewell is repeated, in ms: by then the lease has ended by itself, or is a duty for somebody. */
const FAREWELL_MAX_MS = 30_000;

/**
 * Tells the registry that leases are over: released where the connection was never opened, refused, or seen to end; else
 * abandoned. Repeats until the registry has answered, beside the work.
 */
export class Farewells {
  readonly #holder: Holder;
  readonly #background: Background;

  constructor(holder: Holder, background: Background) {
    this.#holder = holder;
    this.#background = background;
  }

  release(lease: HeldLease, outcome: LeaseOutcome): void {
    const { registry, config, id } = this.#holder;
    this.#say('release', () => registry.release(config.resource, id, [{ ...lease.ref, outcome }]));
  }

  /** Withdraws an ask whose answer is not known: a ticket, or a lease under which nothing was opened. */
  cancel(id: string): void {
    const { registry, config, id: holder } = this.#holder;
    this.#say('cancel', () =>
      registry.release(config.resource, holder, [{ id, fence: 0, outcome: 'unused' }]),
    );
  }

  abandon(lease: HeldLease, outcome: LeaseOutcome, session?: string): void {
    const { registry, config, id } = this.#holder;
    const item = session === undefined ? { ...lease.ref, outcome } : { ...lease.ref, outcome, session };
    this.#say('abandon', () => registry.abandon(config.resource, id, [item]));
  }

  #say(operation: string, send: () => Promise<unknown>): void {
    this.#background.add(this.#repeat(operation, send));
  }

  async #repeat(operation: string, send: () => Promise<unknown>): Promise<void> {
    const { clock, random, events } = this.#holder;
    const since = clock.read();
    for (let attempt = 1; ; attempt += 1) {
      try {
        await send();
        return;
      } catch (error) {
        events.emit('registryFailed', { operation, error });
        const elapsedMs = clock.elapsedMs(since);
        const isFinal = isLeaseholdError(error) && !error.retryable;
        if (isFinal || elapsedMs >= FAREWELL_MAX_MS) return;
        const delayMs = registryDelayMs(attempt, random.fraction());
        events.emit('retry', {
          operation: 'farewell',
          attempt,
          delayMs,
          elapsedMs,
          reason: `${operation}: no answer`,
        });
        await new Promise<void>((resolve) => clock.setBackgroundTimer(delayMs, resolve));
      }
    }
  }
}
