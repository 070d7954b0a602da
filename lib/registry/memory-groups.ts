import { DEFAULT_SHARE, type Share } from '../core/lease.ts';
import { LIMITS } from '../core/limits.ts';
import { Ordered } from '../core/ordered.ts';
import { eligibleOf, type GroupLoad, type GroupView } from '../core/policy.ts';

/** The record that further groups share when there are too many. */
const OVERFLOW = '~';

export interface Group {
  readonly name: string;
  share: Share;
  /** Leases and claims. */
  taken: number;
  /** Leases told to yield. */
  flagged: number;
  /** Of the last operator's word; 0: the share is the code's. */
  version: number;
  /** Tickets without a claim, by order stamp. */
  readonly queue: Ordered;
}

/** The groups of one resource, and the sums over them that admission reads. */
export class Groups {
  /** Tickets that the maxima allow to serve. */
  eligible = 0;
  /** Tickets without a claim. */
  waiting = 0;
  minima = 0;
  readonly #groups = new Map<string, Group>();
  /** Those that may have become empty in this operation. */
  readonly #touched = new Set<Group>();

  /**
   * The group's record, made if need be; `share` is written then, or once somebody has one to say, its minimum only if the minima
   * stay within `limit`.
   */
  of(name: string, share: Share = DEFAULT_SHARE, limit = 0): Group {
    const known = this.#groups.get(name);
    if (known !== undefined) {
      if (isUnsaid(known)) this.setShare(known, this.#fitting(share, limit), 0);
      return known;
    }
    if (this.#groups.size >= LIMITS.groupsMax - 1 && name !== OVERFLOW) return this.of(OVERFLOW);
    const kept = this.#fitting(share, limit);
    const group: Group = { name, share: kept, taken: 0, flagged: 0, version: 0, queue: new Ordered() };
    this.#groups.set(name, group);
    this.#touched.add(group);
    this.minima += kept.min;
    return group;
  }

  #fitting(share: Share, limit: number): Share {
    return this.minima + share.min <= limit ? share : { ...share, min: 0 };
  }

  all(): readonly Group[] {
    return [...this.#groups.values()];
  }

  take(group: Group, by: 1 | -1): void {
    this.#change(group, () => {
      group.taken += by;
    });
  }

  enqueue(group: Group, id: string, stamp: number): void {
    this.#change(group, () => group.queue.set(id, stamp));
  }

  dequeue(group: Group, id: string): void {
    this.#change(group, () => group.queue.delete(id));
  }

  setShare(group: Group, share: Share, version: number): void {
    this.minima += share.min - group.share.min;
    this.#change(group, () => {
      group.share = share;
    });
    group.version = version;
  }

  /** At the end of an operation: records that say nothing go, so that names which come and go do not fill the table. */
  dropEmpty(): void {
    for (const group of this.#touched) {
      if (group.taken > 0 || group.queue.size > 0 || group.version > 0) continue;
      if (this.#groups.delete(group.name)) this.minima -= group.share.min;
    }
    this.#touched.clear();
  }

  #change(group: Group, change: () => void): void {
    this.#touched.add(group);
    const before = loadOf(group);
    change();
    const after = loadOf(group);
    this.eligible += eligibleOf(after) - eligibleOf(before);
    this.waiting += after.waiting - before.waiting;
  }
}

/** Nobody has said what the group is entitled to: its leases came back without a word of it, or its first caller had none. */
const isUnsaid = ({ name, version, share: { min, max, priority } }: Group): boolean =>
  version === 0 && min === 0 && max === DEFAULT_SHARE.max && priority === 0 && name !== OVERFLOW;

export const loadOf = ({ share, taken, queue }: Group): GroupLoad => ({
  ...share,
  taken,
  waiting: queue.size,
});

/** The group as a caller with this order stamp sees it. */
export const viewOf = (group: Group, stamp: number): GroupView => ({
  ...loadOf(group),
  older: group.queue.rankOf(stamp, ''),
});

/** Whose ticket is served first: below its minimum, then by priority, then by age. */
export interface Candidate {
  readonly id: string;
  readonly group: Group;
  readonly stamp: number;
  readonly isUrgent: boolean;
}

export const isBetter = (one: Candidate, other: Candidate | undefined): boolean => {
  if (other === undefined) return true;
  if (one.isUrgent !== other.isUrgent) return one.isUrgent;
  const { priority } = one.group.share;
  if (priority !== other.group.share.priority) return priority > other.group.share.priority;
  if (one.stamp !== other.stamp) return one.stamp < other.stamp;
  return one.id < other.id;
};

/**
 * The tickets that come next, best first, but for those that are out; each is counted as served when the one after it is
 * looked for, and none of a group beyond its maximum.
 */
export function* nextTickets(groups: Groups, isOut: (id: string) => boolean): Generator<Candidate> {
  const served = new Map<Group, number>();
  const oldest = ({ queue }: Group): string[] => queue.upTo(Infinity, LIMITS.offersMax);
  const queues = new Map(groups.all().map((group) => [group, oldest(group).filter((id) => !isOut(id))]));
  for (;;) {
    let best: Candidate | undefined;
    for (const [group, ids] of queues) {
      const already = served.get(group) ?? 0;
      const id = ids[already];
      const taken = group.taken + already;
      if (id === undefined || taken >= group.share.max) continue;
      const isUrgent = taken < group.share.min;
      const candidate = { id, group, stamp: group.queue.score(id) ?? 0, isUrgent };
      if (isBetter(candidate, best)) best = candidate;
    }
    if (best === undefined) return;
    served.set(best.group, (served.get(best.group) ?? 0) + 1);
    yield best;
  }
}
