import { connectAfterMs, connectedAfterMs, nextTat, startsLeft } from '../core/connect-rate.ts';
import type { Fullness, InForce, LeaseOutcome, LossReason, ResourceSettings } from '../core/lease.ts';
import { EPOCH_MS, FENCES_PER_MS, LIMITS } from '../core/limits.ts';
import { Ordered } from '../core/ordered.ts';
import { renewAfterMs } from '../core/policy.ts';
import { GrantControl } from './memory-control.ts';
import { DeadLeases, type Held } from './memory-dead.ts';
import { type Group, Groups } from './memory-groups.ts';
import { takable } from './memory-takable.ts';
import { Tickets, type Wake } from './memory-tickets.ts';

/**
 * What is known of one resource, and the steps that several transitions share: the twin of what the Lua scripts share. Every step keeps
 * the sums and the orders in agreement with the entries.
 */
export class LeaseBook {
  settings: ResourceSettings;
  now: number;
  /** Sessions that are not ours. */
  foreign = 0;
  /** Leases that this operation has expired. */
  expired = 0;
  flagged = 0;
  /** Holders to be woken when this operation is done. */
  readonly wakes: Wake[] = [];
  readonly control: GrantControl;
  readonly groups = new Groups();
  readonly tickets = new Tickets(this.groups);
  readonly held = new Map<string, Held>();
  readonly protectedUntil = new Ordered();
  readonly dead = new DeadLeases();
  #clockMs: number;
  #fence = 0;
  /** Theoretical arrival time of the next connect (GCRA). */
  #tat = 0;

  constructor(settings: ResourceSettings, clockMs: number) {
    this.settings = settings;
    this.#clockMs = clockMs;
    this.now = clockMs;
    this.control = new GrantControl(settings, clockMs);
  }

