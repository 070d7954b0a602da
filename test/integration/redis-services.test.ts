import { readFile, rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Cluster as Cluster6, Redis as Redis6 } from 'ioredis';
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5';
import { settingsOf } from '../../lib/core/config.ts';
import { createPool } from '../../lib/index.ts';
import {
  elastiCacheNodeOptions,
  elastiCacheOptions,
  keepAuthenticated,
  lambdaRedisOptions,
  redisRegistry,
} from '../../lib/registry/redis/redis-registry.ts';
import { embeddedScripts } from '../../lib/registry/redis/scripts.ts';
import type { GrantRequest } from '../../lib/registry/registry.ts';
import { makeCertificates } from '../support/certificates.ts';
import { eventually, pause } from '../support/eventually.ts';
import { freePort } from '../support/kept-process.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import {
  REFUSED_IN_SCRIPTS,
  SERVERLESS_ARGUMENTS_MAX,
  SERVERLESS_COMMANDS,
} from '../support/serverless-commands.ts';
import { freshNamespace } from '../support/servers.ts';

jest.setTimeout(30_000);

const IOREDIS = {
  6: { Redis: Redis6, Cluster: Cluster6 },
  5: { Redis: Redis5 as unknown as typeof Redis6, Cluster: Cluster5 as unknown as typeof Cluster6 },
} as const;

let server: RedisServer;
let admin: Redis6;
const clients: { disconnect(): void }[] = [];

beforeAll(async () => {
  server = await startRedis({ own: true });
  admin = new Redis6(server.url);
});

afterEach(() => {
  for (const client of clients.splice(0)) client.disconnect();
});

afterAll(async () => {
  admin.disconnect();
  await server.stop();
});

const kept = <Client extends Redis6 | Cluster6>(client: unknown): Client => {
  const known = client as Client;
  known.on('error', () => undefined);
  clients.push(known);
  return known;
};

/** A user who may run these commands and nothing else, in scripts neither. */
const userWith = async (name: string, commands: Iterable<string>): Promise<void> => {
  const rules = [...commands].map((command) => `+${command.toLowerCase().replace(' ', '|')}`);
  await admin.call('ACL', 'SETUSER', name, 'reset', 'on', '>secret', '~*', '&*', ...rules);
};

const SETTINGS = settingsOf(
  createPool({
    resource: 'orders',
    capacity: 2,
    headroom: 1,
    registry: redisRegistry(new Redis6(lambdaRedisOptions)),
    driver: { engine: 'none', open: async () => Promise.reject(new Error('nobody opens anything')) },
  }).config,
);

const idOf = (number: number): string => `lease${String(number).padStart(11, '0')}`;

const asked = (number: number, changes: Partial<GrantRequest> = {}): GrantRequest => ({
  ...{ resource: 'orders', leaseId: idOf(number), again: false, stamp: 0, holder: 'holder', group: 'app' },
  ...{ wait: true, settings: SETTINGS },
  ...changes,
});

/** Every operation of a registry at least once; resolves with the names of the scripts that ran. */
const workAll = async (client: Redis6): Promise<void> => {
  const registry = redisRegistry(client, { namespace: freshNamespace() });
  await registry.configure('orders', SETTINGS, true);
  const woken: string[] = [];
  using listener = registry.listen?.('orders', 'holder', (id) => woken.push(id));
  await eventually(() => listener?.isReady);
  const first = await registry.grant(asked(1));
  if (first.kind !== 'granted') throw new Error(`It is ${first.kind}.`);
  const lease = { id: idOf(1), fence: first.fence };
  expect(await registry.grant(asked(2, { listens: true }))).toMatchObject({ kind: 'queued' });
  const session = 'server.1.2';
  await registry.renew('orders', 'holder', [{ ...lease, turn: 1, session, idle: false }]);
  await registry.park('orders', 'holder', [{ ...lease, turn: 2 }]);
  await registry.release('orders', 'holder', [{ ...lease, outcome: 'closed' }]);
  await eventually(() => woken.includes(idOf(2)), { what: 'the wake-up' });
  const second = await registry.grant(asked(2, { again: true, listens: true }));
  if (second.kind !== 'granted') throw new Error(`It is ${second.kind}.`);
  const given = { id: idOf(2), fence: second.fence };
  await registry.abandon('orders', 'holder', [{ ...given, session, outcome: 'unseen' }]);
  await registry.sweep('orders', 10);
  await registry.settle('orders', undefined, [
    { id: given.id, kind: 'absent', seen: true, server: 'server' },
  ]);
  const epoch = (await registry.inspect('orders', 10))?.epoch ?? 0;
  const found = { id: idOf(3), fence: second.fence + 1, session };
  await registry.adopt('orders', { epoch, token: 0 }, [found], { foreign: 0 });
  for (const kind of ['drain', 'resume', 'reconnect'] as const) await registry.operate('orders', { kind });
  await registry.operate('orders', { kind: 'resize', capacity: 3, headroom: 1 });
  await registry.forget('orders');
};

