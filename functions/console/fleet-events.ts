import type { FleetView, GroupView, HolderView, StatusView } from '../status-view.ts';
import { sweeperAge } from './sweeper-age.ts';
import { counted } from './words.ts';

export type Tone = 'good' | 'bad' | 'plain';

/** Something that happened between two looks. */
export interface FleetEvent {
  readonly tone: Tone;
  /** Worth telling somebody who does not look; the rest is the day's work. */
  readonly isNotable: boolean;
  readonly text: string;
}

type Compare = (before: FleetView, after: FleetView) => FleetEvent | readonly FleetEvent[] | undefined;

const notable = (tone: Tone, text: string): FleetEvent => ({ tone, isNotable: true, text });
const routine = (text: string): FleetEvent => ({ tone: 'plain', isNotable: false, text });

/** Names that are remembered; after so many an old one may count as new. */
const NAMES_MAX = 1_000;

/** Tells what has happened from one look to the next. What came and went in between, nobody saw. */
export class FleetWatch {
  #before: StatusView | undefined;
  readonly #groups = new Set<string>();

  see(after: StatusView): readonly FleetEvent[] {
    const before = this.#before;
    this.#before = after;
    const groups = this.#newGroups(after);
    if (before === undefined) return [];
    if (!after.isKnown)
      return before.isKnown ? [notable('bad', `The registry has forgotten ${after.resource}`)] : [];
    if (!before.isKnown) return [notable('good', `The registry knows ${after.resource} now`)];
    return [...COMPARISONS.flatMap((compare) => compare(before, after) ?? []), ...groups];
  }

  /** A group that nobody has given a share is forgotten while it holds nothing: it is not new when it comes back. */
  #newGroups(view: StatusView): FleetEvent[] {
    if (!view.isKnown) return [];
    const fresh = view.groups.map(({ name }) => name).filter((name) => !this.#groups.has(name));
    if (this.#groups.size + fresh.length > NAMES_MAX) this.#groups.clear();
    for (const name of fresh) this.#groups.add(name);
    return fresh.map((name) => notable('plain', `New group: ${name}`));
  }
}

const control: Compare = ({ control: was }, { control: is }) => {
  if (was === is) return undefined;
  if (is === 'open') return notable('good', was === 'paused' ? 'Grants resumed' : 'Drain ended');
  return notable(
    'bad',
    is === 'paused' ? 'Grants paused by an operator' : 'Draining: idle connections go, nothing is granted',
  );
};

const breaker: Compare = ({ breaker: was }, { breaker: is }) => {
  if (was === is) return undefined;
  if (is === 'open') return notable('bad', 'Breaker opened: connects have failed for several holders');
  if (is === 'half-open') return notable('plain', 'Breaker half-open: a few connects are tried');
  return notable('good', 'Breaker closed');
};

const learning: Compare = ({ learningMs: was }, { learningMs: is }) => {
  if (was > 0 === is > 0) return undefined;
  return is > 0
    ? notable('bad', 'Learning began: nothing is granted until a census')
    : notable('good', 'Learning ended');
};

const capacity: Compare = ({ counts: was }, { counts: is }) => {
  const changes = [
    ...(was.capacity === is.capacity ? [] : [`capacity ${was.capacity} → ${is.capacity}`]),
    ...(was.headroom === is.headroom ? [] : [`headroom ${was.headroom} → ${is.headroom}`]),
  ];
  return changes.length > 0 ? notable('plain', `Resized: ${changes.join(', ')}`) : undefined;
};

const debt: Compare = ({ counts: was }, { counts: is }) => {
  if (was.debt > 0 === is.debt > 0) return undefined;
  return is.debt > 0
    ? notable('bad', `Debt: ${counted(is.debt, 'connection')} above the capacity`)
    : notable('good', 'Debt paid');
};

const foreign: Compare = ({ counts: was }, { counts: is }) => {
  if (was.foreign === is.foreign) return undefined;
  const tone = is.foreign === 0 ? 'good' : 'bad';
  return notable(tone, `Sessions without a lease: ${was.foreign} → ${is.foreign}`);
};

const sweeper: Compare = (before, after) => {
  const [was, is] = [sweeperAge(before.sweep), sweeperAge(after.sweep)];
  if (was === is) return undefined;
  return is === 'recent' ? notable('good', 'The sweeper runs') : notable('bad', 'The sweeper is late');
};

const revoking: Compare = ({ counts: was }, { counts: is }) => {
  const more = is.revoking - was.revoking;
  if (more === 0) return undefined;
  return routine(
    more > 0
      ? `${counted(more, 'lease')} more revoking (${is.revoking} in all)`
      : `${counted(-more, 'revoking lease')} settled (${is.revoking} left)`,
  );
};

const shares: Compare = (before, after) => {
  const known = new Map(before.groups.map((group) => [group.name, shareOf(group)]));
  return after.groups.flatMap((group) => {
    const [was, is] = [known.get(group.name), shareOf(group)];
    return was === undefined || was === is ? [] : notable('plain', `Share of ${group.name}: ${is}`);
  });
};

const shareOf = ({ min, max, priority }: GroupView): string =>
  `minimum ${min}, ${max === null ? 'no maximum' : `maximum ${max}`}, priority ${priority}`;

/** Only where both lists are whole: a holder may otherwise just have fallen off the page. */
const holders: Compare = (before, after) => {
  if (before.holders.isCut || after.holders.isCut) return undefined;
  const present = new Set(after.holders.list.map(holderKey));
  const gone = before.holders.list.filter((holder) => !present.has(holderKey(holder)));
  const [first] = gone;
  if (first === undefined) return undefined;
  if (gone.length === 1) return routine(`Holder ${first.holder} of ${first.group} has gone`);
  return routine(`${gone.length} holders have gone (${byGroup(gone)})`);
};

const holderKey = ({ holder, group }: HolderView): string => `${holder} ${group}`;

const byGroup = (list: readonly HolderView[]): string => {
  const counts = new Map<string, number>();
  for (const { group } of list) counts.set(group, (counts.get(group) ?? 0) + 1);
  return [...counts].map(([group, count]) => `${group} ${count}`).join(', ');
};

const COMPARISONS: readonly Compare[] = [
  control,
  breaker,
  learning,
  capacity,
  debt,
  foreign,
  sweeper,
  shares,
  revoking,
  holders,
];
