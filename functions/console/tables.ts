import type { FleetView, GroupView, HolderView } from '../status-view.ts';
import { element, setText } from './element.ts';
import type { Minute } from './history.ts';
import { type Row, TableRows } from './table-rows.ts';
import { clockMinute, counted } from './words.ts';

const rows = (id: string, columns: number, empty: string): TableRows =>
  new TableRows(element<HTMLTableSectionElement>(id), columns, empty);

/** The tables of the page. */
export class Tables {
  readonly #groups = rows('groups', 5, 'No group has asked for a connection yet.');
  readonly #holders = rows('holders', 5, 'Nobody holds a connection.');
  readonly #revoking = rows('revoking', 4, 'Nothing is being revoked.');
  readonly #settings = rows('settings', 2, 'Not known.');
  readonly #minutes = rows('minutes', 4, 'No answer yet.');

  show(view: FleetView): void {
    const { groups, holders, settings, counts } = view;
    this.#groups.show(groups.map((group) => groupRow(group, counts.capacity)));
    this.#holders.show(numbered(holders.list.map(holderRow)));
    setText(element('holders-note'), holdersNote(view));
    this.#revoking.show(numbered(holders.list.flatMap(revokingRows)));
    setText(element('revoking-note'), revokingNote(view));
    this.#settings.show(
      Object.entries(settings).map(([name, value]) => ({ key: name, cells: [name, String(value)] })),
    );
  }

  showMinutes(minutes: readonly Minute[]): void {
    this.#minutes.show(minutes.map(minuteRow));
  }
}

const groupRow = ({ name, min, max, priority, taken, waiting }: GroupView, capacity: number): Row => ({
  key: name,
  cells: [
    name,
    { text: String(taken), fill: taken / capacity },
    String(waiting),
    max === null ? `${min} – ∞` : `${min} – ${max}`,
    String(priority),
  ],
});

const holderRow = ({ holder, group, revoking, ...counts }: HolderView): Row => ({
  key: `${holder} ${group}`,
  cells: [`${holder}…`, group, String(counts.protected), String(counts.revocable), String(revoking.length)],
});

const revokingRows = ({ holder, group, revoking }: HolderView): Row[] =>
  revoking.map(({ lease, isSessionKnown }) => ({
    key: `${lease} ${holder}`,
    cells: [
      `${lease}…`,
      `${holder}…`,
      group,
      isSessionKnown ? 'not yet proven gone' : 'perhaps never opened',
    ],
  }));

const minuteRow = ({ startMs, leasesMin, leasesMax, capacity, waitersMax }: Minute): Row => ({
  key: String(startMs),
  cells: [
    clockMinute(startMs),
    leasesMin === leasesMax ? String(leasesMax) : `${leasesMin} – ${leasesMax}`,
    String(capacity),
    String(waitersMax),
  ],
});

/** Beginnings of ids may be the same; then the rows are told apart by their order. */
const numbered = (list: readonly Row[]): Row[] => {
  const seen = new Map<string, number>();
  return list.map(({ key, cells }) => {
    const times = seen.get(key) ?? 0;
    seen.set(key, times + 1);
    return { key: `${key} ${times}`, cells };
  });
};

const holdersNote = ({ holders: { list, leasesListed, leasesInAll, isCut } }: FleetView): string =>
  isCut
    ? `Cut: ${leasesListed} of ${counted(leasesInAll, 'lease')} are listed, of ${counted(list.length, 'holder')}. There may be more.`
    : `${counted(list.length, 'holder')} with ${counted(leasesInAll, 'lease')}.`;

const revokingNote = ({ counts, holders }: FleetView): string => {
  const listed = holders.list.reduce((sum, { revoking }) => sum + revoking.length, 0);
  return listed < counts.revoking ? `Cut: ${listed} of ${counts.revoking} are listed.` : '';
};
