import { registryDelayMs } from '../core/backoff.ts';
import { isLeaseholdError } from '../core/errors.ts';
import type { LeaseOutcome } from '../core/lease.ts';
import type { HeldLease } from './held-lease.ts';
import type { Holder } from './holder.ts';

/** The longest a farewell is repeated, in ms: by then the lease has ended by itself, or is a duty for somebody. */
const FAREWELL_MAX_MS = 30_000;

/**
 * Tells the registry that leases are over: released where the connection was never opened, refused, or seen to end; else
 * abandoned. Repeats until the registry has answered, beside the work; whoever must not leave before waits for `settled`.
 */
export class Farewells {
  readonly #holder: Holder;
  readonly #pending = new Set<Promise<void>>();

  constructor(holder: Holder) {
    this.#holder = holder;
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

  /** Resolves when every farewell said so far has been heard, or given up. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  #say(operation: string, send: () => Promise<unknown>): void {
    const said = this.#repeat(operation, send).finally(() => this.#pending.delete(said));
    this.#pending.add(said);
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
