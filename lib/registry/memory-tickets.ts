import { EPOCH_MS, STAMPS_PER_MS } from '../core/limits.ts';
import { Ordered } from '../core/ordered.ts';
import { type Group, type Groups, nextTickets } from './memory-groups.ts';

export interface Ticket {
  readonly id: string;
  readonly stamp: number;
  readonly group: Group;
  readonly holder: string;
  /** A slot may be kept for it: its holder hears the wake-up. */
  listens: boolean;
  /** It has missed a claim, and not polled since. */
  isPassedOver: boolean;
  /** It was woken for a lease that it may revoke or take over, and has not polled since. */
  isSummoned: boolean;
}

/** A holder to be woken, and for which ticket. */
export interface Wake {
  readonly holder: string;
  readonly leaseId: string;
}

/** What can be had without room: by anybody, and where a minimum keeps it from the others, by tickets of the same group. */
export interface Takable {
  readonly forAll: number;
  readonly own: ReadonlyMap<Group, number>;
}

/** The callers that wait for one resource, and the slots that are kept for some of them. */
export class Tickets {
  readonly #groups: Groups;
  #stamp = 0;
  readonly #tickets = new Map<string, Ticket>();
  readonly #aliveUntil = new Ordered();
  /** Claimed tickets by the end of their claim. */
  readonly #claimUntil = new Ordered();

  constructor(groups: Groups) {
    this.#groups = groups;
  }

  /** A stamp from the past keeps its place; one from the future, or none, gets the next. */
  stampFor(asked: number, now: number): number {
    const next = Math.max(this.#stamp + 1, (now - EPOCH_MS) * STAMPS_PER_MS);
    return asked > 0 && asked < next ? asked : next;
  }

  /** All of them, claimed or not. */
  get size(): number {
    return this.#tickets.size;
  }

  get claims(): number {
    return this.#claimUntil.size;
  }

  get(id: string): Ticket | undefined {
    return this.#tickets.get(id);
  }

  hasClaim(id: string): boolean {
    return this.#claimUntil.score(id) !== undefined;
  }

  add(ticket: Ticket): void {
    this.#stamp = Math.max(this.#stamp, ticket.stamp);
    this.#tickets.set(ticket.id, ticket);
    this.#groups.enqueue(ticket.group, ticket.id, ticket.stamp);
  }

  keepAlive(id: string, until: number): void {
    this.#aliveUntil.set(id, until);
  }

  /** To whom `room` slots are offered, best first; one is left for each better ticket that cannot be woken. */
  next(room: number): string[] {
    return this.#best(room)
      .filter(({ listens }) => listens)
      .map(({ id }) => id);
  }

  #best(most: number): Ticket[] {
    const best: Ticket[] = [];
    if (most <= 0) return best;
    for (const { id } of nextTickets(this.#groups, (each) => this.#must(each).isPassedOver)) {
      best.push(this.#must(id));
      if (best.length >= most) break;
    }
    return best;
  }

  /** Keeps a slot for the ticket. */
  claim(id: string, until: number): Wake {
    const { group, holder } = this.#must(id);
    this.#groups.dequeue(group, id);
    this.#groups.take(group, 1);
    this.#claimUntil.set(id, until);
    return { holder, leaseId: id };
  }

  /** Wakes the best for what only a poll can take, once each until they poll. */
  summon(places: number, { forAll, own }: Takable): Wake[] {
    const left = new Map(own);
    let leftForAll = forAll;
    const told = this.#best(places).filter((ticket) => {
      const ofGroup = left.get(ticket.group) ?? 0;
      const isTakable = ofGroup > 0 || leftForAll > 0;
      if (ofGroup > 0) left.set(ticket.group, ofGroup - 1);
      else if (isTakable) leftForAll -= 1;
      return isTakable && ticket.listens && !ticket.isSummoned;
    });
    return told.map((ticket) => {
      ticket.isSummoned = true;
      return { holder: ticket.holder, leaseId: ticket.id };
    });
  }

  forget(id: string): boolean {
    const ticket = this.#tickets.get(id);
    if (ticket === undefined) return false;
    if (this.#claimUntil.delete(id)) this.#groups.take(ticket.group, -1);
    else this.#groups.dequeue(ticket.group, id);
    this.#aliveUntil.delete(id);
    this.#tickets.delete(id);
    return true;
  }

  /** Passes over who has gone silent, and once who has missed a claim. */
  reap(now: number, limit: number): void {
    for (const id of this.#aliveUntil.upTo(now, limit)) this.forget(id);
    for (const id of this.#claimUntil.upTo(now, limit)) {
      const ticket = this.#must(id);
      ticket.isPassedOver = true;
      this.#claimUntil.delete(id);
      this.#groups.take(ticket.group, -1);
      this.#groups.enqueue(ticket.group, id, ticket.stamp);
    }
  }

  #must(id: string): Ticket {
    const ticket = this.#tickets.get(id);
    if (ticket === undefined) throw new Error(`There is no ticket ${id}.`);
    return ticket;
  }
}
