import { type ChildProcess, spawn } from 'node:child_process';

/** Reads `add PID` and `remove PID`; at the end of its input, whatever the cause, it kills what is left. */
const SCRIPT = `
pids=
while read -r word pid; do
  rest=
  for each in $pids; do [ "$each" = "$pid" ] || rest="$rest $each"; done
  pids=$rest
  [ "$word" = add ] && pids="$pids $pid"
done
[ -z "$pids" ] || kill -s KILL $pids
`;

/**
 * Ends the processes of the local Lambda when this process is gone, also after its SIGKILL: a frozen one would stay for ever,
 * with its connection to the database. It reads a pipe that the kernel closes with this process.
 */
export class Keeper {
  readonly #shell: ChildProcess;

  constructor() {
    this.#shell = spawn('/bin/sh', ['-c', SCRIPT], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    this.#shell.unref();
    this.#shell.stdin?.on('error', () => undefined);
    const unref: unknown = Reflect.get(Object(this.#shell.stdin), 'unref');
    if (typeof unref === 'function') unref.call(this.#shell.stdin);
  }

  add(pid: number): void {
    this.#shell.stdin?.write(`add ${pid}\n`);
  }

  remove(pid: number): void {
    this.#shell.stdin?.write(`remove ${pid}\n`);
  }

  close(): void {
    this.#shell.stdin?.end();
  }
}
