import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { installPackage } from './install.ts';
import { type KeptProcess, type Owner, startKept } from './kept-process.ts';

const run = promisify(execFile);

/** Servers are often in a folder for administrators, which other users' PATH leaves out. */
export const onPath = async (name: string): Promise<string | undefined> => {
  const found = await run('/bin/sh', [
    '-c',
    `PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v ${name}`,
  ]).catch(() => undefined);
  return found?.stdout.trim() || undefined;
};

/** What `find` finds, if need be after the package was installed by apt-get. */
export const foundOrInstalled = async <Found>(
  find: () => Promise<Found | undefined>,
  packageName: string,
  needed: string,
): Promise<Found> => {
  const found = (await find()) ?? ((await installPackage(packageName)) ? await find() : undefined);
  if (found === undefined) throw new Error(`These tests need ${needed}.`);
  return found;
};

/** For servers that refuse to run as root: then the user that distributions make for them, or `nobody`. */
export const unprivilegedOwner = async (preferred: string): Promise<Owner | undefined> => {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of [preferred, 'nobody']) {
    const ids = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]).catch(() => undefined);
    if (ids) return { uid: Number(ids[0].stdout), gid: Number(ids[1].stdout) };
  }
  throw new Error(
    `The server does not run as root, and there is neither a user "${preferred}" nor "nobody" here.`,
  );
};

export interface Installation {
  /** For messages. */
  readonly name: string;
  readonly command: readonly string[];
  /** There when it has worked. */
  readonly made: string;
  readonly owner: Owner | undefined;
  readonly env?: NodeJS.ProcessEnv;
}

/** Makes a server's data. Under a keeper as well: an interrupted start must not leave its folder behind. */
export const makeData = async (
  folder: string,
  { name, command, made, owner, env }: Installation,
): Promise<void> => {
  const making = await startKept(folder, command, 'KILL', owner, env);
  await eventually(async () => !(await making.isRunning()), {
    what: name,
    timeoutMs: 60_000,
    everyMs: 20,
  });
  await making.end({ keepFolder: true });
  await stat(made).catch(async (error) => {
    throw new Error(`${name} failed:\n${await making.log()}`, { cause: error });
  });
};

/** Until `probe` works; a server that does not come is ended, and its log told. */
export const untilReady = async (
  what: string,
  kept: KeptProcess,
  probe: () => Promise<unknown>,
): Promise<void> => {
  try {
    const answer = await eventually(
      async () => {
        if (!(await kept.isRunning())) return 'dead';
        await probe();
        return 'ready';
      },
      { what, timeoutMs: 30_000, everyMs: 20 },
    );
    if (answer === 'dead') throw new Error('it ended at once');
  } catch (error) {
    const log = await kept.log();
    await kept.end();
    throw new Error(`${what} did not start:\n${log}`, { cause: error });
  }
};
