import type { CensusDuty, SessionFound } from '../core/duty.ts';
import type { OperateReply, Operation } from '../core/operation.ts';
import type { LeaseBook } from './memory-book.ts';
import { type Held, NOBODY } from './memory-dead.ts';
import type { Registration, RenewItem } from './registry.ts';

/** The group of a lease that a census has found. */
const UNKNOWN_GROUP = 'unknown';

/** A lease that its holder brings to a registry that learns. */
export const registered = (book: LeaseBook, holder: string, item: RenewItem): Held | undefined => {
  const { control } = book;
  if (!control.isLearning || item.again === undefined || item.session === undefined) return undefined;
  const isKnown = book.held.has(item.id) || book.dead.get(item.id) !== undefined;
  if (isKnown || control.farewells.has(item.id)) return undefined;
  bringBack(book, item.again);
  return put(book, item, holder, item.again.group);
};

/** What a holder knows of the time before: how slow connects may be, and what an operator had changed. */
const bringBack = (book: LeaseBook, { settings, inForce }: Registration): void => {
  book.raiseConnectBound(settings.connectBoundMs);
  if (inForce !== undefined && book.control.restore(inForce, book.now)) book.applyInForce(inForce.settings);
};

/** A lease that a census has found is its holder's again. */
export const takeOver = (book: LeaseBook, lease: Held, holder: string, again?: Registration): void => {
  if (lease.holder !== NOBODY) return;
  lease.holder = holder;
  if (again === undefined) return;
  bringBack(book, again);
  book.moveTo(lease, again.group);
};

const put = (book: LeaseBook, ref: SessionFound | RenewItem, holder: string, group: string): Held => {
  const { id, fence, session } = ref;
  // A grant of the time before whose ticket has outlived it: one id is one thing.
  book.tickets.forget(id);
  const rest = { grantedAt: book.now, isProbe: false, turn: 0, session, isFlagged: false };
  const lease = { id, fence, holder, group: book.groups.of(group), ...rest };
  return book.put(lease, book.now + book.settings.protectMs);
};

export const adopt = (
  book: LeaseBook,
  census: CensusDuty,
  sessions: readonly SessionFound[],
  last: { readonly foreign: number } | undefined,
): 'adopted' | 'refused' => {
  const { control } = book;
  if (!control.isPresent(census)) return 'refused';
  for (const found of sessions) {
    const isKnown = book.held.has(found.id) || book.dead.get(found.id) !== undefined;
    if (!isKnown && !control.farewells.has(found.id)) put(book, found, NOBODY, UNKNOWN_GROUP);
  }
  if (last === undefined) return 'adopted';
  book.foreign = last.foreign;
  control.endLearning();
  return 'adopted';
};

/** An operator's word. */
export const operate = (book: LeaseBook, operation: Operation): OperateReply => {
  const { control, now } = book;
  switch (operation.kind) {
    case 'pause':
      control.pause(operation.forMs, now, operation.atMost);
      break;
    case 'resume':
      control.resume();
      break;
    case 'drain':
      control.control = 'draining';
      break;
    case 'reconnect':
      control.staleBelow = book.nextFence();
      break;
    case 'resize':
      return resize(book, operation);
    case 'share':
      return setShare(book, operation);
    case 'observe':
      control.observe({ ...operation, leaseId: '', now, held: book.held.size });
      return 'done';
    case 'retire':
      control.sweep.retire(operation.sweeper, operation.looked, now);
      return 'done';
  }
  control.version += 1;
  return 'done';
};

const resize = (book: LeaseBook, operation: Operation & { kind: 'resize' }): OperateReply => {
  const { capacity, headroom, version = book.control.version + 1 } = operation;
  if (version <= book.control.version) return 'stale';
  if (book.groups.minima > capacity - headroom) return 'refused';
  book.settings = { ...book.settings, capacity, headroom };
  book.control.version = version;
  return 'done';
};

const setShare = (book: LeaseBook, operation: Operation & { kind: 'share' }): OperateReply => {
  const { capacity, headroom } = book.settings;
  const group = book.groups.of(operation.group);
  const version = operation.version ?? group.version + 1;
  const { minima } = book.groups;
  const reply =
    version <= group.version
      ? 'stale'
      : minima - group.share.min + operation.share.min > capacity - headroom
        ? 'refused'
        : 'done';
  if (reply === 'done') book.groups.setShare(group, operation.share, version);
  return reply;
};
