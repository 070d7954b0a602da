import type { Control, InForce, LeaseRef, ResourceSettings, Share } from '../../lib/core/lease.ts';
import { LIMITS } from '../../lib/core/limits.ts';
import type { Timeline } from './timeline.ts';

/** A lease as the registry's own answers have promised it. */
export interface PromisedLease {
  readonly id: string;
  readonly fence: number;
  holder: string;
  group: string;
  readonly isProbe: boolean;
  /** Granted to make the census of a registry without memory. */
  readonly isCensus: boolean;
  /** True time before which its connect may not start. */
  readonly connectFromMs: number;
  /** True time up to which the registry has promised to leave it alone. */
  untilMs: number;
  /** True time up to which its holder may rely on it: the same, unless the registry has lost the promise. */
  reliedUntilMs: number;
  /** The registry knows its session. */
  isBound: boolean;
  /** Forward steps of the server's clock before that promise. */
  stepsMs: number;
  /** Backward steps before it. */
  backMs: number;
  /** The registry has shown that it is revoking. */
  isOver: boolean;
}

export interface Ticket {
  readonly stamp: number;
  readonly group: string;
  /** True time at which a slot was kept for it last. */
  claimedAtMs?: number;
  /** Its holder was woken: for a claim, or for what only a poll can take. */
  wokenAtMs?: number;
  readonly seenAtMs: number;
  readonly stepsMs: number;
}

/**
 * What the registry has promised, kept from its answers alone, in true time. A lease counts from its grant until `released` or
 * `settled`: expiry and revocation do not end it.
 */
export class Ledger {
  /** What is in force; it starts as the code says. */
  settings: ResourceSettings;
  version = 0;
  control: Control = 'open';
  pausedUntilMs = Number.POSITIVE_INFINITY;
  leases = new Map<string, PromisedLease>();
  /** What the registry has forgotten; their holders may still rely on it. */
  readonly forgotten = new Map<string, PromisedLease>();
  tickets = new Map<string, Ticket>();
  /** Settled although their holders may still rely on them: a step of the server's clock has shortened their protection, or a failover has lost it. */
  readonly shortened = new Set<string>();
  fence = 0;
  /** Sum of the forward steps of the server's clock: they shorten what runs by it (L6, stated). */
  stepsMs = 0;
  /** Sum of the backward steps: what runs by that clock may run longer by so much. */
  backMs = 0;
  revocations = 0;
  grants = 0;
  /** Infinity: nobody has asked yet. */
  learnUntilMs = Number.POSITIVE_INFINITY;
  /** No census before it. */
  quietUntilMs = Number.POSITIVE_INFINITY;
  /** Leases that ended while the registry learned: nothing brings them back. */
  readonly farewells = new Set<string>();
  /** A step of the server's clock has cut the last learning short (stated). */
  isLearnedShort = false;
  /** What each group is entitled to. */
  shares: Map<string, Share>;
  /** What a smaller maximum has found. */
  readonly groupMost = new Map<string, number>();
  /** The minima have always had room, so each is in force. */
  areMinimaSure = true;
  /** The registry may have revoked of its own accord, in a drain or a debt. */
  mayReap = false;
  /** Groups whose leases came back without their share. */
  readonly vagueGroups = new Set<string>();
  /** Grants that the server lost with a part of its memory: each may stand for one connection too many (stated). */
  readonly lost = new Set<string>();
  /** True ms for one ms of the server's clock. */
  readonly pace: number;
  readonly #timeline: Pick<Timeline, 'nowMs'>;
  readonly #code: ResourceSettings;
  /** The most that may count: the capacity, or what a smaller one has found. */
  #most: number;
  /** The same, in the memory that was lost. */
  #formerMost = 0;

  readonly #codeShares: ReadonlyMap<string, Share>;

  constructor(
    timeline: Pick<Timeline, 'nowMs'>,
    settings: ResourceSettings,
    rate: number,
    shares: ReadonlyMap<string, Share>,
  ) {
    this.#timeline = timeline;
    this.settings = settings;
    this.#code = settings;
    this.#codeShares = shares;
    this.shares = new Map(shares);
    this.#most = settings.capacity;
    this.pace = 1 / rate;
  }

