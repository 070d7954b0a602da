import { pollDelayMs, registryDelayMs } from '../core/backoff.ts';
import { type Instant, sleep } from '../core/clock.ts';
import { isLeaseholdError, LeaseholdError } from '../core/errors.ts';
import type { GrantReply } from '../registry/registry.ts';
import type { Farewells } from './farewells.ts';
import { HeldLease } from './held-lease.ts';
import type { Holder } from './holder.ts';

export type Granted = Extract<GrantReply, { kind: 'granted' }>;

export interface LeaseAnswer {
  readonly lease: HeldLease;
  readonly reply: Granted;
  /** When the request that was granted was sent; the first one may be long ago. */
  readonly sentAt: Instant;
}

/** How long those wait for whom a lease is asked. */
export interface Patience {
  readonly signal: AbortSignal;
  /** Ms until the last of them gives up. */
  remainingMs(): number;
  /** What keeps the request from succeeding right now, for the message of a time-out. */
  note(step: string, trouble?: LeaseholdError): void;
}

/**
 * Asks the registry for one lease and waits in its queue. `undefined`: nobody wanted it any more, and nothing is held.
 *
 * The id stays the same while the registry may know it (law L3: a repeat says so, and is answered with the present state);
 * after `lost` a new id asks again with the old order stamp, so that the place in the queue is kept.
 */
export class LeaseRequest {
  readonly #holder: Holder;
  readonly #farewells: Farewells;
  readonly #patience: Patience;
  readonly #since;
  #id: string;
  #again = false;
  #stamp = 0;
  #failures = 0;

  constructor(holder: Holder, farewells: Farewells, patience: Patience) {
    this.#holder = holder;
    this.#farewells = farewells;
    this.#patience = patience;
    this.#since = holder.clock.read();
    this.#id = holder.random.id();
  }

  async run(): Promise<LeaseAnswer | undefined> {
    const { signal } = this.#patience;
    while (!signal.aborted) {
      const sentAt = this.#holder.clock.read();
      const reply = await this.#ask();
      if (reply === undefined) await this.#afterSilence();
      else if (reply.kind === 'granted') {
        const ref = { id: this.#id, fence: reply.fence };
        if (!signal.aborted)
          return { lease: new HeldLease(this.#holder.clock, ref, sentAt, reply), reply, sentAt };
      } else await this.#afterAnswer(reply);
    }
    // A ticket, or a grant whose answer is not known or crossed the cancel, is given back; nothing was ever opened under it.
    if (this.#again) this.#farewells.cancel(this.#id);
    return undefined;
  }

  /** The registry's answer; undefined if there was none. */
  async #ask(): Promise<GrantReply | undefined> {
    const { registry, settings, config, id: holder, events } = this.#holder;
    const { resource, group } = config;
    const ask = { resource, holder, group, settings, wait: true };
    try {
      const again = this.#again;
      this.#again = true;
      const reply = await registry.grant({ ...ask, leaseId: this.#id, again, stamp: this.#stamp });
      this.#failures = 0;
      if ('pressure' in reply) {
        this.#holder.pressure = reply.pressure;
        if (reply.settingsDiffer) events.emit('settingsDiffer', { resource });
      }
      return reply;
    } catch (error) {
      events.emit('registryFailed', { operation: 'grant', error });
      const failure = isLeaseholdError(error)
        ? error
        : new LeaseholdError('REGISTRY_UNREACHABLE', 'The lease registry failed.', { cause: error });
      if (!failure.retryable) throw failure;
      this.#patience.note('the lease registry', failure);
      return undefined;
    }
  }

  async #afterSilence(): Promise<void> {
    this.#failures += 1;
    const { clock, random, events } = this.#holder;
    const delayMs = registryDelayMs(this.#failures, random.fraction());
    const elapsedMs = clock.elapsedMs(this.#since);
    events.emit('retry', {
      operation: 'lease',
      attempt: this.#failures,
      delayMs,
      elapsedMs,
      reason: 'no answer',
    });
    await sleep(clock, delayMs, this.#patience.signal);
  }

  async #afterAnswer(reply: Exclude<GrantReply, Granted>): Promise<void> {
    if (reply.kind === 'queued') return this.#waitInQueue(reply);
    if (reply.kind === 'lost') {
      this.#id = this.#holder.random.id();
      this.#again = false;
      return;
    }
    // A refused id is not known to the registry, so the next ask is not a repeat.
    this.#again = false;
    this.#holder.events.emit('leaseDenied', { reason: reply.reason, retryAfterMs: reply.retryAfterMs });
    const denied = deniedError(this.#holder.config.resource, reply);
    this.#patience.note(`the registry (${reply.reason})`, denied);
    if (reply.reason !== 'LEARNING' || reply.retryAfterMs > this.#patience.remainingMs()) throw denied;
    await sleep(this.#holder.clock, reply.retryAfterMs, this.#patience.signal);
  }

  async #waitInQueue(reply: Extract<GrantReply, { kind: 'queued' }>): Promise<void> {
    this.#stamp = reply.stamp;
    this.#patience.note(`the fleet's queue (position ${reply.position})`);
    const waitedMs = this.#holder.clock.elapsedMs(this.#since);
    const fraction = this.#holder.random.fraction();
    const { position, retryAfterMs: hintMs } = reply;
    await sleep(
      this.#holder.clock,
      pollDelayMs({ position, waitedMs, hintMs, fraction }),
      this.#patience.signal,
    );
  }
}

const deniedError = (resource: string, reply: Extract<GrantReply, { kind: 'denied' }>): LeaseholdError => {
  const { reason, retryAfterMs } = reply;
  const why = {
    FULL: 'every connection is taken',
    QUEUE_FULL: "the fleet's queue is full",
    LEARNING: 'the registry has no memory yet and waits until every older lease must have ended',
  }[reason];
  const text = `No lease on '${resource}': ${why}; try again in ${retryAfterMs} ms.`;
  return new LeaseholdError('DENIED', text, { retryAfterMs, details: { reason, resource } });
};
