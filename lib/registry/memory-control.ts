import {
  afterFailure,
  afterTime,
  CLOSED,
  isFailure,
  mayTry,
  phaseOf,
  withoutTrial,
  withTrial,
} from '../core/breaker.ts';
import type { CensusDuty } from '../core/duty.ts';
import type { Control, Forbidden, InForce, LeaseOutcome, ResourceSettings } from '../core/lease.ts';
import { EPOCH_MS, FENCES_PER_MS, LIMITS } from '../core/limits.ts';
import { SweepTerm } from './memory-sweep.ts';

/** What forbids every grant, and for how long at least if that is known, in ms. */
export interface Ban {
  readonly because: Forbidden;
  readonly forMs?: number;
}

/** What an operator, the breaker and a lost memory say about grants in general. */
export class GrantControl {
  readonly epoch: number;
  control: Control = 'open';
  version = 0;
  /** Leases with a lower fence were opened before the last `reconnect`. */
  staleBelow = 0;
  breaker = CLOSED;
  readonly sweep = new SweepTerm();
  learnUntil: number;
  /** Leases that ended while learning. */
  readonly farewells = new Set<string>();
  #pausedUntil = 0;
  /** A resume is expected before. */
  #isPausedAtMost = false;
  #quietUntil: number;
  #censusUntil = 0;
  #censusToken = 0;
  #censusLease = '';

  constructor(settings: ResourceSettings, now: number) {
    this.epoch = now;
    this.learnUntil = now + settings.protectMs + settings.idleMs + settings.connectBoundMs;
    const putOffMs = settings.connectsPerSecond > 0 ? LIMITS.connectAfterMaxMs : 0;
    const connectMs = LIMITS.connectStartMs + settings.connectBoundMs + putOffMs;
    this.#quietUntil = now + Math.max(connectMs, settings.dutyMs);
  }

  get isLearning(): boolean {
    return this.learnUntil > 0;
  }

  learningMs(now: number): number {
    return Math.max(0, this.learnUntil - now);
  }

  endLearning(): void {
    this.learnUntil = 0;
    this.farewells.clear();
  }

  /** A slower connect makes both waits longer. */
  prolong(ms: number): void {
    if (!this.isLearning) return;
    this.learnUntil += ms;
    this.#quietUntil += ms;
  }

  /** Neither a census nor a late registration brings the lease back. */
  bidFarewell(id: string): void {
    if (this.isLearning && this.farewells.size < LIMITS.farewellsMax) this.farewells.add(id);
  }

  resume(): void {
    this.control = 'open';
    this.breaker = CLOSED;
  }

  /** What time alone ends. */
  enter(now: number): void {
    if (this.isLearning && now >= this.learnUntil) this.endLearning();
    if (this.control === 'paused' && this.#pausedUntil > 0 && now >= this.#pausedUntil) this.control = 'open';
    this.breaker = afterTime(this.breaker, now);
  }

  ban(now: number): Ban | undefined {
    if (this.isLearning) {
      const quietMs = this.#quietUntil - now;
      return quietMs > 0 ? { because: 'LEARNING', forMs: quietMs } : { because: 'LEARNING' };
    }
    if (this.control === 'paused') {
      const forMs = this.#isPausedAtMost ? 0 : this.pausedForMs(now);
      return forMs > 0 ? { because: 'PAUSED', forMs } : { because: 'PAUSED' };
    }
    if (this.control === 'draining') return { because: 'DRAINING' };
    if (mayTry(this.breaker, now)) return undefined;
    const openMs = this.breaker.openUntil - now;
    return openMs > 0 ? { because: 'BREAKER', forMs: openMs } : { because: 'BREAKER' };
  }

  /** Slots are offered only where every grant is as good as the next: trials go to those who ask. */
  mayOffer(now: number): boolean {
    return this.ban(now) === undefined && phaseOf(this.breaker, now) === 'closed';
  }

  pause(forMs: number, now: number, atMost = false): void {
    this.control = 'paused';
    this.#isPausedAtMost = atMost;
    this.#pausedUntil = forMs > 0 ? now + forMs : 0;
  }

  pausedForMs(now: number): number {
    return this.control === 'paused' && this.#pausedUntil > 0 ? Math.max(0, this.#pausedUntil - now) : 0;
  }

  /** Fences tell the time. */
  reconnectedAgoMs(now: number): number | undefined {
    if (this.staleBelow === 0) return undefined;
    return Math.max(0, now - EPOCH_MS - Math.floor(this.staleBelow / FENCES_PER_MS));
  }

  /** An operator's word comes back from a holder; the higher version wins. */
  restore({ control, version, pausedForMs }: InForce, now: number): boolean {
    if (version <= this.version) return false;
    this.version = version;
    this.control = control;
    if (control === 'paused') this.pause(pausedForMs, now);
    return true;
  }

  /** The census, once its quiet time is over, if nobody has it. */
  takeCensus(now: number, leaseId = ''): CensusDuty | undefined {
    if (!this.isLearning || now < this.#quietUntil || now < this.#censusUntil) return undefined;
    this.#censusUntil = now + LIMITS.censusDutyMs;
    this.#censusToken += 1;
    this.#censusLease = leaseId;
    return { epoch: this.epoch, token: this.#censusToken };
  }

  /** A newcomer makes the census only where no holder does. */
  mayNewcomerTakeCensus(now: number, held: number, protectMs: number): boolean {
    return held === 0 || now >= this.#quietUntil + Math.floor(protectMs / 2);
  }

  /** The lease of the last newcomer that was given the census; '' if a holder makes it. */
  get censusLease(): string {
    return this.#censusLease;
  }

  /** The census that this lease was granted for, told once more. */
  censusOf(leaseId: string, now: number): CensusDuty | undefined {
    const isIts = this.isLearning && this.#censusLease === leaseId && now < this.#censusUntil;
    return isIts ? { epoch: this.epoch, token: this.#censusToken } : undefined;
  }

  /** While learning only the census that was given out last counts. */
  isPresent({ epoch, token }: CensusDuty): boolean {
    const isLast = token > 0 && token === this.#censusToken;
    return epoch === this.epoch && (!this.isLearning || isLast);
  }

  tryOne(id: string, now: number, until: number): void {
    if (phaseOf(this.breaker, now) === 'half-open') this.breaker = withTrial(this.breaker, { id, until });
  }

  /** How the connect of a lease went. */
  observe(word: {
    readonly holder: string;
    readonly leaseId: string;
    readonly outcome: LeaseOutcome;
    readonly now: number;
    readonly held: number;
  }): void {
    const { holder, leaseId, outcome, now, held } = word;
    if (!isFailure(outcome)) this.breaker = withoutTrial(this.breaker, leaseId);
    else this.breaker = afterFailure(this.breaker, { holder, isAuth: outcome === 'auth', now, held });
  }

  connected(): void {
    this.breaker = CLOSED;
  }
}
