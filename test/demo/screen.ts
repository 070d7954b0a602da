import { styleText } from 'node:util';
import { Series, sparkline } from './sparkline.ts';

/** What is true at one moment of a phase. */
export interface Moment {
  readonly atMs: number;
  readonly backends: number;
  readonly waiting: number;
  /** Since the moment before. */
  readonly refused: number;
  readonly completed: number;
}

export interface Scene {
  readonly heading: string;
  /** One plain sentence: what is being shown. */
  readonly sentence: string;
  readonly capacity: number;
  readonly totalMs: number;
}

const DRAW_EVERY_MS = 100;
const LINE_EVERY_MS = 1_000;
const RATE_WINDOW_MS = 1_000;
const LABEL_COLUMNS = 30;
const WIDTH_MAX = 64;

type Stream = NodeJS.WriteStream;
type Style = Parameters<typeof styleText>[0];

/** Shows a phase on stderr while it runs: redrawn in place on a terminal, else a line every second. */
export class Screen {
  readonly #stream: Stream;
  readonly #hasColour: boolean;

  constructor(stream: Stream) {
    this.#stream = stream;
    this.#hasColour = stream.isTTY === true && !process.env['NO_COLOR'];
    // Whatever happens, the cursor comes back.
    if (stream.isTTY) process.on('exit', () => stream.write('\u001b[?25h'));
  }

  say(text: string): void {
    this.#stream.write(`${text}\n`);
  }

  open(scene: Scene): SceneView {
    const paint = (style: Style, text: string): string =>
      this.#hasColour ? styleText(style, text, { validateStream: false }) : text;
    return this.#stream.isTTY ? new LiveView(this.#stream, scene, paint) : new PlainView(this.#stream, scene);
  }
}

export interface SceneView {
  show(moment: Moment): void;
  /** Something happened that belongs beside the picture. */
  note(text: string): void;
  close(): void;
}

/** Sums over the last second. */
class Rate {
  readonly #events: { readonly atMs: number; readonly count: number }[] = [];

  add(atMs: number, count: number): void {
    this.#events.push({ atMs, count });
    while ((this.#events[0]?.atMs ?? atMs) < atMs - RATE_WINDOW_MS) this.#events.shift();
  }

  get perSecond(): number {
    return this.#events.reduce((sum, { count }) => sum + count, 0);
  }
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

class PlainView implements SceneView {
  readonly #stream: Stream;
  readonly #scene: Scene;
  readonly #rate = new Rate();
  #refused = 0;
  #nextAtMs = LINE_EVERY_MS;

  constructor(stream: Stream, scene: Scene) {
    this.#stream = stream;
    this.#scene = scene;
    stream.write(`\n${scene.heading}\n${scene.sentence}\n`);
  }

  show({ atMs, backends, waiting, refused, completed }: Moment): void {
    this.#rate.add(atMs, completed);
    this.#refused += refused;
    if (atMs < this.#nextAtMs) return;
    this.#nextAtMs += LINE_EVERY_MS;
    const { capacity } = this.#scene;
    this.#line(
      atMs,
      `backends ${backends} of ${capacity}, waiting ${waiting}, refused ${this.#refused}, completed ${this.#rate.perSecond}/s`,
    );
    if (this.#nextAtMs <= atMs) this.#nextAtMs = atMs + LINE_EVERY_MS;
  }

  note(text: string): void {
    this.#stream.write(`          ${text}\n`);
  }

  /** A line is final once it is written. */
  close(): void {}

  #line(atMs: number, text: string): void {
    this.#stream.write(`  ${seconds(atMs).padStart(6)}  ${text}\n`);
  }
}

class LiveView implements SceneView {
  readonly #stream: Stream;
  readonly #scene: Scene;
  readonly #paint: (style: Style, text: string) => string;
  readonly #backends: Series;
  readonly #waiting: Series;
  readonly #refused: Series;
  readonly #completed: Series;
  readonly #rate = new Rate();
  #refusals = 0;
  #last: Moment | undefined;
  #note = '';
  #lines = 0;
  #drawnAtMs = Number.NEGATIVE_INFINITY;

  constructor(stream: Stream, scene: Scene, paint: (style: Style, text: string) => string) {
    this.#stream = stream;
    this.#scene = scene;
    this.#paint = paint;
    const width = Math.max(8, Math.min(WIDTH_MAX, (stream.columns || 80) - LABEL_COLUMNS - 1));
    const series = (combine: 'most' | 'sum'): Series => new Series(scene.totalMs, width, combine);
    this.#backends = series('most');
    this.#waiting = series('most');
    this.#refused = series('sum');
    this.#completed = series('sum');
    stream.write('\u001b[?25l\n');
  }

  show(moment: Moment): void {
    const { atMs, backends, waiting, refused, completed } = moment;
    this.#last = moment;
    this.#refusals += refused;
    this.#rate.add(atMs, completed);
    // What comes at the end belongs to the last point.
    const at = Math.min(atMs, this.#scene.totalMs - 1);
    this.#backends.add(at, backends);
    this.#waiting.add(at, waiting);
    this.#refused.add(at, refused);
    this.#completed.add(at, completed);
    if (atMs - this.#drawnAtMs < DRAW_EVERY_MS) return;
    this.#drawnAtMs = atMs;
    this.#draw();
  }

  note(text: string): void {
    this.#note = text;
    this.#draw();
  }

  close(): void {
    this.#draw();
    this.#stream.write('\u001b[?25h');
  }

  #draw(): void {
    const frame = this.#frame();
    const columns = (this.#stream.columns || 80) - 1;
    const back = this.#lines > 0 ? `\u001b[${this.#lines}A` : '';
    this.#lines = frame.length;
    const text = frame.map(({ text: line, style }) => this.#paint(style, line.slice(0, columns)));
    this.#stream.write(back + text.map((line) => `\r\u001b[2K${line}\n`).join(''));
  }

  #frame(): { readonly text: string; readonly style: Style }[] {
    const { heading, sentence, capacity, totalMs } = this.#scene;
    const { atMs = 0, backends = 0, waiting = 0 } = this.#last ?? {};
    const rate = this.#rate.perSecond;
    return [
      { text: `${heading}  (${seconds(atMs)} of ${seconds(totalMs)})`, style: 'bold' },
      { text: sentence, style: 'reset' },
      row('backends', `${backends} of ${capacity}`, this.#backends, capacity, 'cyan'),
      row('waiting', String(waiting), this.#waiting, this.#waiting.most, 'yellow'),
      row(
        'refused',
        String(this.#refusals),
        this.#refused,
        this.#refused.most,
        this.#refusals > 0 ? 'red' : 'green',
      ),
      row('completed', `${rate}/s`, this.#completed, this.#completed.most, 'green'),
      { text: this.#note === '' ? '' : `  last: ${this.#note}`, style: 'dim' },
    ];
  }
}

const row = (name: string, value: string, series: Series, top: number, style: Style) => ({
  text: `  ${name.padEnd(11)}${value.padStart(12)}  ${sparkline(series.points, top)}`,
  style,
});
