import type { SweepView } from '../status-view.ts';

/** The schedule is a minute: five without a run are no accident. */
const LATE_MS = 300_000;

export type SweeperAge = 'never' | 'late' | 'recent';

export const sweeperAge = (sweep: SweepView | null): SweeperAge => {
  if (sweep === null) return 'never';
  return sweep.agoMs > LATE_MS ? 'late' : 'recent';
};
