import { made, setText } from './element.ts';

export interface Row {
  readonly key: string;
  /** The first one names the row. */
  readonly cells: readonly Cell[];
}

export type Cell = string | { readonly text: string; readonly fill: number };

/** The body of a table, kept up to date row by row: nothing is made anew that is there already. */
export class TableRows {
  readonly #body: HTMLTableSectionElement;
  readonly #empty: string;
  readonly #columns: number;
  #rows = new Map<string, HTMLTableRowElement>();

  /** `empty` is said where there is no row. */
  constructor(body: HTMLTableSectionElement, columns: number, empty: string) {
    this.#body = body;
    this.#columns = columns;
    this.#empty = empty;
  }

  show(rows: readonly Row[]): void {
    const present = new Map(rows.map(({ key, cells }) => [key, this.#updated(key, cells)] as const));
    for (const [key, row] of this.#rows) if (!present.has(key)) row.remove();
    this.#rows = present;
    [...present.values()].forEach((row, at) => {
      if (this.#body.rows[at] !== row) this.#body.insertBefore(row, this.#body.rows[at] ?? null);
    });
    this.#showEmpty(rows.length === 0);
  }

  #updated(key: string, cells: readonly Cell[]): HTMLTableRowElement {
    const row = this.#rows.get(key) ?? rowOf(cells.length);
    cells.forEach((cell, at) => {
      const target = row.cells[at];
      if (target !== undefined) fill(target, cell);
    });
    return row;
  }

  #showEmpty(isEmpty: boolean): void {
    const last = this.#body.rows[0];
    const isShown = last?.dataset['empty'] === 'yes';
    if (isEmpty === isShown) return;
    if (!isEmpty) {
      last?.remove();
      return;
    }
    const row = made('tr');
    row.dataset['empty'] = 'yes';
    const cell = made('td', '', this.#empty);
    cell.colSpan = this.#columns;
    row.append(cell);
    this.#body.append(row);
  }
}

const rowOf = (columns: number): HTMLTableRowElement => {
  const row = made('tr');
  const name = made('th');
  name.scope = 'row';
  row.append(name, ...Array.from({ length: columns - 1 }, () => made('td')));
  return row;
};

const fill = (target: HTMLTableCellElement, cell: Cell): void => {
  if (typeof cell === 'string') {
    setText(target, cell);
    return;
  }
  const { text, fill: part } = cell;
  const [bar, words] = target.childElementCount === 2 ? [...target.children] : gauge(target);
  if (words) setText(words, text);
  if (bar instanceof HTMLElement) bar.style.setProperty('--part', `${Math.min(1, part) * 100}%`);
};

/** A bar behind the words; it says nothing that they do not say. */
const gauge = (target: HTMLTableCellElement): Element[] => {
  const bar = made('span', 'gauge');
  bar.ariaHidden = 'true';
  target.replaceChildren(bar, made('span', 'over'));
  return [...target.children];
};
