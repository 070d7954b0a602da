import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { freePort, type KeptProcess, makeFolder, startKept } from './kept-process.ts';
import { foundOrInstalled, onPath, untilReady } from './kept-server.ts';

export interface RedisServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Random: keys of this run never meet those of another on a Redis that is shared. */
  readonly namespace: string;
  /** False for a Redis that the environment named: it cannot be stopped, restarted or paused. */
  readonly isOurs: boolean;
  stop(): Promise<void>;
  /** Ends it without warning and starts it empty on the same port. */
  restart(): Promise<void>;
  /** SIGSTOP: it accepts connections (the kernel does) and answers nothing. */
  pause(): void;
  resume(): void;
}

export interface RedisOptions {
  /** More arguments, such as `['--maxmemory', '10mb']`; then always a server of our own. */
  readonly args?: readonly string[];
  /** A server of our own, whatever the environment names: for tests that restart or pause it. */
  readonly own?: boolean;
}

/** A Redis for tests: the one that the environment names, else `redis-server` on the PATH, else installed by apt-get. */
export const startRedis = async (options: RedisOptions = {}): Promise<RedisServer> => {
  const { LEASEHOLD_TEST_REDIS_URL, REDIS_URL } = process.env;
  const given = LEASEHOLD_TEST_REDIS_URL ?? REDIS_URL;
  if (given && !options.own && !options.args) return external(given);
  const binary = await redisBinary();
  const folder = await makeFolder('redis');
  try {
    return await serve(binary, folder, options.args ?? []);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
};

const randomNamespace = (): string => randomBytes(6).toString('hex');

const external = (url: string): RedisServer => {
  const { hostname, port } = new URL(url);
  const notOurs = (): never => {
    throw new Error(
      'This Redis was named by the environment and is not ours to stop: use startRedis({ own: true }).',
    );
  };
  return {
    url,
    host: hostname,
    port: Number(port || 6379),
    namespace: randomNamespace(),
    isOurs: false,
    stop: async () => undefined,
    restart: async () => notOurs(),
    pause: notOurs,
    resume: notOurs,
  };
};

export const redisBinary = (): Promise<string> =>
  foundOrInstalled(
    async () => (await onPath('redis-server')) ?? onPath('valkey-server'),
    'redis-server',
    'Redis: install redis-server, or name one in LEASEHOLD_TEST_REDIS_URL',
  );

const serve = async (binary: string, folder: string, args: readonly string[]): Promise<RedisServer> => {
  const port = await freePort();
  const flags = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    folder,
  ];
  const start = async (): Promise<KeptProcess> => {
    const kept = await startKept(folder, [binary, ...flags, ...args], 'KILL');
    await untilRedisAnswers(port, kept);
    return kept;
  };
  let server = await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    namespace: randomNamespace(),
    isOurs: true,
    stop: () => server.end(),
    restart: async () => {
      await server.end({ keepFolder: true });
      server = await start();
    },
    pause: () => server.signal('SIGSTOP'),
    resume: () => server.signal('SIGCONT'),
  };
};

export const untilRedisAnswers = (port: number, kept: KeptProcess): Promise<void> =>
  untilReady('Redis', kept, () => ping(port));

/** Any answer will do: one that asks for a password is an answer too. */
const ping = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port }, () => socket.write('PING\r\n'));
    socket.once('data', (data) => {
      socket.destroy();
      const text = data.toString();
      if (text.startsWith('-LOADING')) reject(new Error(text));
      else resolve(text);
    });
    socket.once('error', reject);
  });
