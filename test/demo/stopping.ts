import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const PARENT_CHECK_MS = 200;

export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: (typeof SIGNALS)[number]) {
    super(`Interrupted by ${signal}.`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** Why the demo ends before its time, if it does: an interruption, or the failure of any part. The first reason stays. */
export class Stopping {
  readonly #controller = new AbortController();

  constructor() {
    for (const name of SIGNALS) process.on(name, () => this.#onSignal(new Interrupted(name)));
    process.on('uncaughtException', (error) => this.because(error));
    if (process.env['npm_lifecycle_event'] !== undefined) this.#endWithNpm(process.ppid);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  because(reason: Error): void {
    this.#controller.abort(reason);
  }

  /** npm hands a SIGTERM on to its shell only: what this process sees of it is that its parent is another. */
  #endWithNpm(parent: number): void {
    const check = (): void => {
      if (process.ppid !== parent) this.because(new Interrupted('SIGTERM'));
    };
    setInterval(check, PARENT_CHECK_MS).unref();
  }

  /** The first signal ends everything in order; at the second nothing is waited for: the keepers of the servers clean up. */
  #onSignal(reason: Interrupted): void {
    if (this.signal.aborted) process.exit(reason.exitCode);
    process.stderr.write('\nStopping everything.\n');
    this.because(reason);
  }
}
