import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { closeOnShutdown } from '../../lib/lambda/shutdown.ts';
import { eventually, pause } from '../support/eventually.ts';
import { ExtensionsApi } from '../support/extensions-api.ts';
import { freePort } from '../support/kept-process.ts';
import { LeasedWorld } from '../support/lambda.ts';
import { postgresAdmin, redisUrl } from '../support/servers.ts';
import type { ShutdownSettings } from '../support/shutdown-child.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const PROGRAM = fileURLToPath(new URL('../support/shutdown-child.ts', import.meta.url));

/** What Lambda grants between its SIGTERM and its SIGKILL, and what a busy test machine may add until the end is seen. */
const LAMBDA_BUDGET_MS = 500 + 300;

let world: LeasedWorld;
const children: ChildProcess[] = [];

beforeEach(async () => {
  world = await LeasedWorld.open(3);
  await world.pool();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await world[Symbol.asyncDispose]();
});

/** A process that has a pool, seen from outside. */
class Holder {
  readonly words: string[] = [];
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown[]>;

  constructor(settings: Partial<ShutdownSettings>, api?: string) {
    const all: ShutdownSettings = {
      redisUrl: redisUrl(),
      databaseUrl: world.role.url,
      namespace: world.namespace,
      resource: 'orders',
      capacity: world.capacity,
      ...settings,
    };
    this.#child = spawn(process.execPath, [PROGRAM], {
      env: {
        ...process.env,
        LEASEHOLD_SHUTDOWN: JSON.stringify(all),
        ...(api === undefined ? {} : { AWS_LAMBDA_RUNTIME_API: api }),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(this.#child);
    this.#exit = once(this.#child, 'exit');
    if (this.#child.stdout) {
      createInterface(this.#child.stdout).on('line', (word) => this.words.push(word));
    }
  }

  async ready(): Promise<this> {
    await eventually(() => this.words.includes('ready'), { what: 'the child', timeoutMs: 10_000 });
    return this;
  }

  /** With how it has ended: [code, signal], and after how many ms. */
  async terminate(): Promise<{ readonly how: unknown; readonly tookMs: number }> {
    const startedAt = performance.now();
    this.#child.kill('SIGTERM');
    return { how: await this.#exit, tookMs: performance.now() - startedAt };
  }

  async ended(): Promise<unknown> {
    return this.#exit;
  }
}

const start = (settings: Partial<ShutdownSettings> = {}, api?: string): Promise<Holder> =>
  new Holder(settings, api).ready();

/** The leases of the world, as the registry knows them, and the database's own count of sessions. */
const left = async () => {
  const report = await world.registry.inspect('orders');
  return { held: report?.held, revoking: report?.revoking, sessions: await world.sessions() };
};

const NOTHING = { held: 0, revoking: 0, sessions: 0 };
const BY_SIGNAL = [null, 'SIGTERM'];

const asleep = async (): Promise<boolean> => {
  const rows = await postgresAdmin().query(
    "SELECT 1 FROM pg_stat_activity WHERE usename = $1 AND wait_event = 'PgSleep'",
    [world.role.user],
  );
  return rows.length === 1;
};

describe('SIGTERM on a plain server', () => {
  test('gives the lease of an idle connection back at once, and ends the process by the signal', async () => {
    const holder = await start();
    expect(await left()).toMatchObject({ held: 1, sessions: 1 });
    const { how, tookMs } = await holder.terminate();
    expect(how).toEqual(BY_SIGNAL);
    expect(tookMs).toBeLessThan(300);
    expect(await left()).toEqual(NOTHING);
    expect(holder.words).toEqual(['registered false', 'ready']);
  });

  test('lets a query that is nearly done come to its end', async () => {
    const holder = await start({ statement: 'SELECT pg_sleep(0.2)' });
    await eventually(asleep, { everyMs: 1 });
    const { how } = await holder.terminate();
    expect(how).toEqual(BY_SIGNAL);
    expect(holder.words.at(-1)).toBe('done');
    expect(await left()).toEqual(NOTHING);
  });

  test('stops a query that would run on, and gives its lease back as well, all in Lambda’s time', async () => {
    const holder = await start({ statement: 'SELECT pg_sleep(60)' });
    await eventually(asleep);
    const { how, tookMs } = await holder.terminate();
    expect(how).toEqual(BY_SIGNAL);
    expect(tookMs).toBeLessThan(LAMBDA_BUDGET_MS);
    expect(holder.words.at(-1)).toMatch(/^failed /);
    expect(await left()).toEqual(NOTHING);
  });

  test('ends the process in time although the registry does not answer: the lease will expire', async () => {
    const { hostname, port } = new URL(redisUrl());
    const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
    const holder = await start({ redisUrl: `redis://${proxy.host}:${proxy.port}` });
    proxy.stall();
    const { how, tookMs } = await holder.terminate();
    expect(how).toEqual(BY_SIGNAL);
    expect(tookMs).toBeLessThan(LAMBDA_BUDGET_MS);
    expect(await left()).toEqual({ held: 1, revoking: 0, sessions: 0 });
    await proxy.stop();
  });

  test.each(['listens', 'listens once'] as const)(
    'leaves the end of the process to whoever else %s for it',
    async (act) => {
      const holder = await start({ act });
      const { how, tookMs } = await holder.terminate();
      expect(how).toEqual([7, null]);
      expect(tookMs).toBeGreaterThan(550);
      expect(await left()).toEqual(NOTHING);
    },
  );

  test('is heard once where it is asked for twice', async () => {
    const holder = await start({ act: 'closes twice', statement: 'SELECT pg_sleep(60)' });
    await eventually(asleep);
    expect(await holder.terminate()).toMatchObject({ how: BY_SIGNAL });
    expect(await left()).toEqual(NOTHING);
  });

  test('a second one does not cut the first one’s work short', async () => {
    const holder = await start({ statement: 'SELECT pg_sleep(0.2)' });
    await eventually(asleep, { everyMs: 1 });
    const first = holder.terminate();
    await pause(20);
    const [{ how }] = await Promise.all([first, holder.terminate()]);
    expect(how).toEqual(BY_SIGNAL);
    expect(holder.words.at(-1)).toBe('done');
    expect(await left()).toEqual(NOTHING);
  });

  test('reaches the pool that a facade stands in front of', async () => {
    const holder = await start({ act: 'a facade' });
    expect(await holder.terminate()).toMatchObject({ how: BY_SIGNAL });
    expect(await left()).toEqual(NOTHING);
  });

  test('takes its default way once the closing was disposed of: the lease will expire', async () => {
    const holder = await start({ act: 'disposed' });
    const { how, tookMs } = await holder.terminate();
    expect(how).toEqual(BY_SIGNAL);
    expect(tookMs).toBeLessThan(300);
    expect(await left()).toMatchObject({ held: 1 });
  });

  test('does not hear of a worker thread’s pool: the lease will expire', async () => {
    const api = await ExtensionsApi.start();
    await using _ = api;
    const holder = await start({ act: 'in a worker' }, api.address);
    expect(holder.words).toEqual(['registered false', 'ready']);
    expect(api.calls).toEqual([]);
    expect(await holder.terminate()).toMatchObject({ how: BY_SIGNAL });
    expect(await left()).toMatchObject({ held: 1 });
  });
});

describe('on Lambda', () => {
  test('an extension without events is registered, and init is told to be complete', async () => {
    const api = await ExtensionsApi.start();
    await using _ = api;
    const holder = await start({ statement: 'SELECT pg_sleep(60)' }, api.address);
    await eventually(() => api.calls.length === 2);
    const [registration, next] = api.calls;
    expect(registration).toMatchObject({ method: 'POST', path: '/2020-01-01/extension/register' });
    expect(registration?.headers['lambda-extension-name']).toBe('leasehold');
    expect(JSON.parse(registration?.body ?? '')).toEqual({ events: [] });
    expect(next).toMatchObject({ method: 'GET', path: '/2020-01-01/extension/event/next' });
    expect(next?.headers['lambda-extension-identifier']).toBe('f5a1c0de-0000-4000-8000-000000000001');
    expect(holder.words.slice(0, 2)).toEqual(['registered true', 'ready']);
    await eventually(asleep);
    const { how, tookMs } = await holder.terminate();
    expect(how).toEqual(BY_SIGNAL);
    expect(tookMs).toBeLessThan(LAMBDA_BUDGET_MS);
    expect(await left()).toEqual(NOTHING);
    expect(api.calls).toHaveLength(2);
  });

  test('one extension serves several calls', async () => {
    const api = await ExtensionsApi.start();
    await using _ = api;
    const holder = await start({ act: 'closes twice' }, api.address);
    expect(holder.words).toEqual(['registered true', 'registered true', 'ready']);
    await pause(50);
    expect(api.calls.map(({ method }) => method)).toEqual(['POST', 'GET']);
  });

  test('the event that it waits for keeps no process alive', async () => {
    const api = await ExtensionsApi.start();
    await using _ = api;
    const holder = await start({ ends: true }, api.address);
    expect(await holder.ended()).toEqual([0, null]);
    expect(holder.words[0]).toBe('registered true');
  });

  test.each([
    ['refuses', 'refused to register an extension: 403 {"errorType":"Extension.RegistrationForbidden"}'],
    ['is silent', 'did not answer within 1000 ms'],
  ] as const)('an API that %s is told of, and breaks nothing', async (registering, words) => {
    const api = await ExtensionsApi.start(registering);
    await using _ = api;
    const holder = await start({}, api.address);
    expect(holder.words[0]).toContain(words);
    expect(holder.words.slice(1)).toEqual(['registered false', 'ready']);
    expect(await holder.terminate()).toMatchObject({ how: BY_SIGNAL });
    expect(await left()).toEqual(NOTHING);
  });

  test('an API that is not there is told of, and breaks nothing', async () => {
    const holder = await start({}, `127.0.0.1:${await freePort()}`);
    expect(holder.words[0]).toContain('ECONNREFUSED');
    expect(holder.words.slice(1)).toEqual(['registered false', 'ready']);
    expect(await holder.terminate()).toMatchObject({ how: BY_SIGNAL });
    expect(await left()).toEqual(NOTHING);
  });
});

describe('what cannot be closed on shutdown', () => {
  test('is refused with every problem at once, and nobody listens then', () => {
    const before = process.listenerCount('SIGTERM');
    const pools = [{}, undefined] as unknown as { close(): Promise<void> }[];
    const options = { drainMs: -1, farewellMs: 0.5, drain: 1 } as object;
    expect(() => closeOnShutdown(pools, options)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('farewellMs') }),
    );
    try {
      closeOnShutdown(pools, options);
    } catch (error) {
      expect(Reflect.get(Object(error), 'details')).toMatchObject({ problems: { length: 5 } });
    }
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });

  test('is not there any more once it was disposed of, however often', async () => {
    const before = process.listenerCount('SIGTERM');
    const shutdown = closeOnShutdown({ close: async () => undefined });
    expect(process.listenerCount('SIGTERM')).toBe(before + 1);
    expect(await shutdown.registered).toBe(false);
    shutdown[Symbol.dispose]();
    shutdown[Symbol.dispose]();
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });
});
