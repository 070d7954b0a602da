import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { chmod, chown, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * A server under a keeper: a small shell that waits on a pipe from this process. When the pipe closes, for whatever reason
 * (stop, Ctrl-C, a crash, SIGKILL), the keeper ends the server and removes its folder. So nothing is left behind and this
 * process needs no signal handlers. A line on the pipe says otherwise: the signal to end with, and `keep` for the folder.
 */
const KEEPER = `
folder=$1 default=$2; shift 2
"$@" </dev/null >>"$folder/server.log" 2>&1 &
server=$!
echo "$server"
exec >/dev/null 2>&1
read -r signal keep
kill -s CONT "$server"
kill -s "\${signal:-$default}" "$server"
wait "$server"
[ "$keep" = keep ] || { cd /; rm -rf -- "$folder"; }
`;

export interface KeptProcess {
  /** The server's own process id. */
  readonly pid: number;
  /** False also once it has ended and only its keeper still knows. */
  isRunning(): Promise<boolean>;
  /** Ends it; the folder goes too, unless it is kept for a restart. */
  end(options?: { readonly signal?: EndSignal; readonly keepFolder?: boolean }): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** The end of what it has written, for error messages. */
  log(): Promise<string>;
}

/** QUIT and INT are ignored in a shell's background job unless the server handles them itself, as PostgreSQL does. */
export type EndSignal = 'QUIT' | 'INT' | 'TERM' | 'KILL';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export const startKept = async (
  folder: string,
  command: readonly string[],
  endSignal: EndSignal,
  owner?: Owner,
  env: NodeJS.ProcessEnv = process.env,
): Promise<KeptProcess> => {
  const keeper = spawn('/bin/sh', ['-c', KEEPER, 'keeper', folder, endSignal, ...command], {
    cwd: folder,
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
    env,
    ...owner,
  });
  const gone = new Promise<void>((resolve) => keeper.once('exit', () => resolve()));
  const pid = await serverPid(keeper);
  // An idle keeper must not keep the process alive; its end is the reason why the server is ended.
  keeper.unref();
  unrefStream(keeper.stdin);
  keeper.stdin?.on('error', () => undefined);
  return {
    pid,
    isRunning: () => isAlive(pid),
    end: async ({ signal = endSignal, keepFolder = false } = {}) => {
      keeper.ref();
      keeper.stdin?.end(`${signal} ${keepFolder ? 'keep' : ''}\n`);
      await gone;
    },
    signal: (name) => {
      process.kill(pid, name);
    },
    log: async () => (await readFile(join(folder, 'server.log'), 'utf8').catch(() => '')).slice(-2_000),
  };
};

const serverPid = (keeper: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    keeper.once('error', reject);
    keeper.once('exit', () => reject(new Error('the keeper shell ended at once')));
    keeper.stdout?.once('data', (chunk: Buffer) => {
      keeper.stdout?.destroy();
      resolve(Number(chunk.toString().trim()));
    });
  });

const unrefStream = (stream: unknown): void => {
  const unref: unknown = Reflect.get(Object(stream), 'unref');
  if (typeof unref === 'function') unref.call(stream);
};

/** A child whose parent has not asked for its exit code yet is a zombie: it still takes signals, so ask `ps`. */
const isAlive = async (pid: number): Promise<boolean> => {
  const state = await run('ps', ['-o', 'stat=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return /^[^Z\s]/.test(state.stdout.trim());
};

/** A fresh folder under the system's own temporary folder, for one server. */
export const makeFolder = async (name: string, owner?: Owner): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), `leasehold-${name}-`));
  try {
    await chmod(folder, 0o755);
    if (owner) await chown(folder, owner.uid, owner.gid);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return folder;
};

/** Below the ports that systems give to outgoing connections: one of those could take the port of a server that restarts. */
const PORTS = [10_000, 32_000] as const;
const TRIES = 100;

/** A port that was free a moment ago. */
export const freePort = async (): Promise<number> => {
  for (let tries = 0; tries < TRIES; tries++) {
    const port = randomInt(...PORTS);
    if (await isFree(port)) return port;
  }
  throw new Error(`No port from ${PORTS[0]} to ${PORTS[1]} is free.`);
};

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