  get nowMs(): number {
    return this.#timeline.nowMs;
  }

  get isLearning(): boolean {
    return this.nowMs < this.learnUntilMs;
  }

  /** Sessions that may be open, a probe and a census aside. */
  get mostOpen(): number {
    return this.isLearning ? Math.max(this.#most, this.#formerMost) : this.#most;
  }

  get most(): number {
    return this.#most;
  }

  find(id: string): PromisedLease | undefined {
    return this.leases.get(id) ?? this.forgotten.get(id);
  }

  promise(lease: PromisedLease, protectMs: number): void {
    lease.untilMs = this.nowMs + protectMs * this.pace;
    lease.reliedUntilMs = lease.untilMs;
    lease.stepsMs = this.stepsMs;
    lease.backMs = this.backMs;
  }

  end(lease: PromisedLease): void {
    this.leases.delete(lease.id);
    this.#most = Math.max(this.settings.capacity, Math.min(this.#most, this.leases.size));
    const isLostPromise = lease.reliedUntilMs > lease.untilMs;
    if (isLostPromise || this.stepsMs > lease.stepsMs) this.shortened.add(lease.id);
  }

  /** Before this moment nobody may take the lease away. */
  protectedUntilMs(lease: PromisedLease): number {
    return lease.untilMs - (this.stepsMs - lease.stepsMs);
  }

  /** The first contact after amnesia: learning begins. */
  beginLearning(): void {
    if (this.learnUntilMs !== Number.POSITIVE_INFINITY) return;
    const { protectMs, idleMs, connectBoundMs, connectsPerSecond, dutyMs } = this.settings;
    const putOffMs = connectsPerSecond > 0 ? LIMITS.connectAfterMaxMs : 0;
    this.isLearnedShort = false;
    this.learnUntilMs = this.nowMs + (protectMs + idleMs + connectBoundMs) * this.pace;
    this.quietUntilMs =
      this.nowMs + Math.max(LIMITS.connectStartMs + connectBoundMs + putOffMs, dutyMs) * this.pace;
  }

  /** A census, or the operator's word. */
  endLearning(): void {
    if (this.isLearning) this.learnUntilMs = 0;
    this.farewells.clear();
  }

  /** A lease is known again: its holder or a census has brought it. */
  comesBack({ id, fence }: LeaseRef, holder: string, group: string): void {
    const former = this.forgotten.get(id);
    const known = former?.fence === fence ? former : undefined;
    const rest = { isProbe: false, isCensus: false, connectFromMs: 0, reliedUntilMs: 0 };
    const blank = { isBound: true, untilMs: 0, stepsMs: 0, backMs: 0, isOver: false };
    const lease: PromisedLease = { id, fence, ...rest, ...known, ...blank, holder, group };
    const { reliedUntilMs } = lease;
    this.promise(lease, this.settings.protectMs);
    lease.reliedUntilMs = Math.max(lease.reliedUntilMs, reliedUntilMs);
    this.leases.set(id, lease);
    this.forgotten.delete(id);
    this.vagueGroups.add(group);
    this.mayReap ||= this.leases.size > this.settings.capacity;
    this.fence = Math.max(this.fence, fence);
    this.#most = Math.max(this.#most, this.leases.size);
  }

  /** What an operator had changed comes back, too. */
  bringBack(inForce: InForce | undefined): void {
    if (inForce === undefined || inForce.version <= this.version) return;
    this.resize(inForce.settings, inForce.version);
    this.control = inForce.control;
    const { pausedForMs } = inForce;
    this.pausedUntilMs = pausedForMs > 0 ? this.nowMs + pausedForMs * this.pace : Number.POSITIVE_INFINITY;
  }

  resize(change: Pick<ResourceSettings, 'capacity' | 'headroom'>, version: number): void {
    const { capacity, headroom } = change;
    this.settings = { ...this.settings, capacity, headroom };
    this.version = version;
    this.#most = Math.max(capacity, this.leases.size);
    this.mayReap = true;
    this.#weighMinima();
  }

  share(group: string, share: Share): void {
    this.shares.set(group, share);
    const taken = [...this.leases.values(), ...this.tickets.values()].filter((each) => each.group === group);
    this.groupMost.set(group, taken.length);
    this.#weighMinima();
  }

  #weighMinima(): void {
    const { capacity, headroom } = this.settings;
    const minima = [...this.shares.values()].reduce((sum, { min }) => sum + min, 0);
    this.areMinimaSure &&= minima <= capacity - headroom;
  }

