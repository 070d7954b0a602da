import type { FleetView, StatusView } from '../status-view.ts';
import { leasesOf } from './segments.ts';
import { sweeperAge } from './sweeper-age.ts';
import { clockTime, counted, duration } from './words.ts';

export type Gravity = 'fine' | 'attention' | 'trouble';

/** One thing that somebody should know. */
export interface Sign {
  readonly gravity: Exclude<Gravity, 'fine'>;
  readonly text: string;
}

export interface Verdict {
  readonly gravity: Gravity;
  /** The gravest sign, or that there is none. */
  readonly title: string;
  readonly others: readonly Sign[];
}

/** Why there are no new numbers. */
export interface Silence {
  readonly who: 'registry' | 'function' | 'reader';
  readonly sinceMs: number;
}

/** What the fleet's state means, the gravest first. `silence`: the numbers are old. */
export const verdictOf = (view: StatusView | undefined, silence?: Silence): Verdict => {
  const signs = [
    ...(silence === undefined ? [] : [silenceSign(silence)]),
    ...(view === undefined ? [] : view.isKnown ? fleetSigns(view) : [unknownSign(view.resource)]),
  ];
  const sorted = signs.toSorted((one, other) => rank(other) - rank(one));
  const [first, ...others] = sorted;
  if (first !== undefined) return { gravity: first.gravity, title: first.text, others };
  return { gravity: 'fine', title: view === undefined ? 'Looking …' : 'All is well', others };
};

const rank = ({ gravity }: Sign): number => (gravity === 'trouble' ? 1 : 0);

const trouble = (text: string): Sign => ({ gravity: 'trouble', text });
const attention = (text: string): Sign => ({ gravity: 'attention', text });

const silenceSign = ({ who, sinceMs }: Silence): Sign => {
  const since = clockTime(sinceMs);
  if (who === 'registry') return trouble(`Registry unreachable since ${since}`);
  if (who === 'reader') return trouble(`Access refused since ${since}: sign in again, then reload`);
  return trouble(`No answer from the status function since ${since}`);
};

const unknownSign = (resource: string): Sign =>
  attention(
    `The registry does not know ${resource} yet: its first grant, or a deploy's first step, names it`,
  );

const fleetSigns = (view: FleetView): Sign[] => {
  const { breaker, control, counts, learningMs, sweep } = view;
  const { capacity, headroom, waiters, debt, foreign } = counts;
  const isFull = leasesOf(counts) + counts.claims + foreign >= capacity - headroom;
  const age = sweeperAge(sweep);
  return [
    ...(breaker === 'open' ? [trouble('Breaker open: connects to the database fail')] : []),
    ...(debt > 0 ? [trouble(`${counted(debt, 'connection')} above the capacity`)] : []),
    ...(breaker === 'half-open' ? [attention('Breaker half-open: a few connects are tried')] : []),
    ...(control === 'paused' ? [attention('Grants are paused by an operator')] : []),
    ...(control === 'draining' ? [attention('An operator empties the fleet: nothing is granted')] : []),
    ...(learningMs > 0
      ? [attention(`Learning for another ${duration(learningMs + 999)}: nothing is granted yet`)]
      : []),
    ...(isFull && waiters > 0
      ? [attention(`At capacity: ${counted(waiters, 'caller waits', 'callers wait')}`)]
      : []),
    ...(foreign > 0
      ? [
          attention(
            `${counted(foreign, 'session')} without a lease ${foreign === 1 ? 'takes' : 'take'} from the capacity`,
          ),
        ]
      : []),
    ...(age === 'never' ? [attention('No sweeper has ever run')] : []),
    ...(age === 'late' ? [attention(`The sweeper last ran ${duration(sweep?.agoMs ?? 0)} ago`)] : []),
  ];
};
