import { element, made, setText } from './element.ts';
import type { FleetEvent } from './fleet-events.ts';
import { clockTime } from './words.ts';

/** Of each sort: the day's work pushes nothing out that is worth knowing. */
const KEPT = 60;

const MARKS = { good: '✓', bad: '!', plain: '·' } as const;

/** The latest first. Only what is worth an interruption is read out. */
export class EventList {
  readonly #list = element<HTMLOListElement>('events');
  readonly #announcer = element('announcer');

  constructor() {
    const routine = element<HTMLInputElement>('routine');
    routine.addEventListener('change', () => {
      this.#list.dataset['routine'] = routine.checked ? 'yes' : 'no';
    });
  }

  add(wallMs: number, events: readonly FleetEvent[]): void {
    if (events.length === 0) return;
    element('no-events').hidden = true;
    this.#list.prepend(...events.map((event) => itemOf(wallMs, event)).reverse());
    for (const sort of ['yes', 'no'])
      for (const old of [...this.#list.querySelectorAll(`[data-notable=${sort}]`)].slice(KEPT)) old.remove();
    const said = events.filter(({ isNotable }) => isNotable).map(({ text }) => text);
    if (said.length > 0) setText(this.#announcer, said.join('. '));
  }
}

const itemOf = (wallMs: number, { tone, text, isNotable }: FleetEvent): HTMLLIElement => {
  const item = made('li');
  item.dataset['notable'] = isNotable ? 'yes' : 'no';
  item.dataset['tone'] = tone;
  const mark = made('span', 'mark', MARKS[tone]);
  mark.ariaHidden = 'true';
  const time = made('time', '', clockTime(wallMs));
  time.dateTime = new Date(wallMs).toISOString();
  item.append(mark, time, made('span', 'what', text));
  return item;
};
