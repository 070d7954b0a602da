import type { FleetView } from '../status-view.ts';
import { element, setText, setTone } from './element.ts';
import { sweeperAge } from './sweeper-age.ts';
import { counted, duration } from './words.ts';

/** Plain: neither good nor bad. */
type FactTone = 'fine' | 'attention' | 'trouble' | 'plain';
type Fact = readonly [id: string, tone: FactTone, text: string];

const CONTROLS = {
  open: ['fine', 'Open'],
  paused: ['attention', 'Paused'],
  draining: ['attention', 'Draining'],
} as const satisfies Record<FleetView['control'], readonly [FactTone, string]>;

const BREAKERS = {
  closed: ['fine', 'Closed'],
  open: ['trouble', 'Open'],
  'half-open': ['attention', 'Half-open'],
} as const satisfies Record<FleetView['breaker'], readonly [FactTone, string]>;

/** What is either as it should be, or not. */
export const showFacts = (view: FleetView): void => {
  for (const [id, tone, text] of factsOf(view)) {
    setTone(element(`fact-${id}`), tone);
    setText(element(`value-${id}`), text);
  }
};

const factsOf = ({ control, breaker, learningMs, counts, sweep, version }: FleetView): readonly Fact[] => [
  ['control', ...CONTROLS[control]],
  ['breaker', ...BREAKERS[breaker]],
  learningMs > 0
    ? ['learning', 'attention', `Another ${duration(learningMs + 999)}`]
    : ['learning', 'fine', 'No'],
  [
    'debt',
    counts.debt > 0 ? 'trouble' : 'fine',
    counts.debt > 0 ? counted(counts.debt, 'connection') : 'None',
  ],
  [
    'foreign',
    counts.foreign > 0 ? 'attention' : 'fine',
    counts.foreign > 0 ? String(counts.foreign) : 'None',
  ],
  ['sweep', sweeperAge(sweep) === 'recent' ? 'fine' : 'attention', sweepText(sweep)],
  ['look', 'plain', lookText(sweep)],
  ['flagged', 'plain', String(counts.flagged)],
  ['version', 'plain', String(version)],
];

const lookText = (sweep: FleetView['sweep']): string =>
  sweep?.lookedAgoMs == null ? 'Not yet' : `${duration(sweep.lookedAgoMs)} ago`;

const sweepText = (sweep: FleetView['sweep']): string => {
  if (sweep === null) return 'Never ran';
  return sweep.isRunning ? 'At work' : `${duration(sweep.agoMs)} ago`;
};
