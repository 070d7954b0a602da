import type { FleetView, UnknownView } from '../../functions/status-view.ts';
import { SETTINGS } from './registry-harness.ts';

const HEAD = { schema: 1, at: '2026-06-01T00:00:00.000Z', namespace: 'abc123', resource: 'orders' } as const;

export const unknownView = (): UnknownView => ({ ...HEAD, isKnown: false });

/** A fleet that is well: half of twenty connections are held. */
export const fleetView = (more: Partial<FleetView> = {}): FleetView => ({
  ...HEAD,
  isKnown: true,
  settings: { ...SETTINGS, capacity: 20, headroom: 4 },
  counts: {
    capacity: 20,
    headroom: 4,
    held: 10,
    protected: 7,
    revocable: 3,
    revoking: 0,
    waiters: 0,
    claims: 0,
    flagged: 0,
    debt: 0,
    foreign: 0,
  },
  learningMs: 0,
  control: 'open',
  breaker: 'closed',
  version: 0,
  groups: [],
  holders: { list: [], leasesListed: 0, leasesInAll: 0, isCut: false },
  sweep: { agoMs: 20_000, isRunning: false, lookedAgoMs: null },
  ...more,
});
