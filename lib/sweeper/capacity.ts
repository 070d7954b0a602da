import { labelPrefix } from '../core/label.ts';
import type { ResourceSettings } from '../core/lease.ts';
import { show } from '../core/problem.ts';
import { wholeNumber } from '../core/right.ts';
import type { DatabaseCapacity, DriverConnection } from '../driver/driver.ts';
import type { Holder } from '../pool/holder.ts';

/** How the sweeper may resize a resource to what its database has room for. */
export interface FollowCapacity {
  /** Never fewer, in connections, whatever the database says. */
  readonly min: number;
  /** Never more, in connections. */
  readonly max: number;
  /** The part of the room that is this resource's, above 0 and up to 1. Default: 1. */
  readonly share?: number;
}

export interface CapacitySeen extends DatabaseCapacity {
  /** What was in force when it was read. */
  readonly configured: number;
  /** Resized to this. */
  readonly resizedTo: number | undefined;
}

/** A larger capacity is followed only from this part of the present one on: others come and go, and nobody gains by a resize a minute. */
const RISE_PART = 0.1;
const CAPACITY_MAX = 100_000;

/** What is too little is followed at once, to one connection; more room only where it is worth it. */
export const followedCapacity = (
  current: number,
  usable: number,
  { min, max, share = 1 }: FollowCapacity,
): number => {
  const wanted = Math.min(max, Math.max(min, Math.floor(usable * share)));
  const isWorthIt = wanted >= current + Math.max(1, Math.ceil(current * RISE_PART)) || wanted === max;
  return wanted < current || isWorthIt ? wanted : current;
};

/** The same part of the capacity as before, and at least one where there was one. */
const headroomFor = (capacity: number, settings: ResourceSettings): number =>
  Math.min(Math.floor(capacity / 2), Math.ceil((capacity * settings.headroom) / settings.capacity));

/**
 * Reads what the database has room for, tells where the capacity promises more, and resizes the resource if that is wanted. The
 * registry itself takes sessions of the role without a lease off the capacity, so they are not taken off here a second time.
 */
export const watchCapacity = async (
  holder: Holder,
  connection: DriverConnection<unknown>,
  follow: FollowCapacity | undefined,
): Promise<CapacitySeen | undefined> => {
  const { registry, config, events } = holder;
  const prefix = labelPrefix(config.resource, registry.namespace);
  const found = await connection.capacity?.(prefix, config.operationTimeoutMs);
  const state = await registry.inspect(config.resource);
  if (found === undefined || state === undefined || state.learningMs > 0) return undefined;
  const { capacity } = state.settings;
  const { limitedBy } = found;
  const usable = found.usable + state.foreign;
  const wanted = follow === undefined ? capacity : followedCapacity(capacity, usable, follow);
  if (wanted === capacity || !(await resize(holder, wanted, state.settings))) {
    if (capacity > usable) events.emit('capacityTooHigh', { capacity, usable, limitedBy });
    return { ...found, configured: capacity, resizedTo: undefined };
  }
  events.emit('capacityFollowed', { from: capacity, to: wanted, usable });
  if (wanted > usable) events.emit('capacityTooHigh', { capacity: wanted, usable, limitedBy });
  return { ...found, configured: capacity, resizedTo: wanted };
};

/** False where the minima of the groups need more. */
const resize = async (
  { registry, config }: Holder,
  capacity: number,
  settings: ResourceSettings,
): Promise<boolean> => {
  const headroom = headroomFor(capacity, settings);
  return (await registry.operate(config.resource, { kind: 'resize', capacity, headroom })) === 'done';
};

/** What is wrong with the option. */
export const followProblems = (follow: FollowCapacity | undefined): string[] => {
  if (follow === undefined) return [];
  const { isRight, says } = wholeNumber(1, CAPACITY_MAX, 'connections');
  const { min, max, share = 1 } = Object(follow) as FollowCapacity;
  const wrong = Object.entries({ min, max }).filter(([, value]) => !isRight(value));
  return [
    ...wrong.map(([name, value]) => `followCapacity.${name}: ${show(value)} is not ${says}`),
    ...(wrong.length === 0 && min > max ? ['followCapacity.min: is above followCapacity.max'] : []),
    ...(share > 0 && share <= 1
      ? []
      : [`followCapacity.share: ${show(share)} is not a part above 0, up to 1`]),
  ];
};
