import { systemClock } from '../../lib/core/clock.ts';
import type { FleetView, StatusView } from '../status-view.ts';
import { askStatus } from './ask-status.ts';
import { showCapacity } from './capacity-bar.ts';
import { Chart } from './chart.ts';
import { element, made, setText, setTone } from './element.ts';
import { EventList } from './event-list.ts';
import { showFacts } from './facts.ts';
import { FleetWatch } from './fleet-events.ts';
import { History } from './history.ts';
import { Poller, type Reply } from './poller.ts';
import { watchScrollables } from './scrollable.ts';
import { leasesOf } from './segments.ts';
import { Tables } from './tables.ts';
import { type Silence, verdictOf } from './verdict.ts';
import { clockTime, duration } from './words.ts';

/** The page: hears the poller, keeps what it has heard, and shows it. */
class Console {
  readonly #chart = new Chart();
  readonly #tables = new Tables();
  readonly #events = new EventList();
  readonly #watch = new FleetWatch();
  readonly #history = new History();
  readonly #window = element<HTMLSelectElement>('window');
  readonly #minutes = element<HTMLDetailsElement>('minutes-of-it');
  readonly #pause = element<HTMLButtonElement>('pause');
  readonly #poller = new Poller({
    clock: systemClock,
    ask: askStatus,
    hear: (reply) => this.#hear(reply),
  });
  #view: StatusView | undefined;
  /** When the numbers on the page arrived. */
  #heardMs = systemClock.wallMs();
  #silence: Silence | undefined;

  start(): void {
    this.#pause.addEventListener('click', () => this.#togglePause());
    this.#window.addEventListener('change', () => this.#showHistory());
    this.#minutes.addEventListener('toggle', () => this.#showHistory());
    document.addEventListener('visibilitychange', () => this.#poller.setHidden(document.hidden));
    watchScrollables();
    this.#poller.setHidden(document.hidden);
    this.#poller.start();
    this.#tick();
  }

  #tick(): void {
    this.#showFreshness();
    systemClock.setTimer(1_000, () => this.#tick());
  }

  #togglePause(): void {
    if (this.#poller.isPaused) this.#poller.resume();
    else this.#poller.pause();
    setText(this.#pause, this.#poller.isPaused ? 'Resume' : 'Pause');
    this.#showFreshness();
  }

  #hear(reply: Reply): void {
    const wallMs = systemClock.wallMs();
    if (reply.kind === 'view') this.#hearView(reply.view, wallMs);
    else this.#hearSilence(reply.who, wallMs);
    this.#showHistory();
    this.#showVerdict();
    this.#showFreshness();
    document.body.dataset['state'] = this.#silence === undefined ? 'live' : 'silent';
  }

  #hearView(view: StatusView, wallMs: number): void {
    const silence = this.#silence;
    this.#view = view;
    this.#heardMs = wallMs;
    this.#silence = undefined;
    if (silence !== undefined) {
      const text = `Answers again, after ${duration(wallMs - silence.sinceMs)} without`;
      this.#events.add(wallMs, [{ tone: 'good', isNotable: true, text }]);
    }
    this.#events.add(wallMs, this.#watch.see(view));
    this.#history.add({ atMs: wallMs, numbers: view.isKnown ? numbersOf(view) : undefined });
    setText(element('resource'), view.resource);
    setText(element('namespace'), view.namespace);
    element('unknown').hidden = view.isKnown;
    element('fleet').hidden = !view.isKnown;
    if (view.isKnown) this.#showFleet(view);
  }

  #hearSilence(who: Silence['who'], wallMs: number): void {
    const isNew = this.#silence?.who !== who;
    this.#silence = { who, sinceMs: this.#silence?.sinceMs ?? wallMs };
    this.#history.add({ atMs: wallMs, numbers: undefined });
    const { title: text } = verdictOf(undefined, this.#silence);
    if (isNew) this.#events.add(wallMs, [{ tone: 'bad', isNotable: true, text }]);
  }

  #showFleet(view: FleetView): void {
    showCapacity(view.counts);
    showFacts(view);
    this.#tables.show(view);
  }

  #showHistory(): void {
    this.#chart.show(this.#history.samples, Number(this.#window.value) * 60_000);
    if (this.#minutes.open) this.#tables.showMinutes(this.#history.minutes());
  }

  #showVerdict(): void {
    const { gravity, title, others } = verdictOf(this.#view, this.#silence);
    setTone(element('verdict'), gravity);
    setText(element('verdict-title'), title);
    const list = element('verdict-others');
    const texts = others.map(({ text }) => text);
    if (texts.join('\n') !== [...list.children].map(({ textContent }) => textContent).join('\n'))
      list.replaceChildren(...texts.map((text) => made('li', '', text)));
    document.title = titleOf(this.#view, gravity !== 'fine');
  }

  #showFreshness(): void {
    const ageMs = systemClock.wallMs() - this.#heardMs;
    const isOld = ageMs > OLD_MS;
    const at = clockTime(this.#heardMs);
    const age = this.#view === undefined ? 'No numbers yet' : `${duration(ageMs)} old (${at})`;
    setText(element('freshness'), this.#poller.isPaused ? `Paused: ${age}` : age);
    setTone(element('freshness'), this.#poller.isPaused ? 'paused' : isOld ? 'attention' : 'fine');
  }
}

/** A few polls without an answer. */
const OLD_MS = 10_000;

const numbersOf = ({ counts }: FleetView) => ({
  leases: leasesOf(counts),
  capacity: counts.capacity,
  waiters: counts.waiters,
});

const titleOf = (view: StatusView | undefined, isOdd: boolean): string => {
  const mark = isOdd ? '! ' : '';
  if (view === undefined || !view.isKnown) return `${mark}${view?.resource ?? 'Fleet'} · leasehold`;
  return `${mark}${leasesOf(view.counts)}/${view.counts.capacity} ${view.resource} · leasehold`;
};

new Console().start();
