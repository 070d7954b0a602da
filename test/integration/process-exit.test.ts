import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import type { ExitSettings } from '../support/exit-child.ts';
import { freshRole } from '../support/servers.ts';

const run = promisify(execFile);
const PROGRAM = fileURLToPath(new URL('../support/exit-child.ts', import.meta.url));
const LONG_MS = 60_000;

const role = await freshRole(4);

/** What the program writes until it ends by itself; killed when it has not done so after `timeout`. */
const runProgram = (options: ExitSettings['options'], timeout: number): Promise<{ stdout: string }> => {
  const settings: ExitSettings = { databaseUrl: role.url, options };
  return run(process.execPath, [PROGRAM], {
    env: { ...process.env, LEASEHOLD_EXIT: JSON.stringify(settings) },
    timeout,
    killSignal: 'SIGKILL',
  });
};

test(
  'a program that closes nothing comes to its end: idle connections and timers keep no process alive, lent ones do',
  async () => {
    const { stdout } = await runProgram({ min: 2, idleMs: 300_000, leakAfterMs: 50_000 }, LONG_MS);
    expect(stdout).toBe('used 1, 1 idle\n');
  },
  LONG_MS,
);

test(
  'with allowExitOnIdle off an idle connection keeps the process alive until it is closed',
  async () => {
    const startedAt = performance.now();
    await runProgram({ allowExitOnIdle: false, idleTimeoutMs: 3_000 }, LONG_MS);
    expect(performance.now() - startedAt).toBeGreaterThan(3_000);
  },
  LONG_MS,
);
