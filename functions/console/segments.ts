import type { FleetCounts } from '../status-view.ts';

/** What a place of the capacity is taken by, in the order of the bar. */
export const KINDS = ['protected', 'revocable', 'revoking', 'claims', 'foreign', 'free', 'headroom'] as const;
export type Kind = (typeof KINDS)[number];

/** Places by kind; together they are the capacity, or more where there is a debt. */
export type Segments = Readonly<Record<Kind, number>>;

/** What counts against the capacity, as the registry counts: a revoking lease's session is not yet proven gone. */
export const leasesOf = ({ held, revoking }: FleetCounts): number => held + revoking;

/** A revocation's overlap and foreign sessions may have used up some of the headroom: it is what is left of it. */
export const segmentsOf = (counts: FleetCounts): Segments => {
  const { capacity, headroom, protected: safe, revocable, revoking, claims, foreign } = counts;
  const rest = Math.max(0, capacity - leasesOf(counts) - claims - foreign);
  const free = Math.max(0, rest - headroom);
  return { protected: safe, revocable, revoking, claims, foreign, free, headroom: rest - free };
};

export const totalOf = (segments: Segments): number =>
  KINDS.reduce((total, kind) => total + segments[kind], 0);
