import { randomBytes } from 'node:crypto';
import { Signer } from '@aws-sdk/rds-signer';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { iamToken } from '../../lib/credentials/iam-token.ts';
import { rotatingSecret } from '../../lib/credentials/rotating-secret.ts';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { isLeaseholdError, type Pool } from '../../lib/index.ts';
import { pause } from '../support/eventually.ts';
import { LeasedWorld } from '../support/lambda.ts';
import { openRequest } from '../support/postgres-session.ts';
import { postgresAdmin } from '../support/servers.ts';

jest.setTimeout(30_000);

const CAPACITY = 6;
const POOLS = 3;

let world: LeasedWorld;

beforeEach(async () => {
  world = await LeasedWorld.open(CAPACITY);
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** Without the password, which a test gives. */
const configWithout = (): pg.ClientConfig => {
  const { host, port } = postgresAdmin();
  return { host, port, user: world.role.user, database: world.role.database };
};

const changePassword = async (password: string): Promise<void> => {
  await postgresAdmin().query(`ALTER ROLE "${world.role.user}" PASSWORD '${password}'`);
};

/** A vault as Secrets Manager is one: what it answers is current or pending, and it counts its readers. */
const makeVault = (current: string) => {
  const vault = { current, pending: undefined as string | undefined, reads: 0 };
  const fetch = async (refused?: string): Promise<string> => {
    vault.reads += 1;
    return refused === vault.current ? (vault.pending ?? vault.current) : vault.current;
  };
  return { vault, fetch };
};

interface Load {
  readonly failures: readonly (readonly unknown[])[];
  readonly sent: number;
  stop(): Promise<void>;
}

/** Callers that come again and again; each insert has a number of its own, so one that runs twice would fail. */
const load = (pools: readonly Pool<pg.Client>[]): Load => {
  const failures = pools.flatMap(() => [[] as unknown[], [] as unknown[]]);
  const state = { sent: 0, isOver: false };
  const callers = failures.map(async (mine, at) => {
    const pool = pools[at % pools.length];
    while (!state.isOver) {
      state.sent += 1;
      const number = state.sent;
      await pool
        ?.use((client) => client.query('INSERT INTO seen VALUES ($1)', [number]))
        .catch((error) => {
          mine.push(error);
        });
      await pause(5);
    }
  });
  return {
    failures,
    get sent() {
      return state.sent;
    },
    stop: async () => {
      state.isOver = true;
      await Promise.all(callers);
    },
  };
};

const createTable = async (pool: Pool<pg.Client>): Promise<void> => {
  await postgresAdmin().query(`ALTER DATABASE "${world.role.database}" OWNER TO "${world.role.user}"`);
  await pool.use((client) => client.query('CREATE SCHEMA mine CREATE TABLE mine.seen (n int PRIMARY KEY)'));
};

describe('a password that is rotated under load', () => {
  /** Three processes' pools, each with a cache of its own, on one role whose limit is the capacity. */
  const start = async (fetch: (refused?: string) => Promise<string>) => {
    const refusals: unknown[] = [];
    const closed: string[] = [];
    const pools: Pool<pg.Client>[] = [];
    for (let n = 0; n < POOLS; n += 1) {
      const password = rotatingSecret(fetch, { spreadMs: 100 });
      const driver = postgresDriver(pg, { ...configWithout(), password, options: '-c search_path=mine' });
      // Connections end all the time, so that there are connects in every moment of the rotation.
      const pool = await world.pool({ driver, max: 2, maxUses: 5 });
      pool.events.on('connectionFailed', ({ failure }) => refusals.push(failure));
      pool.events.on('connectionClosed', ({ reason }) => closed.push(reason));
      pools.push(pool);
    }
    return { pools, refusals, closed };
  };

  it('is fetched again once by each process: no caller hears of it, the breaker neither, and the capacity holds', async () => {
    const { vault, fetch } = makeVault(world.role.password);
    const { pools, refusals } = await start(fetch);
    await createTable(pools[0] as Pool<pg.Client>);
    const callers = load(pools);
    await pause(300);
    const next = randomBytes(12).toString('hex');
    vault.current = next;
    await changePassword(next);
    await pause(1_200);
    await callers.stop();
    expect(callers.failures.flat()).toEqual([]);
    expect(refusals).toEqual([]);
    // Once at its start, once after the rotation.
    expect(vault.reads).toBe(2 * POOLS);
    expect(await world.registry.inspect('orders')).toMatchObject({ breaker: 'closed' });
    const [row] = await (pools[0] as Pool<pg.Client>).use(
      async (client) => (await client.query('SELECT count(*)::int AS n FROM seen')).rows,
    );
    expect(row.n).toBe(callers.sent);
  });

  it('has a moment in which only the pending version is right: it is asked for by the refused one', async () => {
    const { vault, fetch } = makeVault(world.role.password);
    const { pools, refusals } = await start(fetch);
    await createTable(pools[0] as Pool<pg.Client>);
    const callers = load(pools);
    await pause(200);
    const next = randomBytes(12).toString('hex');
    vault.pending = next;
    await changePassword(next);
    await pause(800);
    vault.current = next;
    await pause(200);
    await callers.stop();
    expect(callers.failures.flat()).toEqual([]);
    expect(refusals).toEqual([]);
  });

  it('and is not to be had for a while costs a caller at most one clear, retryable error', async () => {
    const { vault, fetch } = makeVault(world.role.password);
    const { pools } = await start(fetch);
    await createTable(pools[0] as Pool<pg.Client>);
    const callers = load(pools);
    await pause(200);
    const next = randomBytes(12).toString('hex');
    await changePassword(next);
    // The database has the new one, and the vault does not know it yet.
    await pause(1_500);
    vault.current = next;
    await pause(4_000);
    await callers.stop();
    for (const mine of callers.failures) expect(mine.length).toBeLessThanOrEqual(1);
    for (const error of callers.failures.flat()) {
      expect(isLeaseholdError(error)).toBe(true);
      expect(error).toMatchObject({ retryable: true, statusCode: 503 });
    }
    const lent = await Promise.all(pools.map((pool) => pool.use((client) => client.query('SELECT 1'))));
    expect(lent).toHaveLength(POOLS);
    expect(await world.sessions()).toBeLessThanOrEqual(CAPACITY);
  });
});

describe('connections of the old password', () => {
  it('work on and are drained one after the other, each when nobody has it', async () => {
    const { vault, fetch } = makeVault(world.role.password);
    const password = rotatingSecret(fetch, { ttlMs: 50 });
    const pool = await world.pool({ driver: postgresDriver(pg, { ...configWithout(), password }), max: 2 });
    const renewing: unknown[] = [];
    pool.events.on('renewingConnections', (event) => renewing.push(event));
    const lent = await pool.acquire();
    const next = randomBytes(12).toString('hex');
    await changePassword(next);
    vault.current = next;
    await pause(60);
    // The cache has run out: this connect has the new password without any refusal.
    await (await pool.acquire()).giveBack();
    expect(renewing).toMatchObject([{ overMs: 60_000 }]);
    expect((await lent.connection.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await lent.giveBack();
  });
});

describe('tokens that die soon', () => {
  it('are made for each connect, so that none is ever too old, and sessions outlive theirs', async () => {
    const LIFE_MS = 150;
    let made = 0;
    // The server takes the last token only, and only for its life: as IAM does, after its own fashion.
    const makeToken = async (): Promise<string> => {
      made += 1;
      const token = randomBytes(12).toString('hex');
      await changePassword(token);
      await postgresAdmin().query(
        `ALTER ROLE "${world.role.user}" VALID UNTIL '${new Date(Date.now() + LIFE_MS).toISOString()}'`,
      );
      return token;
    };
    const password = iamToken({ getAuthToken: makeToken });
    const pool = await world.pool({
      driver: postgresDriver(pg, { ...configWithout(), password }),
      maxUses: 2,
    });
    for (let use = 0; use < 6; use += 1) {
      await pool.use((client) => client.query('SELECT 1'));
      await pause(LIFE_MS);
    }
    expect(made).toBe(3);
  });

  it('of the real signer are fresh ones, for a user and an endpoint, and good for 15 minutes', async () => {
    const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: randomBytes(20).toString('hex') };
    const hostname = 'orders.cluster-abc.eu-central-1.rds.amazonaws.com';
    const signer = new Signer({ hostname, port: 5432, username: 'app', region: 'eu-central-1', credentials });
    const url = new URL(`https://${await iamToken(signer)()}`);
    expect(url.host).toBe(`${hostname}:5432`);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      Action: 'connect',
      DBUser: 'app',
      'X-Amz-Expires': '900',
    });
  });
});

it('a password that cannot be had opens nothing, feeds no breaker, and is asked for again', async () => {
  let tries = 0;
  const password = async (): Promise<string> => {
    tries += 1;
    if (tries < 2) throw new Error('the vault is away');
    return world.role.password;
  };
  const pool = await world.pool({ driver: postgresDriver(pg, { ...configWithout(), password }) });
  const failures: unknown[] = [];
  pool.events.on('connectionFailed', ({ failure }) => failures.push(failure));
  await pool.use((client) => client.query('SELECT 1'));
  expect(failures).toEqual(['credentials']);
  expect(await world.registry.inspect('orders')).toMatchObject({ breaker: 'closed', revoking: 0 });
});

it('a password function works with a connection string, which pg alone would let overrule it', async () => {
  const url = new URL(world.role.url);
  url.password = '';
  const config = { connectionString: url.href, password: async () => world.role.password };
  const opened = await postgresDriver(pg, config).open(openRequest());
  expect(opened.kind).toBe('open');
  if (opened.kind === 'open') await opened.connection.close(1_000);
});
