import type { Clock, Instant } from '../core/clock.ts';
import type { LeaseRef, LossReason } from '../core/lease.ts';

/** So long an unprotected connection that is kept in use is not asked about again before each statement, in ms; only beside them. */
const KEPT_MS = 5_000;

/** A lease in its holder's hands: how long it is protected by the holder's own clocks. */
export class HeldLease {
  readonly ref: LeaseRef;
  /** The server's idle timeout for this lease's session, in ms; fixed for the lease's life. */
  readonly idleMs: number;
  readonly isProbe: boolean;
  /** The registry knows the session's identity. */
  isBound = false;
  /** Set once, when the registry has said that the lease is over. */
  loss: LossReason | undefined;
  /** The registry wants the connection's place; whoever has it may finish. */
  isWanted = false;
  readonly #clock: Clock;
  #turn = 0;
  #sentAt: Instant;
  #protectMs: number;
  #renewAfterMs: number;
  #keptAt: Instant | undefined;
  #isBeyond = false;
  /** The reading at which it was last found usable: asked at every use, often with the same one. */
  #usableAt: Instant | undefined;

  constructor(
    clock: Clock,
    ref: LeaseRef,
    sentAt: Instant,
    reply: {
      readonly protectMs: number;
      readonly idleMs: number;
      readonly renewAfterMs: number;
      readonly isProbe: boolean;
    },
  ) {
    this.#clock = clock;
    this.ref = ref;
    this.idleMs = reply.idleMs;
    this.isProbe = reply.isProbe;
    this.#sentAt = sentAt;
    this.#protectMs = reply.protectMs;
    this.#renewAfterMs = reply.renewAfterMs;
  }

  get turn(): number {
    return this.#turn;
  }

  /** What is left of the protection, counted from the moment its request was SENT; 0 or less: ask first. */
  remainingMs(now?: Instant): number {
    return this.loss === undefined ? this.#protectMs - this.#clock.elapsedMs(this.#sentAt, now) : 0;
  }

  /** Whether a statement may be sent without asking first. */
  isUsable(marginMs: number, now?: Instant): boolean {
    if (now !== undefined && now === this.#usableAt) return this.loss === undefined;
    if (this.remainingMs(now) <= marginMs && !this.#isKept(now)) return false;
    this.#usableAt = now;
    return true;
  }

  /**
   * The registry gives no answer, and what is open stays in use meanwhile: asked again before long. True the first time that
   * this goes beyond the protection.
   */
  keep(): boolean {
    this.#keptAt = this.#clock.read();
    if (this.#isBeyond || this.remainingMs(this.#keptAt) > 0) return false;
    this.#isBeyond = true;
    return true;
  }

  /** Ms until the next renewal; 0 or less: now. */
  renewInMs(now?: Instant): number {
    return (this.isBound ? this.#renewAfterMs : 0) - this.#clock.elapsedMs(this.#sentAt, now);
  }

  /** The number of the next renew or park (law L4). */
  nextTurn(): number {
    this.#turn += 1;
    return this.#turn;
  }

  /** Applies the answer to the request numbered `turn`; an answer that a later request has overtaken says nothing. */
  prolong(turn: number, sentAt: Instant, protectMs: number, renewAfterMs: number): void {
    if (turn !== this.#turn) return;
    this.#sentAt = sentAt;
    this.#protectMs = protectMs;
    this.#renewAfterMs = renewAfterMs;
    this.#keptAt = undefined;
    this.#usableAt = undefined;
    this.#isBeyond = false;
  }

  /** From the moment a park is SENT its holder counts itself unprotected (law L4). */
  endProtection(): void {
    this.#protectMs = 0;
    this.#usableAt = undefined;
  }

  #isKept(now?: Instant): boolean {
    if (this.#keptAt === undefined || this.loss !== undefined) return false;
    return this.#clock.elapsedMs(this.#keptAt, now) < KEPT_MS;
  }
}