  /** First step of every transition: time advances (L17), and what it made due is done (L16). */
  enter(clockMs: number): void {
    this.now += Math.max(0, clockMs - this.#clockMs);
    this.#clockMs = clockMs;
    this.expired = 0;
    this.control.enter(this.now);
    this.reap(LIMITS.reapMax);
    this.serve();
  }

  /** The capacity, less the sessions that are not ours. */
  get cap(): number {
    return Math.max(0, this.settings.capacity - this.foreign);
  }

  get count(): number {
    return this.held.size + this.dead.size;
  }

  get fullness(): Fullness {
    return { inUse: this.count, capacity: this.settings.capacity };
  }

  get debt(): number {
    return Math.max(0, this.count - this.cap);
  }

  get room(): number {
    return this.cap - this.settings.headroom - this.count - this.tickets.claims;
  }

  /** A holder with a slower connect raises the bound for all, also for a learning that is under way. */
  raiseConnectBound(connectBoundMs: number): void {
    const more = connectBoundMs - this.settings.connectBoundMs;
    if (more <= 0) return;
    this.settings = { ...this.settings, connectBoundMs };
    this.control.prolong(more);
  }

  /** An operator's settings come back; the connect bound may only rise. */
  applyInForce(settings: ResourceSettings): void {
    const { connectBoundMs } = this.settings;
    this.settings = { ...settings, connectBoundMs };
    this.raiseConnectBound(settings.connectBoundMs);
  }

  /** Somebody waits, or the next newcomer of this group would have to. */
  pressureOn(group?: Group): boolean {
    const isAtMax = group !== undefined && group.taken >= group.share.max && group.queue.size > 0;
    const isWanted = this.groups.eligible > Math.max(0, this.room);
    return isWanted || isAtMax || this.room <= 0 || this.control.control === 'draining';
  }

  get renewAfterMs(): number {
    return renewAfterMs(this.settings, this.held.size, this.groups.waiting);
  }

  /** What an operator has changed, if anything. */
  get inForce(): InForce | undefined {
    const { control, version } = this.control;
    if (version === 0 && control === 'open') return undefined;
    return { settings: this.settings, version, control, pausedForMs: this.control.pausedForMs(this.now) };
  }

  remainingMs(id: string): number {
    return Math.max(0, (this.protectedUntil.score(id) ?? 0) - this.now);
  }

  /** Ms that a connect granted now is put off, so that the database's connect rate holds. */
  get connectAfterMs(): number {
    return connectAfterMs(this.settings, this.#tat, this.now);
  }

  /** Ms until it can have made a connection, if it is put off. */
  get connectedAfterMs(): number {
    return connectedAfterMs(this.settings, this.#tat, this.now);
  }

  /** Connects that the rate has left for whoever waits. */
  get startsLeft(): number {
    return startsLeft(this.settings, this.#tat, this.now);
  }

  /** A fence above all before it (L7). */
  nextFence(): number {
    return Math.max(this.#fence + 1, (this.now - EPOCH_MS) * FENCES_PER_MS);
  }

  /** A new lease, protected from the moment its connect may start. */
  hold(id: string, holder: string, group: Group, isProbe: boolean): Held {
    const { protectMs, connectBoundMs } = this.settings;
    const { connectAfterMs } = this;
    this.#tat = nextTat(this.settings, this.#tat, this.now);
    this.control.tryOne(id, this.now, this.now + connectAfterMs + connectBoundMs);
    const rest = { turn: 0, session: undefined, isFlagged: false };
    const lease = { id, fence: this.nextFence(), holder, group, grantedAt: this.now, isProbe, ...rest };
    return this.put(lease, this.now + connectAfterMs + protectMs);
  }

  put(lease: Held, protectedUntil: number): Held {
    this.#fence = Math.max(this.#fence, lease.fence);
    this.held.set(lease.id, lease);
    this.protectedUntil.set(lease.id, protectedUntil);
    this.groups.take(lease.group, 1);
    return lease;
  }

  /** The session of a lease is bound by the first word of it, which also says that the connect went well. */
  bind(lease: Held, session: string | undefined): void {
    if (session === undefined || lease.session !== undefined) return;
    lease.session = session;
    this.control.connected();
  }

  /** How the connect of a lease went that is over now. */
  observe({ id, holder }: Held, outcome: LeaseOutcome): void {
    this.control.observe({ holder, leaseId: id, outcome, now: this.now, held: this.held.size });
  }

  /** The group of an adopted lease has become known; nobody has told it to yield yet. */
  moveTo(lease: Held, name: string): void {
    const before = lease.group;
    lease.group = this.groups.of(name);
    this.groups.take(before, -1);
    this.groups.take(lease.group, 1);
  }

  unflag(lease: Held): void {
    if (!lease.isFlagged) return;
    lease.isFlagged = false;
    lease.group.flagged -= 1;
    this.flagged -= 1;
  }

  reap(limit: number): void {
    for (const id of this.protectedUntil.upTo(this.now - this.settings.idleMs, limit)) {
      this.revoke(id, 'expired');
      this.expired += 1;
    }
    this.tickets.reap(this.now, limit);
    for (const id of this.protectedUntil.upTo(this.now, Math.max(0, Math.min(limit, this.#surplus))))
      this.revoke(id, 'revoked');
  }

  /** Leases that go as soon as they are unprotected, for nobody: without their headroom back no waiter could overlap with one. */
  get #surplus(): number {
    if (this.control.control === 'draining') return this.held.size;
    const intoHeadroom = this.held.size - (this.cap - this.settings.headroom);
    return Math.max(this.debt - this.dead.size, this.groups.waiting > 0 ? intoHeadroom : 0);
  }

  /** Last step of every transition. */
  leave(): void {
    this.serve();
    this.#summon();
    this.groups.dropEmpty();
  }

  /** Offers the room to those who wait and can be woken; the rest of them find it when they poll. */
  serve(): void {
    for (const id of this.tickets.next(this.#offerable(this.room)))
      this.wakes.push(this.tickets.claim(id, this.now + this.settings.claimMs));
  }

  /** An unprotected lease, or a free duty, is no room to offer: who may overlap with it is woken to take it. */
  #summon(): void {
    const places = this.#offerable(this.cap - this.count - this.tickets.claims);
    if (places > 0) this.wakes.push(...this.tickets.summon(places, takable(this, places)));
  }

  /** How many of these places anybody may be told of. */
  #offerable(places: number): number {
    if (this.groups.eligible === 0 || !this.control.mayOffer(this.now)) return 0;
    return Math.max(0, Math.min(places, LIMITS.offersMax, this.startsLeft - this.tickets.claims));
  }

  /** Held becomes revoking: over for its holder, still counted. */
  revoke(id: string, reason: LossReason): void {
    const lease = this.held.get(id);
    if (lease === undefined) throw new Error(`Lease ${id} is not held.`);
    const protectedUntil = this.protectedUntil.score(id) ?? 0;
    this.removeHeld(lease);
    this.dead.add(lease, reason, protectedUntil, { now: this.now, settings: this.settings });
  }

  removeHeld(lease: Held): void {
    this.unflag(lease);
    this.held.delete(lease.id);
    this.protectedUntil.delete(lease.id);
    this.groups.take(lease.group, -1);
  }

  /** The earliest moment at which something known can change for the caller with `ahead` others before it. */
  retryAfterMs(ahead: number): number {
    if (ahead >= LIMITS.hintRanks) return LIMITS.pollMaxMs;
    const lapse = this.protectedUntil.scoreAbove(this.now, ahead) ?? Number.POSITIVE_INFINITY;
    const duty = this.dead.dutyAt.scoreAbove(this.now, ahead) ?? Number.POSITIVE_INFINITY;
    return Math.min(LIMITS.pollMaxMs, Math.min(lapse, duty) - this.now);
  }
}
