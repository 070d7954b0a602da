import { LIMITS } from '../core/limits.ts';
import type { Ordered } from '../core/ordered.ts';
import type { DeadLeases, Held } from './memory-dead.ts';
import type { Group, Groups } from './memory-groups.ts';
import type { Takable } from './memory-tickets.ts';

interface Book {
  readonly now: number;
  readonly dead: DeadLeases;
  readonly groups: Groups;
  readonly held: ReadonlyMap<string, Held>;
  readonly protectedUntil: Ordered;
}

/** Free duties, and unprotected leases: of groups above their minimum for anybody, of the others for their own tickets. */
export const takable = ({ dead, groups, held, protectedUntil, now }: Book, limit: number): Takable => {
  const free = dead.dutyAt.upTo(now, limit).length;
  const own = new Map<Group, number>();
  if (free >= limit) return { forAll: free, own };
  if (groups.minima === 0) return { forAll: free + protectedUntil.upTo(now, limit - free).length, own };
  let forAll = free;
  for (const id of protectedUntil.upTo(now, LIMITS.victimsMax)) {
    const group = held.get(id)?.group;
    if (group === undefined) continue;
    if (group.taken > group.share.min) forAll += 1;
    else own.set(group, (own.get(group) ?? 0) + 1);
  }
  return { forAll, own };
};
