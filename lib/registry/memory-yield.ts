import { shouldYield } from '../core/policy.ts';
import type { LeaseBook } from './memory-book.ts';
import type { Held } from './memory-dead.ts';
import { loadOf } from './memory-groups.ts';

/** Tells the holder to give the connection up, if somebody is to have its place. */
export const flagIfWanted = (book: LeaseBook, lease: Held): void => {
  const { cap, count, room, flagged, groups, control } = book;
  const isWanted = shouldYield(book.settings, {
    cap,
    count,
    room,
    eligible: groups.eligible,
    flagged,
    heldForMs: book.now - lease.grantedAt,
    isDraining: control.control === 'draining',
    isStale: lease.fence < control.staleBelow,
    group: { ...loadOf(lease.group), flagged: lease.group.flagged },
  });
  if (lease.isFlagged || !isWanted) return;
  lease.isFlagged = true;
  lease.group.flagged += 1;
  book.flagged += 1;
};
