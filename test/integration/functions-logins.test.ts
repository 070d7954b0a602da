import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { Logger } from '@aws-lambda-powertools/logger';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Cluster, Redis } from 'ioredis';
import pg from 'pg';
import { openControl } from '../../functions/control.ts';
import { openDatabase } from '../../functions/database.ts';
import { openRedis, type RedisClient } from '../../functions/redis-client.ts';
import { type DatabaseSettings, type RedisSettings, readSettings } from '../../functions/settings.ts';
import { wire } from '../../functions/wiring.ts';
import { systemClock } from '../../lib/core/clock.ts';
import { parseConfig, settingsOf } from '../../lib/core/config.ts';
import { redisRegistry } from '../../lib/registry/redis/redis-registry.ts';
import { type Credentials, environmentOf, freshCredentials, isSigned } from '../support/aws-signature.ts';
import { CacheFront } from '../support/cache-front.ts';
import { type Certificates, makeCertificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/kept-process.ts';
import type { PostgresRole } from '../support/postgres.ts';
import { openRequest } from '../support/postgres-session.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import { ScriptedServer } from '../support/scripted-server.ts';
import { freshNamespace, freshRole, freshRoleAndDatabase, postgresAdmin } from '../support/servers.ts';
import { VaultServer } from '../support/vault-server.ts';

jest.setTimeout(30_000);

const REGION = 'eu-central-1';
/** As a variable has it: none of these signs may stand in a URL as it is. */
const PASSWORD = `p@ss/w:rd %${randomBytes(8).toString('hex')}`;
const SETTINGS = settingsOf(parseConfig({ resource: 'orders', capacity: 4 }, [], undefined, []));

let credentials: Credentials;
const before: Record<string, string | undefined> = {};

const setEnvironment = (given: Readonly<Record<string, string | undefined>>): void => {
  for (const [name, value] of Object.entries(given)) {
    if (!(name in before)) before[name] = process.env[name];
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
};

const become = (other: Credentials): void => {
  credentials = other;
  setEnvironment(environmentOf(other));
};

beforeEach(() => {
  become(freshCredentials());
  // No profile and no session of whoever runs the tests.
  setEnvironment({ AWS_PROFILE: undefined, AWS_SESSION_TOKEN: undefined, AWS_CONFIG_FILE: '/dev/null' });
  setEnvironment({ AWS_SHARED_CREDENTIALS_FILE: '/dev/null' });
});

afterAll(() => setEnvironment({ ...before }));

/** As the function reads it from its environment. */
const settingsFrom = (env: Record<string, string>) =>
  readSettings({
    ...{ AWS_REGION: REGION, LEASEHOLD_RESOURCE: 'orders', LEASEHOLD_CAPACITY: '4' },
    ...{ REDIS_URL: 'redis://nobody', DATABASE_URL: 'postgres://nobody@nowhere/nothing' },
    ...env,
  });

describe('a function’s way to its Redis', () => {
  let server: RedisServer;
  let cluster: RedisCluster;
  let certificates: Certificates;
  let fronts: CacheFront[];
  let client: RedisClient | undefined;
  const ofSystem = getCACertificates('default');

  const TOKEN_FOR = { service: 'elasticache', cache: 'leases' } as const;

  /** As ElastiCache judges it: a user's own password, or a token of his for this cache. */
  const judge = (user: string, shown: string): string | undefined => {
    if (shown === PASSWORD) return PASSWORD;
    const { host, searchParams } = new URL(`https://${shown}`);
    const isIts = host === TOKEN_FOR.cache && searchParams.get('User') === user;
    return isIts && isSigned(shown, TOKEN_FOR.service, REGION, credentials) ? PASSWORD : undefined;
  };

  const RULES = ['reset', 'on', `>${PASSWORD}`, '~*', '&*', '+@all'];

  beforeAll(async () => {
    certificates = await makeCertificates('127.0.0.1');
    const [ca, certificate, key] = await Promise.all(
      [certificates.ca, certificates.certificate, certificates.key].map((file) => readFile(file, 'utf8')),
    );
    setDefaultCACertificates([...ofSystem, ca ?? '']);
    [server, cluster] = await Promise.all([startRedis({ own: true }), startRedisCluster()]);
    const plan = { certificate: certificate ?? '', key: key ?? '', judge };
    fronts = await Promise.all(
      [server, ...cluster.nodes].map((target) => CacheFront.start({ ...plan, target })),
    );
    const plain = openRedis(registryAt(server.url), new Logger());
    await plain.client.call('ACL', 'SETUSER', 'app', ...RULES);
    plain.close();
    for (const node of cluster.nodes) await node.call('ACL', 'SETUSER', 'app', ...RULES);
  });

  afterEach(() => client?.close());

  afterAll(async () => {
    setDefaultCACertificates(ofSystem);
    await Promise.all([
      server.stop(),
      cluster.stop(),
      ...fronts.map((front) => front[Symbol.asyncDispose]()),
    ]);
    await rm(certificates.folder, { recursive: true, force: true });
  });

  const registryAt = (url: string, more: Record<string, string> = {}): RedisSettings => {
    const { redis } = settingsFrom({ REDIS_URL: url, ...more });
    if (redis === undefined) throw new Error('no registry');
    return redis;
  };

  const open = (url: string, more: Record<string, string> = {}): Redis | Cluster => {
    client = openRedis(registryAt(url, more), new Logger());
    return client.client;
  };

  /** Every node of a cluster has to know its clients by the same user. */
  const whoIsIn = async (it: Redis | Cluster): Promise<unknown[]> => {
    const registry = redisRegistry(it, { namespace: freshNamespace() });
    expect(await registry.configure('orders', SETTINGS, true)).toMatchObject({ kind: 'created' });
    const nodes = it.isCluster ? (it as Cluster).nodes('all') : [it as Redis];
    return Promise.all(nodes.map((node) => node.call('ACL', 'WHOAMI')));
  };

  const front = (at: number): CacheFront => {
    const found = fronts[at];
    if (found === undefined) throw new Error('no front');
    return found;
  };

  const urlOf = (protocol: string, port: number | undefined, login = ''): string =>
    `${protocol}://${login}127.0.0.1:${port}`;
  const LOGIN = `app:${encodeURIComponent(PASSWORD)}@`;

  describe('one server', () => {
    it('by its URL alone, with a password or without', async () => {
      expect(await whoIsIn(open(server.url))).toEqual(['default']);
      client?.close();
      expect(await whoIsIn(open(urlOf('redis', server.port, LOGIN)))).toEqual(['app']);
    });

    it('over TLS, which is verified', async () => {
      expect(await whoIsIn(open(urlOf('rediss', front(0).port, LOGIN)))).toEqual(['app']);
      setDefaultCACertificates(ofSystem);
      const ca = await readFile(certificates.ca, 'utf8');
      client?.close();
      try {
        await expect(open(urlOf('rediss', front(0).port, LOGIN)).ping()).rejects.toThrow();
      } finally {
        setDefaultCACertificates([...ofSystem, ca]);
      }
    });

    it.each(['true', 'false'])('by an IAM token for the URL’s user, serverless: %s', async (isServerless) => {
      const iam = { REDIS_IAM_CACHE: 'leases', REDIS_IAM_SERVERLESS: isServerless };
      expect(await whoIsIn(open(urlOf('rediss', front(0).port, 'app@'), iam))).toEqual(['app']);
      const { searchParams } = new URL(`https://${front(0).shown.at(-1)}`);
      expect(searchParams.get('ResourceType')).toBe(isServerless === 'true' ? 'ServerlessCache' : null);
    });

    it('by a token of the credentials of that moment, at each connect', async () => {
      const it = open(urlOf('rediss', front(0).port, 'app@'), { REDIS_IAM_CACHE: 'leases' });
      await it.ping();
      const first = front(0).shown.at(-1);
      become(freshCredentials());
      (it as Redis).disconnect(true);
      await eventually(async () => (await it.ping().catch(() => '')) === 'PONG', { what: 'another login' });
      expect(front(0).shown.at(-1)).not.toBe(first);
    });

    it('not by a token for another cache: the service refuses it', async () => {
      const it = open(urlOf('rediss', front(0).port, 'app@'), { REDIS_IAM_CACHE: 'other' });
      await expect(it.call('ACL', 'WHOAMI')).rejects.toThrow(/NOAUTH|WRONGPASS/);
    });
  });

  describe('a cluster', () => {
    const CLUSTER = { REDIS_MODE: 'cluster' };

    it('whose nodes are all logged in to with the URL’s user and password', async () => {
      const [{ port } = { port: 0 }] = cluster.nodes;
      const who = await whoIsIn(open(urlOf('redis', port, LOGIN), CLUSTER));
      expect(new Set(who)).toEqual(new Set(['app']));
    });

    it('without a login, where the service wants none', async () => {
      const [{ port } = { port: 0 }] = cluster.nodes;
      expect(new Set(await whoIsIn(open(urlOf('redis', port), CLUSTER)))).toEqual(new Set(['default']));
    });

    describe('over TLS', () => {
      beforeAll(async () => {
        for (const [at, node] of cluster.nodes.entries())
          await node.call('CONFIG', 'SET', 'cluster-announce-port', front(at + 1).port);
        const wanted = fronts.slice(1).map(({ port }) => port);
        await Promise.all(
          cluster.nodes.map((node) =>
            eventually(
              async () => {
                const known = JSON.stringify(await node.call('CLUSTER', 'SLOTS'));
                return wanted.every((port) => known.includes(`,${port},`));
              },
              { what: 'that all nodes tell the ports with TLS', timeoutMs: 15_000 },
            ),
          ),
        );
      });

      it('with a user’s password', async () => {
        const who = await whoIsIn(open(urlOf('rediss', front(1).port, LOGIN), CLUSTER));
        expect(new Set(who)).toEqual(new Set(['app']));
      });

      it('with an IAM token at every node', async () => {
        for (const { shown } of fronts) shown.length = 0;
        const iam = { ...CLUSTER, REDIS_IAM_CACHE: 'leases' };
        const it = open(urlOf('rediss', front(1).port, 'app@'), iam);
        await whoIsIn(it);
        const nodes = (it as Cluster).nodes('all');
        expect(nodes).toHaveLength(cluster.nodes.length);
        for (const node of nodes) expect(await node.call('ACL', 'WHOAMI')).toBe('app');
        const shown = fronts.slice(1).flatMap((each) => each.shown);
        expect(shown.length).toBeGreaterThanOrEqual(nodes.length);
        for (const token of shown) expect(isSigned(token, TOKEN_FOR.service, REGION, credentials)).toBe(true);
      });
    });
  });

  it.each([
    ['true', false],
    ['false', true],
  ])(
    'which server answers is looked at where it is one and the same, serverless: %s',
    async (REDIS_IAM_SERVERLESS, isLookedAt) => {
      const namespace = freshNamespace();
      const wired = wire({
        ...{ AWS_REGION: REGION, LEASEHOLD_RESOURCE: 'orders', LEASEHOLD_CAPACITY: '4' },
        ...{ DATABASE_URL: 'postgres://nobody@nowhere/nothing', LEASEHOLD_NAMESPACE: namespace },
        ...{
          REDIS_URL: urlOf('rediss', front(0).port, 'app@'),
          REDIS_IAM_CACHE: 'leases',
          REDIS_IAM_SERVERLESS,
        },
      });
      try {
        client = openRedis(registryAt(server.url), new Logger());
        const admin = client.client;
        const other = redisRegistry(admin, { namespace, watchPrimary: false });
        await other.configure('orders', SETTINGS, true);
        await admin.call('CONFIG', 'RESETSTAT');
        for (let turn = 0; turn < 3; turn += 1) await wired.registry.inspect('orders');
        // Nothing but the script that looks asks for a node's own name, and nobody waits for it.
        const isAsked = async (): Promise<boolean> =>
          String(await admin.call('INFO', 'commandstats')).includes('cluster|myid');
        if (isLookedAt) await eventually(isAsked, { what: 'a look' });
        else expect(await isAsked()).toBe(false);
      } finally {
        await wired.close();
      }
    },
  );

  it('an open connection shows a new token long before it would be cut, until it is closed', async () => {
    const timers: { everyMs: number; callback: () => void; cancel: jest.Mock<() => void> }[] = [];
    const spied = jest.spyOn(systemClock, 'setBackgroundTimer').mockImplementation((everyMs, callback) => {
      const cancel = jest.fn<() => void>();
      timers.push({ everyMs, callback, cancel });
      return { cancel };
    });
    try {
      const it = open(urlOf('rediss', front(0).port, 'app@'), { REDIS_IAM_CACHE: 'leases' });
      await it.ping();
      const [timer] = timers;
      // ElastiCache cuts it after twelve hours.
      expect(timer?.everyMs).toBeLessThan(12 * 3_600_000);
      // The way to the Redis knows tokens only at the beginning of a connection.
      const [token] = front(0).shown.slice(-1);
      const auth = jest.spyOn(it as Redis, 'auth').mockResolvedValue('OK');
      become(freshCredentials());
      timer?.callback();
      await eventually(() => timers.length === 2, { what: 'the next turn' });
      expect(auth.mock.calls).toEqual([['app', expect.stringContaining('leases/?Action=connect')]]);
      expect(auth.mock.calls[0]?.[1]).not.toBe(token);
      client?.close();
      expect(timers[1]?.cancel).toHaveBeenCalledTimes(1);
    } finally {
      spied.mockRestore();
    }
  });

  it('a Redis that is away is told to the debug log, and not to the console', async () => {
    const logger = new Logger({ logLevel: 'DEBUG' });
    const debug = jest.spyOn(logger, 'debug').mockImplementation(() => undefined);
    const print = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    try {
      client = openRedis(registryAt(urlOf('redis', await freePort())), logger);
      await expect(client.client.ping()).rejects.toThrow();
      await eventually(() => debug.mock.calls.length > 0, { what: 'a word' });
      expect(debug.mock.calls[0]).toEqual([
        'Redis connection',
        { reason: expect.stringMatching(/ECONNREFUSED/) },
      ]);
      expect(print).not.toHaveBeenCalled();
    } finally {
      print.mockRestore();
    }
  });

  it('nothing is left of a client that was closed, and nothing is opened before the first command', async () => {
    const it = open(urlOf('rediss', front(0).port, 'app@'), { REDIS_IAM_CACHE: 'leases' });
    expect(it.status).toBe('wait');
    await it.ping();
    client?.close();
    await eventually(() => it.status === 'end', { what: 'the end' });
  });
});

describe('a function’s way to its database', () => {
  let role: PostgresRole;

  beforeEach(async () => {
    role = await freshRole(4);
  });

  const urlOf = (user = role.user): string => {
    const { host, port } = postgresAdmin();
    return `postgres://${user}@${host}:${port}/${role.database}`;
  };

  const changePassword = (password: string): Promise<unknown> =>
    postgresAdmin().query(`ALTER ROLE "${role.user}" PASSWORD '${password}'`);

  const freshPassword = (): string => randomBytes(12).toString('hex');

  /** `open`, or why not. */
  const tried = async (driver: ReturnType<typeof openDatabase>): Promise<string> => {
    const opened = await driver.open(openRequest());
    if (opened.kind !== 'open') return `${opened.failure}: ${opened.error.message}`;
    await opened.connection.close(1_000);
    return 'open';
  };

  it('by the URL alone', async () => {
    const { database } = settingsFrom({ DATABASE_URL: role.url });
    expect(await tried(openDatabase(database))).toBe('open');
  });

  it('outside the capacity, an administrator’s, is for the leased role’s sessions', async () => {
    const other = await freshRoleAndDatabase(4);
    const admin = await postgresAdmin().createRole(`${other.user}_c`, 1, { database: other.database });
    await postgresAdmin().query(`GRANT "${other.user}" TO "${admin.user}"`);
    const stray = new pg.Client({ connectionString: other.url });
    await stray.connect();
    try {
      const control = openControl({ kind: 'url', url: admin.url }, other.url);
      const opened = await control.open(openRequest({ label: 'lh-sweep:orders.abc123' }));
      if (opened.kind !== 'open') throw opened.error;
      // A resource of nobody else: other tests have leases on the same server.
      expect(await opened.connection.census(`lh:${other.user}.`, 1_000)).toEqual({
        sessions: [],
        foreign: 1,
      });
      await opened.connection.close(1_000);
    } finally {
      await stray.end();
    }
  });

  describe('with a secret of Secrets Manager', () => {
    const ARN = `arn:aws:secretsmanager:${REGION}:${'0'.repeat(12)}:secret:orders`;
    let vault: VaultServer;

    beforeEach(async () => {
      vault = await VaultServer.start(ARN);
      setEnvironment({ AWS_ENDPOINT_URL_SECRETS_MANAGER: vault.url });
    });

    afterEach(async () => {
      setEnvironment({ AWS_ENDPOINT_URL_SECRETS_MANAGER: undefined });
      await vault[Symbol.asyncDispose]();
    });

    const database = (): DatabaseSettings => {
      const secret = { DATABASE_AUTH: 'secret', DATABASE_SECRET_ARN: ARN };
      return settingsFrom({ DATABASE_URL: urlOf(), ...secret }).database;
    };

    const asRds = (password: string): string =>
      JSON.stringify({ username: role.user, password, engine: 'postgres' });

    it('takes the current version’s password, in RDS’s form or by itself, and reads it once', async () => {
      for (const text of [asRds(role.password), role.password]) {
        vault.versions.set('AWSCURRENT', text);
        vault.asked.length = 0;
        const driver = openDatabase(database());
        expect([await tried(driver), await tried(driver)]).toEqual(['open', 'open']);
        expect(vault.asked).toEqual(['AWSCURRENT']);
      }
      expect([...vault.signers]).toEqual([`${credentials.keyId} ${REGION}/secretsmanager`]);
    });

    it('a password that is a number is one, and is not taken for something else', async () => {
      const digits = String(BigInt(`0x${freshPassword()}`));
      await changePassword(digits);
      vault.versions.set('AWSCURRENT', digits);
      expect(await tried(openDatabase(database()))).toBe('open');
    });

    it('follows a rotation through all of its steps, and no connect fails', async () => {
      const driver = openDatabase(database());
      vault.versions.set('AWSCURRENT', asRds(role.password));
      expect(await tried(driver)).toBe('open');
      // Created, and not yet set: what is pending is wrong still.
      const next = freshPassword();
      vault.versions.set('AWSPENDING', asRds(next));
      expect(await tried(driver)).toBe('open');
      // A cold start in the same moment has never been refused.
      expect(await tried(openDatabase(database()))).toBe('open');
      expect(vault.asked).not.toContain('AWSPENDING');
      // Set: only what is pending is right.
      await changePassword(next);
      expect(await tried(driver)).toBe('open');
      expect(vault.asked.slice(-2)).toEqual(['AWSCURRENT', 'AWSPENDING']);
      // Finished.
      vault.versions.delete('AWSPENDING');
      vault.versions.set('AWSCURRENT', asRds(next));
      expect(await tried(driver)).toBe('open');
      expect(await tried(openDatabase(database()))).toBe('open');
    });

    it('a rotation that was finished between two connects costs one more read', async () => {
      const driver = openDatabase(database());
      vault.versions.set('AWSCURRENT', asRds(role.password));
      await tried(driver);
      const next = freshPassword();
      await changePassword(next);
      vault.versions.set('AWSCURRENT', asRds(next));
      vault.asked.length = 0;
      expect(await tried(driver)).toBe('open');
      expect(vault.asked).toEqual(['AWSCURRENT']);
    });

    it('a password that is refused, with nothing pending, is a refused login', async () => {
      vault.versions.set('AWSCURRENT', asRds('wrong'));
      expect(await tried(openDatabase(database()))).toMatch(/^auth: /);
      expect(vault.asked).toContain('AWSPENDING');
    });

    it('a secret that is none, or not there, says so and tells nothing of it', async () => {
      vault.versions.set('AWSCURRENT', JSON.stringify({ user: 'x', pass: 'hidden-word' }));
      const none = await tried(openDatabase(database()));
      expect(none).toMatch(/^credentials: /);
      expect(none).not.toContain('hidden-word');
      vault.versions.clear();
      expect(await tried(openDatabase(database()))).toMatch(/^credentials: /);
    });
  });

  describe('with IAM tokens', () => {
    /** A server that asks for a password in clear, as RDS does for tokens, and then refuses it. */
    const ASKS = Uint8Array.of(0x52, 0, 0, 0, 8, 0, 0, 0, 3);
    const REFUSES = Buffer.from('E\0\0\0\x24SFATAL\0VFATAL\0C28P01\0MNo entry.\0\0', 'latin1');

    it('signs one for the URL’s user, host and port with the credentials of that moment, at each connect', async () => {
      await using server = await ScriptedServer.start();
      const tokens: string[] = [];
      const url = `postgres://us%40er@127.0.0.1:${server.port}/orders`;
      const driver = openDatabase(settingsFrom({ DATABASE_URL: url, DATABASE_AUTH: 'iam' }).database);
      for (let turn = 0; turn < 2; turn += 1) {
        become(freshCredentials());
        server.script = { says: [new Uint8Array(), ASKS, REFUSES], leaving: 'ends' };
        server.heard.length = 0;
        expect(await tried(driver)).toMatch(/^auth: /);
        const token = /p.{4}([^\0]+)\0$/s.exec(Buffer.concat(server.heard).toString('latin1'))?.[1] ?? '';
        expect(isSigned(token, 'rds-db', REGION, credentials)).toBe(true);
        const { host, searchParams } = new URL(`https://${token}`);
        expect(host).toBe(`127.0.0.1:${server.port}`);
        expect(Object.fromEntries(searchParams)).toMatchObject({ Action: 'connect', DBUser: 'us@er' });
        tokens.push(token);
      }
      expect(new Set(tokens).size).toBe(2);
    });
  });
});
