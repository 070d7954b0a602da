import { phaseOf } from '../core/breaker.ts';
import { LIMITS } from '../core/limits.ts';
import type { ReportEntry, ResourceReport } from '../core/report.ts';
import type { LeaseBook } from './memory-book.ts';

/** The present state, with up to `entries` leases, the held ones by the end of their protection, then the revoking ones; or those named. */
export const reportOf = (book: LeaseBook, entries: number | readonly string[]): ResourceReport => {
  const { control, groups, now } = book;
  const sweep = control.sweep.seen(now);
  return {
    settings: book.settings,
    held: book.held.size,
    protectedCount: book.held.size - book.protectedUntil.rankOf(now, '\uffff'),
    revoking: book.dead.size,
    waiters: book.tickets.size,
    flagged: book.flagged,
    learningMs: control.learningMs(now),
    claims: book.tickets.claims,
    debt: book.debt,
    foreign: book.foreign,
    epoch: control.epoch,
    version: control.version,
    control: control.control,
    pausedForMs: control.pausedForMs(now),
    reconnectedAgoMs: control.reconnectedAgoMs(now),
    breaker: phaseOf(control.breaker, now),
    groups: groups
      .all()
      .map(({ name, share, taken, queue }) => ({ name, ...share, taken, waiting: queue.size }))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1)),
    entries: listed(book, entries).map((id) => entryOf(book, id)),
    ...(sweep && { sweep }),
  };
};

const listed = (book: LeaseBook, entries: number | readonly string[]): readonly string[] => {
  if (typeof entries !== 'number')
    return entries.filter((id) => book.held.has(id) || book.dead.get(id) !== undefined);
  const limit = Math.min(entries, LIMITS.pageMax);
  const held = book.protectedUntil.upTo(Number.POSITIVE_INFINITY, limit);
  return [...held, ...book.dead.dutyAt.upTo(Number.POSITIVE_INFINITY, limit - held.length)];
};

const entryOf = (book: LeaseBook, id: string): ReportEntry => {
  const entry = book.dead.get(id);
  const lease = entry?.held ?? book.held.get(id);
  if (lease === undefined) throw new Error(`Lease ${id} has no record.`);
  const { fence, holder, group, isProbe } = lease;
  const heldState = book.remainingMs(id) > 0 ? 'protected' : 'revocable';
  const state = entry === undefined ? heldState : 'revoking';
  const session = entry === undefined ? lease.session : entry.session;
  return { lease: { id, fence }, state, holder, group: group.name, session, isProbe };
};
