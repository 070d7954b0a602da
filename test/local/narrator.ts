import { styleText } from 'node:util';
import type { LocalEvent } from './local-event.ts';

export interface NarratorOptions {
  readonly isJson: boolean;
  /** Every line that a function writes, not only warnings and errors. */
  readonly hasLogs: boolean;
}

type Style = Parameters<typeof styleText>[0];
type Request = Extract<LocalEvent, { kind: 'request' }>;

/** Requests that end close together are told in one line. */
const TOGETHER_MS = 500;

/** Tells a person, or with `--json` a program, what happens. */
export class Narrator {
  readonly #options: NarratorOptions;
  readonly #stream: NodeJS.WriteStream;
  readonly #hasColour: boolean;
  readonly #requests: Request[] = [];
  /** The last result of each scheduled function: the same once more is no news. */
  readonly #results = new Map<string, string>();

  constructor(options: NarratorOptions, stream: NodeJS.WriteStream = process.stdout) {
    this.#options = options;
    this.#stream = stream;
    this.#hasColour = stream.isTTY === true && !process.env['NO_COLOR'];
  }

  /** A text for people only. */
  say(text: string): void {
    if (!this.#options.isJson) this.#stream.write(`${text}\n`);
  }

  /** An object for programs only. */
  report(object: object): void {
    if (this.#options.isJson) this.#stream.write(`${JSON.stringify(object)}\n`);
  }

  hear(event: LocalEvent): void {
    if (event.kind === 'frozen' || event.kind === 'thawed') return;
    this.report({ time: new Date().toISOString(), ...event });
    if (event.kind === 'request') this.#collect(event);
    else this.#tell(event);
  }

  #tell(event: Exclude<LocalEvent, Request>): void {
    const [text, style] = this.#told(event);
    if (text !== undefined) this.#line(text, style);
  }

  #told(event: Exclude<LocalEvent, Request>): [text?: string, style?: Style] {
    switch (event.kind) {
      case 'started':
        return [`${event.environment} started in ${event.initMs} ms (pid ${event.pid})`];
      case 'ended':
        return [
          `${event.environment} ${event.reason} (pid ${event.pid})`,
          isRough(event.reason) ? 'yellow' : 'dim',
        ];
      case 'throttled':
        return [`${event.functionName} throttled: no more of it may run at once`, 'yellow'];
      case 'scheduled':
        return this.#toldOf(event);
      case 'line':
        return this.#options.hasLogs || isTrouble(event.text)
          ? [`${event.environment} | ${event.text}`, 'dim']
          : [];
      default:
        return [];
    }
  }

  #toldOf({
    functionName,
    result,
  }: Extract<LocalEvent, { kind: 'scheduled' }>): [text?: string, style?: Style] {
    const text = told(result);
    if (this.#results.get(functionName) === text) return [];
    this.#results.set(functionName, text);
    return [`${functionName}: ${text}`, 'cyan'];
  }

  #collect(request: Request): void {
    // What the console page asks for all the time is no news.
    if (request.method === 'GET' && request.status < 400 && /^\/(?:status|console)/.test(request.path))
      return;
    this.#requests.push(request);
    if (this.#requests.length === 1) setTimeout(() => this.#tellRequests(), TOGETHER_MS);
  }

  #tellRequests(): void {
    const requests = this.#requests.splice(0);
    const [first] = requests;
    if (first === undefined) return;
    const { method, path, status, ms } = first;
    if (requests.length === 1) this.#line(`${method} ${path} ${status} in ${ms} ms`, styleOf(status));
    else this.#line(summaryOf(requests));
  }

  #line(text: string, style?: Style): void {
    const time = new Date().toTimeString().slice(0, 8);
    const painted = style !== undefined && this.#hasColour ? styleText(style, text) : text;
    this.say(`${time}  ${painted}`);
  }
}

const summaryOf = (requests: readonly Request[]): string => {
  const counts = new Map<number, number>();
  for (const { status } of requests) counts.set(status, (counts.get(status) ?? 0) + 1);
  const parts = [...counts].map(([status, count]) => `${count} x ${status}`);
  const slowest = Math.max(...requests.map(({ ms }) => ms));
  return `${requests.length} requests: ${parts.join(', ')}; the slowest ${slowest} ms`;
};

const isRough = (reason: string): boolean => !['reaped', 'closed'].includes(reason);

const styleOf = (status: number): Style => (status < 400 ? 'green' : 'yellow');

/** What a structured logger, or the runtime, says of a line. */
const isTrouble = (text: string): boolean =>
  /"level":"(?:WARN|ERROR|CRITICAL)"|\t(?:WARN|ERROR|FATAL)\t/.test(text);

/** Words of a sweep's report that a stranger would not understand. */
const PLAIN: Readonly<Record<string, string>> = {
  held: 'leases held',
  expired: 'leases expired',
  settled: 'sessions ended or proven gone',
  vacated: 'leases without a session given back',
};

/** Of a sweep's report what is not nothing, but for what does not change; any other result as it is. */
const told = (result: string): string => {
  try {
    const report = Object(JSON.parse(result)) as Readonly<Record<string, unknown>>;
    const numbers = Object.entries(report).filter(
      ([name, value]) => typeof value === 'number' && value > 0 && !/(?:Ms|Capacity)$/.test(name),
    );
    const words = numbers.map(([name, value]) => `${PLAIN[name] ?? name} ${value}`);
    return `${words.join(', ') || 'nothing to do'}${'trouble' in report ? ', trouble' : ''}`;
  } catch {
    return result;
  }
};
