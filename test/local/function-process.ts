import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Keeper } from './keeper.ts';

/** Node 24, as on Lambda: the project brings it, whatever this process runs on. */
const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));

export interface ProcessPlan {
  /** The program of the runtime: AWS's runtime interface client. */
  readonly program: string;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly onLine: (text: string) => void;
  readonly onExit: () => void;
}

/** The one process of an execution environment. A Ctrl-C in the terminal does not reach it. */
export class FunctionProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #exit: Promise<void>;
  #isOver = false;

  constructor({ program, folder, env, onLine, onExit }: ProcessPlan, keeper: Keeper) {
    const child = spawn(NODE, [program], {
      cwd: folder,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (child.pid === undefined) throw new Error(`${NODE} could not be started.`);
    const { pid } = child;
    this.#child = child;
    this.pid = pid;
    keeper.add(pid);
    listen(child.stdout, onLine);
    listen(child.stderr, onLine);
    this.#exit = new Promise((resolve) => {
      child.once('exit', () => {
        this.#isOver = true;
        keeper.remove(pid);
        onExit();
        resolve();
      });
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  signal(name: NodeJS.Signals): void {
    if (!this.#isOver) this.#child.kill(name);
  }

  /** After `graceMs` from a SIGTERM, or at once; a frozen process hears its SIGTERM only when it is thawed. */
  async end(graceMs: number): Promise<void> {
    if (graceMs > 0) {
      this.signal('SIGTERM');
      this.signal('SIGCONT');
      const bound = setTimeout(() => this.signal('SIGKILL'), graceMs);
      await this.#exit;
      clearTimeout(bound);
      return;
    }
    this.signal('SIGKILL');
    await this.#exit;
  }
}

const listen = (stream: Readable | null, onLine: (text: string) => void): void => {
  if (stream) createInterface(stream).on('line', onLine);
};
