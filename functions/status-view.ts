import { type Control, DEFAULT_SHARE, type ResourceSettings } from '../lib/core/lease.ts';
import type { GroupReport, ReportEntry, ResourceReport } from '../lib/core/report.ts';

/** Raised when a field goes or changes its meaning; new fields may come without. */
export const SCHEMA = 1;

/** What `GET /status` answers. All times in ms, unless a name says otherwise. */
export type StatusView = FleetView | UnknownView;

interface ViewHead {
  readonly schema: typeof SCHEMA;
  /** When the registry answered, by this function's clock, in ISO 8601. */
  readonly at: string;
  /** Six characters, as in the session labels (`lh:<resource>.<namespace>:…`). */
  readonly namespace: string;
  readonly resource: string;
}

/** The registry does not know the resource: it is fresh, or has forgotten it. */
export interface UnknownView extends ViewHead {
  readonly isKnown: false;
}

export interface FleetView extends ViewHead {
  readonly isKnown: true;
  readonly settings: ResourceSettings;
  readonly counts: FleetCounts;
  /** Until the first grant; 0: not learning. */
  readonly learningMs: number;
  readonly control: Control;
  readonly breaker: ResourceReport['breaker'];
  /** Raised by whatever an operator changes, shares apart. */
  readonly version: number;
  readonly groups: readonly GroupView[];
  readonly holders: HoldersView;
  /** Null: no sweeper has ever run, or the registry has lost its memory since. */
  readonly sweep: SweepView | null;
}

export interface FleetCounts {
  readonly capacity: number;
  readonly headroom: number;
  /** Protected and revocable leases. */
  readonly held: number;
  readonly protected: number;
  readonly revocable: number;
  readonly revoking: number;
  /** Callers that wait, those with a claim among them. */
  readonly waiters: number;
  /** Slots kept for waiters that were woken. */
  readonly claims: number;
  /** Leases told to yield that have not yet gone. */
  readonly flagged: number;
  /** Connections above what the capacity has room for. */
  readonly debt: number;
  /** Sessions without a lease that the last census saw; they reduce the capacity. */
  readonly foreign: number;
}

export interface GroupView {
  readonly name: string;
  readonly min: number;
  /** Null: nobody has set one. */
  readonly max: number | null;
  readonly priority: number;
  /** Leases and claims. */
  readonly taken: number;
  readonly waiting: number;
}

/** The registry lists a page of its leases at most: held ones first, by the end of their protection, then revoking ones. */
export interface HoldersView {
  readonly list: readonly HolderView[];
  readonly leasesListed: number;
  readonly leasesInAll: number;
  /** The list does not show every lease, nor perhaps every holder. */
  readonly isCut: boolean;
}

export interface HolderView {
  /** The beginning of its id. */
  readonly holder: string;
  readonly group: string;
  readonly protected: number;
  readonly revocable: number;
  readonly revoking: readonly RevokingView[];
}

export interface RevokingView {
  /** The beginning of its id, as in the session's label. */
  readonly lease: string;
  /** False: its connect may never have got through, so there may be nothing to end. */
  readonly isSessionKnown: boolean;
}

export interface SweepView {
  /** Since the last one began. */
  readonly agoMs: number;
  readonly isRunning: boolean;
  /** Since one was last at the database; null: none ever was. */
  readonly lookedAgoMs: number | null;
}

/** What the view is made from. */
export interface Seen {
  readonly namespace: string;
  readonly resource: string;
  readonly wallMs: number;
  readonly report: ResourceReport | undefined;
}

export const viewOf = ({ namespace, resource, wallMs, report }: Seen): StatusView => {
  const head = { schema: SCHEMA, at: new Date(wallMs).toISOString(), namespace, resource } as const;
  if (report === undefined) return { ...head, isKnown: false };
  const { settings, learningMs, control, breaker, version, groups } = report;
  const [counts, holders, sweep] = [countsOf(report), holdersOf(report), sweepOf(report)];
  const shares = groups.map(groupOf);
  return {
    ...head,
    isKnown: true,
    settings,
    counts,
    learningMs,
    control,
    breaker,
    version,
    groups: shares,
    holders,
    sweep,
  };
};

const countsOf = (report: ResourceReport): FleetCounts => {
  const { settings, held, protectedCount, revoking, waiters, claims, flagged, debt, foreign } = report;
  return {
    capacity: settings.capacity,
    headroom: settings.headroom,
    held,
    protected: protectedCount,
    revocable: held - protectedCount,
    revoking,
    waiters,
    claims,
    flagged,
    debt,
    foreign,
  };
};

const groupOf = ({ name, min, max, priority, taken, waiting }: GroupReport): GroupView => {
  const isLimited = max < DEFAULT_SHARE.max;
  return { name, min, max: isLimited ? max : null, priority, taken, waiting };
};

const sweepOf = ({ sweep }: ResourceReport): SweepView | null => {
  if (sweep === undefined) return null;
  const { agoMs, isRunning, lookedAgoMs = null } = sweep;
  return { agoMs, isRunning, lookedAgoMs };
};

const holdersOf = ({ entries, held, revoking }: ResourceReport): HoldersView => {
  const byHolder = new Map<string, ReportEntry[]>();
  for (const entry of entries) {
    const key = `${entry.holder} ${entry.group}`;
    byHolder.set(key, [...(byHolder.get(key) ?? []), entry]);
  }
  return {
    list: [...byHolder.values()].map(holderOf).toSorted(byGroupAndId),
    leasesListed: entries.length,
    leasesInAll: held + revoking,
    isCut: entries.length < held + revoking,
  };
};

const holderOf = (entries: readonly ReportEntry[]): HolderView => {
  const [{ holder, group } = { holder: '', group: '' }] = entries;
  const inState = (state: ReportEntry['state']): ReportEntry[] =>
    entries.filter((entry) => entry.state === state);
  return {
    holder: shortened(holder),
    group,
    protected: inState('protected').length,
    revocable: inState('revocable').length,
    revoking: inState('revoking').map(({ lease, session }) => ({
      lease: shortened(lease.id),
      isSessionKnown: session !== undefined,
    })),
  };
};

const byGroupAndId = (one: HolderView, other: HolderView): number =>
  compare(one.group, other.group) || compare(one.holder, other.holder);

const compare = (one: string, other: string): number => Number(one > other) - Number(one < other);

/**
 * A lease's id, its fence and its holder's id are all that the registry asks for before it renews, gives back or gives up a
 * lease: who could read them here could do so in the holder's name. Six of sixteen characters tell leases apart for a reader
 * (and find a session by the beginning of its label), and leave 60 bits to guess. The fence is not told at all.
 */
const shortened = (id: string): string => id.slice(0, SHOWN_CHARACTERS);
const SHOWN_CHARACTERS = 6;