describe('a service that has no more commands than ElastiCache Serverless', () => {
  test('runs every operation of the registry: no client and no script needs another one', async () => {
    await userWith('serverless', SERVERLESS_COMMANDS);
    for (const { Redis } of Object.values(IOREDIS)) {
      const sent = new Set<string>();
      const client = kept<Redis6>(
        new Redis({ ...lambdaRedisOptions, port: server.port, username: 'serverless', password: 'secret' }),
      );
      const send = client.sendCommand.bind(client);
      client.sendCommand = (command, ...rest) => {
        if (/^eval/i.test(command.name)) sent.add(String(command.args[0]));
        return send(command, ...rest);
      };
      await workAll(client);
      const ran = Object.entries(embeddedScripts).filter(
        ([, { sha1, text }]) => sent.has(sha1) || sent.has(text),
      );
      expect(ran).toHaveLength(Object.keys(embeddedScripts).length);
    }
  });

  test('and refuses in scripts what such services were reported to refuse there, runs them too', async () => {
    const others = [...SERVERLESS_COMMANDS].filter((command) => !REFUSED_IN_SCRIPTS.includes(command));
    await userWith('careful', others);
    await workAll(
      kept(new Redis6({ ...lambdaRedisOptions, port: server.port, username: 'careful', password: 'secret' })),
    );
  });

  test('lets the user of infra/registry-user.yml do all of it, and not more than that', async () => {
    const text = await readFile(new URL('../../infra/registry-user.yml', import.meta.url), 'utf8');
    const rules = /^AccessString: (.+)$/m.exec(text)?.[1]?.split(' ') ?? [];
    await admin.call('ACL', 'SETUSER', 'packaged', 'reset', '>secret', ...rules);
    const client = kept<Redis6>(
      new Redis6({ ...lambdaRedisOptions, port: server.port, username: 'packaged', password: 'secret' }),
    );
    await workAll(client);
    await expect(client.get('else')).rejects.toThrow('NOPERM');
    await expect(client.flushall()).rejects.toThrow('NOPERM');
    await expect(client.keys('leasehold:*')).rejects.toThrow('NOPERM');
    await expect(client.subscribe('else')).rejects.toThrow('NOPERM');
  });

  test('is sent no request with more arguments than it takes, however full a page is', async () => {
    const counts: number[] = [];
    const client = kept<Redis6>(new Redis6(server.url, lambdaRedisOptions));
    const send = client.sendCommand.bind(client);
    client.sendCommand = (command, ...rest) => {
      counts.push(command.args.length + 1);
      return send(command, ...rest);
    };
    const registry = redisRegistry(client, { namespace: freshNamespace() });
    await registry.configure('orders', SETTINGS, true);
    const page = Array.from({ length: 100 }, (_, n) => ({
      id: idOf(n),
      fence: n + 1,
      turn: 1,
      session: 'a.b.c',
    }));
    const again = { group: 'app', settings: SETTINGS };
    await registry.renew(
      'orders',
      'holder',
      page.map((item) => ({ ...item, idle: true, again })),
    );
    await registry.park('orders', 'holder', page);
    await registry.abandon(
      'orders',
      'holder',
      page.map((item) => ({ ...item, outcome: 'unseen' as const })),
    );
    await registry.adopt('orders', { epoch: 1, token: 0 }, page, { foreign: 0 });
    expect(Math.max(...counts)).toBeGreaterThan(300);
    expect(Math.max(...counts)).toBeLessThanOrEqual(SERVERLESS_ARGUMENTS_MAX);
  });
});

/** Makes the next token the user's only password on every server, as IAM would after its own fashion. */
const tokensFor = (call: (...args: string[]) => Promise<unknown>, user: string) => {
  const made: string[] = [];
  const token = async (): Promise<string> => {
    made.push(`token-${made.length + 1}`);
    await call('ACL', 'SETUSER', user, 'reset', 'on', `>${made.at(-1)}`, '~*', '&*', '+@all');
    return made.at(-1) ?? '';
  };
  return { made, token };
};

