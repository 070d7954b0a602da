import { type ChildProcess, fork, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromProcess, RegistryCall, ToProcess } from './channel.ts';
import type { Plan } from './plan.ts';
import type { Tick } from './tick.ts';

export interface MemberHooks {
  tick(tick: Tick): void;
  call(call: RegistryCall, answer: (message: ToProcess) => void): void;
  /** It ended although nobody had killed it. */
  crashed(error: Error): void;
}

const LAST_WORDS = 2_000;

/** A frozen process cannot see that the demo is gone. Its keeper can: the pipe ends without a word, and it ends the process. */
const KEEPER = 'read -r word || kill -s KILL "$1"';

/** One process of the fleet, seen from the demo. */
export class Member {
  readonly name: string;
  readonly environments: number;
  /** Lives and listens, or is gone already. */
  readonly ready: Promise<void>;
  readonly gone: Promise<void>;
  isFrozen = false;
  readonly #child: ChildProcess;
  readonly #hooks: MemberHooks;
  #keeper: ChildProcess | undefined;
  #isKilled = false;
  #lastWords = '';
  #onReady: (() => void) | undefined;
  #onEnded: (() => void) | undefined;

  constructor(name: string, environments: number, hooks: MemberHooks) {
    this.name = name;
    this.environments = environments;
    this.#hooks = hooks;
    this.#child = fork(fileURLToPath(import.meta.resolve('./fleet-process.ts')), {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    this.gone = new Promise((resolve) => this.#child.once('exit', () => resolve()));
    this.ready = new Promise((resolve) => {
      this.#onReady = resolve;
      void this.gone.then(resolve);
    });
    this.#listen();
  }

  begin(plan: Plan): void {
    this.#send({ kind: 'begin', plan });
  }

  /** Resolves when its environments have closed, or the process is gone. */
  async end(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#onEnded = resolve;
    });
    this.#send({ kind: 'end' });
    await Promise.race([ended, this.gone]);
  }

  /** SIGKILL also ends a process that is stopped. */
  kill(): void {
    this.#isKilled = true;
    this.#child.kill('SIGKILL');
    this.#dismissKeeper();
  }

  freeze(): void {
    this.isFrozen = true;
    this.#keeper = spawn('/bin/sh', ['-c', KEEPER, 'keeper', String(this.#child.pid)], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#keeper.stdin?.on('error', () => undefined);
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.isFrozen = false;
    this.#child.kill('SIGCONT');
    this.#dismissKeeper();
  }

  #dismissKeeper(): void {
    this.#keeper?.stdin?.end('thawed\n');
    this.#keeper = undefined;
  }

  #listen(): void {
    this.#child.on('message', (message) => this.#hear(message as FromProcess));
    this.#child.on('error', (error) => this.#crashed(error.message));
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#lastWords = (this.#lastWords + chunk.toString()).slice(-LAST_WORDS);
    });
    this.#child.once('close', (code, signal) => this.#crashed(`${signal ?? `exit code ${code}`}`));
  }

  #hear(message: FromProcess): void {
    if (this.#isKilled) return;
    if (message.kind === 'ready') this.#onReady?.();
    else if (message.kind === 'ended') this.#onEnded?.();
    else if (message.kind === 'tick') this.#hooks.tick(message.tick);
    else this.#hooks.call(message, (answer) => this.#send(answer));
  }

  #send(message: ToProcess): void {
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #crashed(how: string): void {
    if (this.#isKilled) return;
    this.#isKilled = true;
    this.#hooks.crashed(
      new Error(`Process ${this.name} of the fleet ended unexpectedly (${how}).\n${this.#lastWords}`),
    );
  }
}
