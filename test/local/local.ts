/** `npm run local`: the packaged service on this machine. Progress goes to stderr, what happens to stdout. */
import { createServer } from 'node:net';
import { Interrupted, Stopping } from '../demo/stopping.ts';
import { startPostgres } from '../support/postgres.ts';
import { startRedis } from '../support/redis.ts';
import { type Arguments, readArguments } from './arguments.ts';
import { LocalService, makePackageFolder, makeProgram } from './local-service.ts';
import { Narrator } from './narrator.ts';
import { welcome } from './welcome.ts';

/** Shorter than the defaults, so that a person sees a dead holder's slot come back. */
const LEASES = { LEASEHOLD_PROTECT_MS: '5000', LEASEHOLD_IDLE_MS: '15000' };
const STARTS_AT_ONCE = 4;
/** An HTTP API waits for 30 s. */
const LINE_MS = 29_000;

const progress = (text: string): void => void process.stderr.write(`${text}\n`);

const run = async (given: Arguments, stopping: Stopping): Promise<void> => {
  const narrator = new Narrator({ isJson: given.json, hasLogs: given.logs });
  const { signal } = stopping;
  await using cleanup = new AsyncDisposableStack();
  await demandPort(given.port);
  progress('Packaging the service.');
  const { folder, remove } = await makePackageFolder();
  cleanup.defer(remove);
  const program = await makeProgram(folder);
  signal.throwIfAborted();
  progress('Starting PostgreSQL and Redis.');
  const postgres = await startPostgres();
  cleanup.defer(() => postgres.stop());
  const redis = await startRedis();
  cleanup.defer(() => redis.stop());
  signal.throwIfAborted();
  progress('Starting the functions.');
  const service = cleanup.use(
    await LocalService.start({
      program,
      postgres,
      redisUrl: redis.url,
      capacity: given.capacity,
      port: given.port,
      sweepEveryMs: given.sweepEvery * 1_000,
      scaling: {
        environmentsMax: given.maxEnvironments,
        idleMs: given.idle * 1_000,
        maxConcurrency: given.maxConcurrency,
        lineMs: LINE_MS,
      },
      startsAtOnce: STARTS_AT_ONCE,
      env: LEASES,
      listen: (event) => narrator.hear(event),
    }),
  );
  const { url } = service.front;
  narrator.say(welcome(url, given));
  narrator.report({ kind: 'ready', url });
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  signal.throwIfAborted();
};

/** Before a minute's work, not after it. */
const demandPort = (port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new Error(`Port ${port} cannot be had (${error.code}): choose another with --port.`)),
    );
    server.listen(port, '127.0.0.1', () => server.close(() => resolve()));
  });

const main = async (): Promise<void> => {
  const given = readArguments(process.argv.slice(2));
  const stopping = new Stopping();
  try {
    await run(given, stopping);
  } catch (error) {
    // To be interrupted is how it ends.
    if (error instanceof Interrupted) return;
    progress(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
};

await main();