  forgetAll(areFencesSafe: boolean): void {
    this.#formerMost = this.mostOpen;
    this.settings = this.#code;
    this.version = 0;
    this.control = 'open';
    this.#most = this.settings.capacity;
    this.farewells.clear();
    this.vagueGroups.clear();
    this.mayReap = false;
    // What an operator has said of shares nobody brings back (stated).
    this.shares = new Map(this.#codeShares);
    this.groupMost.clear();
    this.areMinimaSure = true;
    for (const [id, lease] of this.leases) this.forgotten.set(id, lease);
    this.leases.clear();
    this.tickets.clear();
    this.learnUntilMs = Number.POSITIVE_INFINITY;
    this.quietUntilMs = Number.POSITIVE_INFINITY;
    // Fences go on from the clock: set back before, it starts below (stated).
    if (!areFencesSafe) this.fence = 0;
  }

  /** The registry is back where `earlier` was; what it has promised since then it does not know. */
  adopt(earlier: Ledger): void {
    for (const [id, lease] of this.leases) {
      const kept = earlier.leases.get(id);
      if (kept !== undefined) kept.reliedUntilMs = Math.max(lease.reliedUntilMs, kept.untilMs);
      else {
        this.forgotten.set(id, lease);
        this.lost.add(id);
      }
    }
    for (const id of earlier.leases.keys()) this.forgotten.delete(id);
    const { leases, tickets, settings, version, control, pausedUntilMs, quietUntilMs, shares } = earlier;
    Object.assign(this, { leases, tickets, settings, version, control, pausedUntilMs, quietUntilMs, shares });
    this.mayReap ||= earlier.mayReap;
    this.areMinimaSure &&= earlier.areMinimaSure;
    this.learnUntilMs = earlier.learnUntilMs;
    this.#most = Math.max(settings.capacity, leases.size);
    this.#formerMost = Math.max(this.#formerMost, earlier.#formerMost);
    this.farewells.clear();
    for (const id of earlier.farewells) this.farewells.add(id);
    for (const group of earlier.vagueGroups) this.vagueGroups.add(group);
  }

  step(ms: number): void {
    const trueMs = ms * this.pace;
    this.backMs += Math.max(0, -trueMs);
    this.stepsMs += Math.max(0, trueMs);
    if (this.isLearning && trueMs > 0) this.isLearnedShort = true;
    this.learnUntilMs -= Math.max(0, trueMs);
    this.quietUntilMs -= Math.max(0, trueMs);
    this.pausedUntilMs -= Math.max(0, trueMs);
  }

  /** Surely alive for the registry. */
  isLive(ticket: Ticket): boolean {
    const deadMs = ticket.seenAtMs + (this.settings.ticketLivenessMs - 2) * this.pace;
    return deadMs - (this.stepsMs - ticket.stepsMs) > this.nowMs;
  }

  /** Some lease may be unprotected, or over: there may be something to overlap with. */
  get mayBeTaken(): boolean {
    return [...this.leases.values()].some(
      (lease) => lease.isOver || this.protectedUntilMs(lease) - 2 <= this.nowMs,
    );
  }

  /** A slot is surely kept for it. */
  isClaimed(ticket: Ticket): boolean {
    if (ticket.claimedAtMs === undefined) return false;
    const overMs = ticket.claimedAtMs + (this.settings.claimMs - 2) * this.pace;
    return this.isLive(ticket) && overMs - this.stepsMs > this.nowMs;
  }

  /** A slot may be kept for it. */
  mayBeClaimed({ wokenAtMs }: Ticket): boolean {
    if (wokenAtMs === undefined) return false;
    return wokenAtMs + (this.settings.claimMs + 2) * this.pace + this.backMs >= this.nowMs;
  }
}
