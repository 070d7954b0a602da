import { RESOURCE_PATTERN } from './label.ts';
import { type InForce, type ResourceSettings, SETTINGS_ORDER, type Share } from './lease.ts';
import { LIMITS } from './limits.ts';

/**
 * What may travel to a registry. Records are lines of fields between spaces, '-' stands for none, and one record that cannot
 * be read would stop every script of its resource: so nothing else is let out, by any registry. A RangeError here is a fault
 * of the caller's code; what a user configures was refused long before, with all its problems at once.
 */
const NAME_PATTERN = /^(?!-$)[!-~]{1,128}$/;

/** As much of a batch's items as can go wrong. */
interface Item {
  readonly id: string;
  readonly fence?: number;
  readonly turn?: number;
  readonly session?: string;
  readonly server?: string;
  readonly again?: {
    readonly group: string;
    readonly settings: ResourceSettings;
    readonly inForce?: InForce;
  };
}

interface Ask {
  readonly resource: string;
  readonly leaseId: string;
  readonly holder: string;
  readonly group: string;
  readonly stamp: number;
  readonly settings: ResourceSettings;
  readonly waitMs?: number;
  readonly share?: Share;
}

/** As much of an operator's word as can go wrong. */
interface Word {
  readonly kind: string;
  readonly forMs?: number;
  readonly capacity?: number;
  readonly headroom?: number;
  readonly version?: number;
  readonly group?: string;
  readonly share?: Share;
  readonly holder?: string;
  readonly sweeper?: string;
}

export const assertResource = (resource: string): void => {
  if (!RESOURCE_PATTERN.test(resource)) throw refused('resource', resource, String(RESOURCE_PATTERN));
};

export const assertAsk = (ask: Ask): void => {
  const { resource, leaseId, holder, group, stamp, settings, waitMs, share } = ask;
  assertResource(resource);
  assertName('lease id', leaseId);
  assertName('holder', holder);
  assertName('group', group);
  assertCount('stamp', stamp);
  assertCount('waitMs', waitMs);
  if (share !== undefined) assertShare(share);
  assertSettings(settings);
};

/** A batch of one call: a page at most (L11), every field of every item. */
export const assertItems = (resource: string, holder: string | undefined, items: readonly Item[]): void => {
  assertResource(resource);
  assertName('holder', holder);
  if (items.length > LIMITS.pageMax) throw refused('batch', items.length, `at most ${LIMITS.pageMax} items`);
  for (const { id, fence, turn, session, server, again } of items) {
    assertName('lease id', id);
    assertCount('fence', fence);
    assertCount('turn', turn);
    assertName('session', session);
    assertName('server', server);
    if (again !== undefined) assertComingBack(again);
  }
};

const assertComingBack = ({ group, settings, inForce }: NonNullable<Item['again']>): void => {
  assertName('group', group);
  assertSettings(settings);
  if (inForce === undefined) return;
  assertSettings(inForce.settings);
  assertCount('version', inForce.version);
  assertCount('pausedForMs', inForce.pausedForMs);
};

export const assertCensus = (
  { epoch, token }: { readonly epoch: number; readonly token: number },
  last: { readonly foreign: number } | undefined,
): void => {
  assertCount('epoch', epoch);
  assertCount('token', token);
  assertCount('foreign', last?.foreign);
};

export const assertOperation = (word: Word): void => {
  const { forMs, capacity, headroom = 0, version, group, share, holder, sweeper } = word;
  assertCount('forMs', forMs);
  assertCount('version', version);
  assertName('group', group);
  assertName('holder', holder);
  assertName('sweeper', sweeper);
  if (share !== undefined) assertShare(share);
  if (capacity !== undefined) assertCapacity(capacity, headroom);
};

export const assertElection = (
  resource: string,
  election: { readonly sweeper: string; readonly forMs: number } | undefined,
): void => {
  assertResource(resource);
  assertName('sweeper', election?.sweeper);
  assertCount('forMs', election?.forMs);
};

const assertShare = ({ min, max, priority }: Share): void => {
  assertCount('min', min);
  assertCount('max', max);
  assertCount('priority', priority);
  if (max < min || max < 1) throw refused('max', max, `at least 1, and at least min, which is ${min}`);
};

export const assertSettings = (settings: ResourceSettings): void => {
  for (const name of SETTINGS_ORDER) assertCount(name, settings[name] ?? Number.NaN);
  assertCapacity(settings.capacity, settings.headroom);
};

const assertCapacity = (capacity: number, headroom: number): void => {
  assertCount('capacity', capacity);
  assertCount('headroom', headroom);
  if (capacity < 1 || headroom >= capacity) {
    throw refused('headroom', headroom, `less than the capacity, which is ${capacity} and at least 1`);
  }
};

/** Optional fields are none where they are undefined; the type says which may be. */
const assertName = (what: string, value: string | undefined): void => {
  if (value !== undefined && !NAME_PATTERN.test(value)) throw refused(what, value, String(NAME_PATTERN));
};

const assertCount = (what: string, value: number | undefined): void => {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
    throw refused(what, value, 'a whole number, not negative');
  }
};

const SHOWN_CHARACTERS = 40;

const refused = (what: string, value: unknown, right: string): RangeError =>
  new RangeError(`Not a ${what}: ${String(JSON.stringify(value)).slice(0, SHOWN_CHARACTERS)} (${right})`);
