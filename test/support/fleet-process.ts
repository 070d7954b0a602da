import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ChildCommand, ChildError, ChildMessage, ChildSettings, LoadResult } from './fleet-messages.ts';

const PROGRAM = fileURLToPath(new URL('./fleet-child.ts', import.meta.url));

type Answer = { readonly rows: unknown[] } | { readonly error: ChildError };

/** A process of the fleet, seen from the test: told what to do, killed, frozen and thawed. */
export class FleetProcess {
  /** What reached the process's own handlers of last resort. */
  readonly accidents: string[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (message: ChildMessage) => void>();
  readonly #marks: string[] = [];
  readonly #onEvent: (name: string, event: unknown) => void;
  readonly #onMark: (() => void)[] = [];
  #last = 0;

  /** It is ready when it has said so: `mark('ready')`. */
  static start(settings: ChildSettings, onEvent: (name: string, event: unknown) => void): FleetProcess {
    const child = fork(PROGRAM, [], {
      execArgv: [],
      env: { ...process.env, LEASEHOLD_FLEET: JSON.stringify(settings) },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    return new FleetProcess(child, onEvent);
  }

  private constructor(child: ChildProcess, onEvent: (name: string, event: unknown) => void) {
    this.#child = child;
    this.#onEvent = onEvent;
    child.on('message', (message: ChildMessage) => this.#hear(message));
    child.on('error', () => undefined);
  }

  /** Statements of one `use`, with a pause of the borrower's own between each two. */
  async use(statements: readonly string[], gapMs = 0, pool = 0): Promise<Answer> {
    const message = await this.#ask({ kind: 'use', pool, statements, gapMs });
    if (message.kind === 'failed') return { error: message.error };
    return { rows: message.kind === 'rows' ? message.rows : [] };
  }

  /** Every pool uses a connection once; or over and over until `forMs` have passed. */
  async load(statement: string, forMs = 0): Promise<LoadResult> {
    const message = await this.#ask({ kind: 'load', statement, forMs });
    if (message.kind !== 'loaded') throw new Error(JSON.stringify(message));
    return message.result;
  }

  /** Closes the pools; the process stays. */
  async close(): Promise<void> {
    if (this.#child.connected && this.#child.signalCode === null) await this.#ask({ kind: 'close' });
  }

  /** SIGKILL: no handler of its own runs. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** Waits until the child has come to this point. */
  async mark(name: string): Promise<void> {
    while (!this.#marks.includes(name)) {
      await new Promise<void>((resolve) => this.#onMark.push(resolve));
    }
    this.#marks.splice(this.#marks.indexOf(name), 1);
  }

  #ask(command: ChildCommand): Promise<ChildMessage> {
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ ...command, id }, () => undefined);
      this.#child.once('exit', () => resolve(killed(id)));
    });
  }

  #hear(message: ChildMessage): void {
    if (message.kind === 'event') this.#onEvent(message.name, message.event);
    else if (message.kind === 'accident') this.accidents.push(message.text);
    else if (message.kind === 'mark') {
      this.#marks.push(message.name);
      for (const wake of this.#onMark.splice(0)) wake();
    } else {
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    }
  }
}

const killed = (id: number): ChildMessage => ({
  kind: 'failed',
  id,
  error: { name: 'Killed', code: undefined, message: 'The process has ended.' },
});
