import { listeningPollDelayMs, pollDelayMs, registryDelayMs } from '../core/backoff.ts';
import { type Instant, sleep } from '../core/clock.ts';
import { isLeaseholdError, LeaseholdError } from '../core/errors.ts';
import type { DenialReason, Fullness } from '../core/lease.ts';
import { DAY_MS } from '../core/options.ts';
import type { GrantReply, GrantRequest } from '../registry/registry.ts';
import { deniedError, forbiddenError } from './denial.ts';
import type { Farewells } from './farewells.ts';
import { HeldLease } from './held-lease.ts';
import type { Holder } from './holder.ts';
import type { Wakes } from './wakes.ts';

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
  /** What keeps the request from succeeding right now, for the message of a time-out. `fleet`: the registry has just said so. */
  note(step: string, trouble?: LeaseholdError, fleet?: Fullness): void;
  /** Nothing comes before `ms` have passed: those who cannot wait so long hear it now. */
  giveUpBefore(ms: number, error: LeaseholdError): void;
}

type Queued = Extract<GrantReply, { kind: 'queued' }>;

/** A wait is told after this long, in ms, then after twice as long, and at last this often. */
const REPORT_FIRST_MS = 1_000;
const REPORT_RARELY_MS = 30_000;
/** The next poll, in ms, of one who hears wake-ups and has not said so yet. */
const LISTEN_NOW_MS = 1;
/** The first polls come at least this soon, in ms, while the listener is being opened. */
const LISTEN_SOON_MS = 50;
const LISTEN_SOON_POLLS = 3;
/** The longest patience that is told, in ms. */
const WAIT_MAX_MS = DAY_MS;

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
  readonly #place: ReturnType<Wakes['place']>;
  readonly #wakes: Wakes;
  readonly #since;
  #id: string;
  #again = false;
  #stamp = 0;
  #failures = 0;
  #polls = 0;
  /** The last ask said that its caller hears wake-ups. */
  #listens = false;
  #reportAtMs = REPORT_FIRST_MS;

  constructor(holder: Holder, farewells: Farewells, wakes: Wakes, patience: Patience) {
    this.#holder = holder;
    this.#farewells = farewells;
    this.#patience = patience;
    this.#wakes = wakes;
    this.#place = wakes.place();
    this.#since = holder.clock.read();
    this.#id = holder.random.id();
  }

  async run(): Promise<LeaseAnswer | undefined> {
    try {
      return await this.#run();
    } finally {
      this.#place[Symbol.dispose]();
    }
  }

  async #run(): Promise<LeaseAnswer | undefined> {
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
    const { registry, events, config } = this.#holder;
    try {
      // Listen before asking: the wake-up can overtake the answer that says "queued".
      this.#place.expect(this.#id);
      const request = this.#request();
      this.#again = true;
      const reply = await registry.grant(request);
      this.#failures = 0;
      if ('pressure' in reply) {
        this.#holder.hear(reply);
        if (reply.settingsDiffer) events.emit('settingsDiffer', { resource: config.resource });
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

  #request(): GrantRequest {
    const { settings, config, id: holder } = this.#holder;
    const { resource, group, share } = config;
    this.#listens = this.#wakes.isReady;
    return {
      resource,
      leaseId: this.#id,
      again: this.#again,
      stamp: this.#stamp,
      holder,
      group,
      wait: true,
      waitMs: Math.ceil(Math.min(WAIT_MAX_MS, this.#patience.remainingMs())),
      listens: this.#listens,
      settings,
      ...(share === undefined ? {} : { share }),
    };
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
    if (reply.kind === 'queued') await this.#waitInQueue(reply);
    else if (reply.kind === 'denied') await this.#afterDenial(reply);
    else {
      this.#id = this.#holder.random.id();
      this.#again = false;
    }
  }

  async #afterDenial({ kind: _, ...reply }: Extract<GrantReply, { kind: 'denied' }>): Promise<void> {
    const { config, events, clock } = this.#holder;
    const { inUse, capacity, ...denial } = reply;
    const { reason, because, retryAfterMs } = denial;
    // A refused id is not known to the registry, so the next ask is not a repeat.
    this.#again = false;
    events.emit('leaseDenied', denial);
    const denied = deniedError(config.resource, denial);
    this.#patience.note(`the registry (${because ?? reason})`, denied, { inUse, capacity });
    if (FINAL.has(reason)) throw denied;
    this.#patience.giveUpBefore(retryAfterMs, denied);
    // Somebody with more time may have come while this was asked: the registry keeps a place for him.
    const isTooEarly = reason === 'DEADLINE_NEAR' && retryAfterMs <= this.#patience.remainingMs();
    const pauseMs = isTooEarly ? ASK_AGAIN_MIN_MS : Math.min(retryAfterMs, ASK_AGAIN_MAX_MS);
    await sleep(clock, pauseMs, this.#patience.signal);
  }

  async #waitInQueue(reply: Queued): Promise<void> {
    this.#stamp = reply.stamp;
    this.#polls += 1;
    this.#place.listen();
    this.#noteQueue(reply);
    await this.#place.sleep(this.#pollInMs(reply), this.#patience.signal);
  }

  #noteQueue({ position, because, inUse, capacity }: Queued): void {
    const { config, clock, events } = this.#holder;
    const place = `the fleet's queue (position ${position})`;
    const fleet = { inUse, capacity };
    if (because === undefined) this.#patience.note(place, undefined, fleet);
    else
      this.#patience.note(
        `${place} while nothing is granted`,
        forbiddenError(config.resource, because),
        fleet,
      );
    const waitedMs = clock.elapsedMs(this.#since);
    if (waitedMs < this.#reportAtMs) return;
    this.#reportAtMs = waitedMs + Math.min(waitedMs, REPORT_RARELY_MS);
    events.emit('waiting', { position, waitedMs, because });
  }

  #pollInMs({ position, retryAfterMs: hintMs }: Queued): number {
    const { clock, random, config } = this.#holder;
    const fraction = random.fraction();
    if (this.#listens) return listeningPollDelayMs({ livenessMs: config.ticketLivenessMs, hintMs, fraction });
    const delayMs = pollDelayMs({ position, waitedMs: clock.elapsedMs(this.#since), hintMs, fraction });
    // A slot is kept only for those who have said that they listen.
    if (this.#wakes.isReady) return LISTEN_NOW_MS;
    const isSoonHeard = this.#wakes.isPossible && this.#polls <= LISTEN_SOON_POLLS;
    return isSoonHeard ? Math.min(delayMs, LISTEN_SOON_MS * (0.5 + fraction)) : delayMs;
  }
}

/** A wait does not mend these: the caller's own pace is too high for the fleet. */
const FINAL: ReadonlySet<DenialReason> = new Set(['FULL', 'QUEUE_FULL']);
/** Between asks of one whom the registry does not keep in its queue, in ms: an operator may have changed its mind. */
const ASK_AGAIN_MIN_MS = 10;
const ASK_AGAIN_MAX_MS = 1_000;