describe.each([6, 5] as const)('IAM tokens of a Redis, ioredis %i', (version) => {
  const start = (name: string) =>
    tokensFor((command = '', ...args: string[]) => admin.call(command, ...args), name);

  test('each connect has a fresh one, also the one after a cut', async () => {
    const user = `iam${version}`;
    const { made, token } = start(user);
    const options = elastiCacheNodeOptions({ username: user, token, tls: false });
    const client = kept<Redis6>(new IOREDIS[version].Redis({ ...options, port: server.port }));
    expect(await client.call('ACL', 'WHOAMI')).toBe(user);
    await admin.call('CLIENT', 'KILL', 'USER', user);
    await eventually(async () => (await client.call('ACL', 'WHOAMI')) === user);
    expect(made.length).toBeGreaterThanOrEqual(2);
  });

  test('one that cannot be had is a failed connect, which is tried again', async () => {
    const user = `away${version}`;
    const { token } = start(user);
    let tries = 0;
    const failing = async (): Promise<string> => {
      tries += 1;
      if (tries < 3) throw new Error('no token today');
      return token();
    };
    const options = elastiCacheNodeOptions({ username: user, token: failing, tls: false });
    const client = kept<Redis6>(new IOREDIS[version].Redis({ ...options, port: server.port }));
    await expect(client.call('ACL', 'WHOAMI')).rejects.toThrow();
    await eventually(async () => (await client.call('ACL', 'WHOAMI')) === user);
    expect(tries).toBe(3);
  });

  test('an open connection logs in again before it would be cut, until that is disposed of', async () => {
    const user = `kept${version}`;
    const { made, token } = start(user);
    const options = elastiCacheNodeOptions({ username: user, token, tls: false });
    const client = kept<Redis6>(new IOREDIS[version].Redis({ ...options, port: server.port }));
    await client.ping();
    const keeping = keepAuthenticated(client, { username: user, token, everyMs: 20 });
    await eventually(() => made.length >= 3);
    expect(await client.call('ACL', 'WHOAMI')).toBe(user);
    keeping[Symbol.dispose]();
    await pause(40);
    const count = made.length;
    await pause(80);
    expect(made).toHaveLength(count);
  });
});

describe('IAM tokens of a cluster', () => {
  let cluster: RedisCluster;

  beforeAll(async () => {
    cluster = await startRedisCluster();
  });

  afterAll(() => cluster.stop());

  test.each([6, 5] as const)('each node is logged in to with a fresh one, ioredis %i', async (version) => {
    const user = `iam${version}`;
    const everywhere = async (command = '', ...args: string[]): Promise<void> => {
      await Promise.all(cluster.nodes.map((node) => node.call(command, ...args)));
    };
    // Tokens are good beside each other here: nodes are connected to at once.
    let made = 0;
    const token = async (): Promise<string> => {
      made += 1;
      await everywhere('ACL', 'SETUSER', user, 'on', `>token-${made}`, '~*', '&*', '+@all');
      return `token-${made}`;
    };
    const options = elastiCacheOptions({ username: user, token, tls: false });
    const [{ host, port } = { host: '', port: 0 }] = cluster.nodes;
    const client = kept<Cluster6>(new IOREDIS[version].Cluster([{ host, port }], options));
    const registry = redisRegistry(client, { namespace: freshNamespace() });
    expect(await registry.configure('orders', SETTINGS, true)).toMatchObject({ kind: 'created' });
    expect(await registry.grant(asked(1))).toMatchObject({ kind: 'granted' });
    expect(made).toBeGreaterThan(0);
    const before = made;
    using _keeping = keepAuthenticated(client, { username: user, token, everyMs: 30 });
    await eventually(() => made > before);
    expect(await registry.inspect('orders')).toMatchObject({ held: 1 });
  });
});

test('TLS is on, and verified: with its authority named a server works, without it is refused', async () => {
  const { folder, ca, certificate, key } = await makeCertificates('127.0.0.1');
  const tlsPort = await freePort();
  const files = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', ca];
  const secure = await startRedis({
    args: ['--tls-port', String(tlsPort), ...files, '--tls-auth-clients', 'no'],
  });
  try {
    const address = { host: '127.0.0.1', port: tlsPort };
    const tls = { ca: await readFile(ca, 'utf8') };
    const control = kept<Redis6>(new Redis6(secure.url));
    const known = kept<Redis6>(new Redis6({ ...address, ...elastiCacheNodeOptions({ tls }) }));
    await workAll(known);
    const token = async (): Promise<string> => {
      await control.call('ACL', 'SETUSER', 'iam', 'on', '>token', '~*', '&*', '+@all');
      return 'token';
    };
    const access = { username: 'iam', token, tls };
    const withToken = kept<Redis6>(new Redis6({ ...address, ...elastiCacheNodeOptions(access) }));
    expect(await withToken.call('ACL', 'WHOAMI')).toBe('iam');
    await expect(
      kept<Redis6>(new Redis6({ ...address, ...elastiCacheNodeOptions() })).ping(),
    ).rejects.toThrow();
  } finally {
    for (const client of clients.splice(0)) client.disconnect();
    await secure.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

test('options that contradict each other are refused', () => {
  const token = async (): Promise<string> => 'token';
  expect(() => elastiCacheOptions({ token, password: 'password' })).toThrow(/username.*password/s);
});
