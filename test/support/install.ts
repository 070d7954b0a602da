import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Only one installation at a time can hold the package manager's lock. */
let last: Promise<unknown> = Promise.resolve();

/** Installs a server's package with apt-get, where this process may. False where it may not. */
export const installPackage = (name: string): Promise<boolean> => {
  const installing = last.then(() => install(name));
  last = installing.catch(() => undefined);
  return installing;
};

const install = async (name: string): Promise<boolean> => {
  const mayInstall = process.getuid?.() === 0;
  if (!mayInstall || !(await run('apt-get', ['--version']).catch(() => undefined))) return false;
  process.stderr.write(`No ${name} here: installing it with apt-get.\n`);
  await run('apt-get', ['update']);
  await run('apt-get', ['install', '-y', '--no-install-recommends', name], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    maxBuffer: 1 << 26,
  });
  return true;
};
