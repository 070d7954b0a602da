import { encodeSettings, type InForce, type ResourceSettings } from '../../core/lease.ts';
import type { Operation } from '../../core/operation.ts';
import type { GrantRequest, ReleaseItem, RenewItem, SettleItem } from '../registry.ts';

type Argument = string | number;

/** Stands for what is not there; no name is one. */
export const NONE = '-';
/** Stands for settings where no lease can come back. */
const NOBODY = '+';

const texts = new WeakMap<ResourceSettings, string>();

/** A pool asks with the same settings for ever: they are written once. */
const textOf = (settings: ResourceSettings): string => {
  const text = texts.get(settings) ?? encodeSettings(settings);
  texts.set(settings, text);
  return text;
};

/** What is out of the ordinary comes last and only where it is: the script tells the ordinary ask by its length. */
export const grantArguments = (request: GrantRequest): Argument[] => {
  const { leaseId, again, stamp, holder, group, wait, waitMs, listens = false, settings, share } = request;
  const waiting = `${Number(wait)} ${waitMs ?? NONE} ${Number(listens)}`;
  const ordinary = [`${leaseId} ${holder} ${group} ${textOf(settings)} ${waiting}`];
  if (!again && stamp === 0 && share === undefined) return ordinary;
  const shareText = share === undefined ? NONE : `${share.min},${share.max},${share.priority}`;
  return [...ordinary, Number(again), stamp, shareText];
};

/** Of one lease in one argument: each one costs more than all the rest. */
export const releaseArguments = (holder: string, items: readonly ReleaseItem[]): Argument[] => {
  const [first] = items;
  if (items.length === 1 && first !== undefined)
    return [`${holder} ${first.id} ${first.fence} ${first.outcome}`];
  return [holder, ...items.flatMap(({ id, fence, outcome }) => [id, fence, outcome])];
};

/** A lease that comes back needs more to be told; then all of the batch are told in that width. */
export const renewArguments = (items: readonly RenewItem[]): Argument[] => {
  if (items.every(({ again }) => again === undefined)) return [NONE, ...items.flatMap(ordinary)];
  const first = items.find(({ again, session }) => again !== undefined && session !== undefined)?.again;
  const settings = first === undefined ? NOBODY : encodeSettings(first.settings);
  return [settings, ...items.flatMap((item) => [...ordinary(item), ...comingBack(item)])];
};

const ordinary = ({ id, fence, turn, session = NONE, idle }: RenewItem): Argument[] => [
  id,
  fence,
  turn,
  session,
  Number(idle),
];

const comingBack = ({ again }: RenewItem): Argument[] => [
  again?.group ?? NONE,
  again?.settings.connectBoundMs ?? 0,
  ...inForceArguments(again?.inForce),
];

const inForceArguments = (inForce: InForce | undefined): Argument[] => {
  if (inForce === undefined) return [NONE, 0, NONE, 0];
  const { settings, version, control, pausedForMs } = inForce;
  return [encodeSettings(settings), version, control, pausedForMs];
};

export const operateArguments = (operation: Operation): Argument[] => {
  const { kind } = operation;
  switch (kind) {
    case 'pause':
      return [kind, operation.forMs, operation.atMost ? 1 : 0];
    case 'resize':
      return [kind, operation.capacity, operation.headroom, operation.version ?? NONE];
    case 'share': {
      const { min, max, priority } = operation.share;
      return [kind, operation.group, min, max, priority, operation.version ?? NONE];
    }
    case 'observe':
      return [kind, operation.holder, operation.outcome];
    case 'retire':
      return [kind, operation.sweeper, Number(operation.looked)];
    default:
      return [kind];
  }
};

export const settleArguments = (item: SettleItem): Argument[] => {
  const { id, kind } = item;
  if (kind === 'absent') return [id, kind, Number(item.seen), item.server];
  return [id, kind, 0, kind === 'vacant' ? item.fence : NONE];
};
