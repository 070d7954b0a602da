import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import * as rdsData from '@aws-sdk/client-rds-data';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { type DataApiControlOptions, dataApiControl } from '../../lib/driver/data-api.ts';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { createSweeper } from '../../lib/sweeper/sweeper.ts';
import { DataApiWorld } from '../support/data-api-world.ts';
import { eventually } from '../support/eventually.ts';
import type { HolderSettings } from '../support/holder-child.ts';
import { LeasedWorld } from '../support/lambda.ts';
import { openRequest } from '../support/postgres-session.ts';
import { freshPrefix, freshRole, postgresAdmin, redisUrl } from '../support/servers.ts';

jest.setTimeout(20_000);

const PREFIX = freshPrefix();
const label = (n: number): string => `${PREFIX}${String(n).padStart(16, 'L')}:${n}z`;
const TIMEOUT_MS = 2_000;

describe('what runs under leases of the Data API is found in the database’s session list', () => {
  let world: DataApiWorld;

  beforeEach(async () => {
    world = await DataApiWorld.open(8);
  });
  afterEach(() => world[Symbol.asyncDispose]());

  it('a transaction is seen and ended by the label of its lease, and nobody else’s is', async () => {
    const worker = await world.connect({}, { label: label(0) });
    const victim = await world.connect({}, { label: label(1) });
    const spared = await world.connect({}, { label: label(2) });
    for (const { client } of [victim, spared]) await client.begin();
    const targets = [{ label: label(1), session: victim.session }, { label: label(9) }];
    expect(await worker.look(targets, TIMEOUT_MS)).toEqual([true, false]);
    expect(await worker.end(targets, TIMEOUT_MS)).toEqual(['seen', 'absent']);
    await eventually(async () => (await worker.look(targets, TIMEOUT_MS)).every((there) => !there));
    await expect(victim.client.execute('SELECT 1')).rejects.toThrow();
    expect((await spared.client.execute('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
  });

  it('so is a statement, by its mark', async () => {
    const worker = await world.connect({}, { label: label(0) });
    const victim = await world.connect({}, { label: label(1) });
    const running = expect(victim.client.execute('SELECT pg_sleep(10)::text')).rejects.toThrow();
    await eventually(async () => (await worker.look([{ label: label(1) }], TIMEOUT_MS))[0]);
    expect(await worker.look([{ label: label(2) }], TIMEOUT_MS)).toEqual([false]);
    expect(await worker.end([{ label: label(1) }], TIMEOUT_MS)).toEqual(['seen']);
    await running;
    await eventually(async () => !(await worker.look([{ label: label(1) }], TIMEOUT_MS))[0]);
  });

  it('while something runs that nobody has named, nobody is proven gone', async () => {
    const worker = await world.connect({}, { label: label(0) });
    const nameless = await world.connect({ markStatements: false }, { label: label(1) });
    const running = nameless.client.execute('SELECT pg_sleep(0.4)::text');
    await eventually(async () => (await world.sessions()).some(({ query }) => query.includes('pg_sleep')));
    expect(await worker.look([{ label: label(9) }, { label: label(1) }], TIMEOUT_MS)).toEqual([true, true]);
    expect(await worker.end([{ label: label(1) }], TIMEOUT_MS)).toEqual(['absent']);
    await running;
    expect(await worker.look([{ label: label(9) }], TIMEOUT_MS)).toEqual([false]);
  });

  it('the census counts transactions and statements under their leases, and what is busy without a name as foreign', async () => {
    const worker = await world.connect({}, { label: label(0) });
    const transaction = await world.connect({}, { label: label(1) });
    const statement = await world.connect({}, { label: label(2) });
    const nameless = await world.connect({ markStatements: false }, { label: label(3) });
    await world.connect({}, { label: label(4) });
    await transaction.client.begin();
    const running = [statement, nameless].map(({ client }) => client.execute('SELECT pg_sleep(0.5)::text'));
    await eventually(
      async () => (await world.sessions()).filter(({ query }) => query.includes('sleep')).length === 2,
    );
    const { sessions, foreign } = await worker.census(PREFIX, TIMEOUT_MS);
    expect(sessions.map((each) => each.label).sort()).toEqual([label(1), label(2)]);
    expect(sessions.every(({ session }) => session.startsWith(`${worker.server}.`))).toBe(true);
    expect(foreign).toBe(1);
    await Promise.all(running);
    await transaction.client.rollback();
  });

  it('another role’s transaction is counted, but neither seen nor ended', async () => {
    const worker = await world.connect({}, { label: label(0) });
    const secretArn = world.server.secret(await freshRole(1));
    const foreign = await world.connect({ secretArn }, { label: label(1) });
    await foreign.client.begin();
    expect(await worker.look([{ label: label(1) }], TIMEOUT_MS)).toEqual([false]);
    expect(await worker.end([{ label: label(1) }], TIMEOUT_MS)).toEqual(['absent']);
    expect((await worker.census(PREFIX, TIMEOUT_MS)).sessions.map((each) => each.label)).toEqual([label(1)]);
    await foreign.client.rollback();
  });

  it('labels and prefixes are data: quotes, wildcards and colons match nothing but themselves', async () => {
    const worker = await world.connect({}, { label: label(0) });
    const spared = await world.connect({}, { label: label(1) });
    await spared.client.begin();
    const hostile = [
      "' OR true --",
      '%',
      'lh:%',
      ':label',
      '*/ SELECT 1 /*',
      '"x"',
      '\\',
      label(1).toUpperCase(),
    ];
    const targets = hostile.map((text) => ({ label: text, session: `${text}.1.1` }));
    expect(await worker.end(targets, TIMEOUT_MS)).toEqual(hostile.map(() => 'absent'));
    for (const text of hostile) expect((await worker.census(text, TIMEOUT_MS)).sessions).toEqual([]);
    expect((await spared.client.execute('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
  });

  it('a look inside a transaction is refused, for it would need a second place', async () => {
    const worker = await world.connect({}, { label: label(0) });
    await worker.client.begin();
    await expect(worker.look([{ label: label(1) }], TIMEOUT_MS)).rejects.toThrow('transaction');
    await expect(worker.census(PREFIX, TIMEOUT_MS)).rejects.toThrow('transaction');
    await worker.client.rollback();
  });

  it('a look at another server than before proves nothing, and the next connection knows the new one', async () => {
    const worker = await world.connect({}, { label: label(0) });
    const { server } = worker;
    Object.defineProperty(worker, 'server', { value: 'another' });
    await expect(worker.look([{ label: label(1) }], TIMEOUT_MS)).rejects.toThrow('another server');
    expect(worker.isOpen).toBe(false);
    expect(await worker.close(TIMEOUT_MS)).toMatchObject({ endSeen: true });
    expect((await world.connect({}, { label: label(0) })).server).toBe(server);
  });

  it('a look that is not answered in time fails at its bound', async () => {
    const worker = await world.connect({}, { label: label(0) });
    world.server.plan({ fault: { delayMs: 300 } });
    await expect(worker.look([{ label: label(1) }], 100)).rejects.toThrow('100 ms');
    expect(worker.isOpen).toBe(false);
  });
});

describe('the sweeper’s control through the Data API', () => {
  const SHORT = {
    resource: 'orders',
    capacity: 4,
    protectMs: 1_000,
    idleMs: 1_000,
    connectTimeoutMs: 400,
    dutyMs: 1_000,
  };
  let leased: LeasedWorld;
  let service: DataApiWorld;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    leased = await LeasedWorld.open(SHORT.capacity);
    service = await DataApiWorld.open();
    await leased.pool(SHORT);
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await service[Symbol.asyncDispose]();
    await leased[Symbol.asyncDispose]();
  });

  const startHolder = async (connections: number, statement: string): Promise<ChildProcess> => {
    const settings: HolderSettings = {
      redisUrl: redisUrl(),
      databaseUrl: leased.role.url,
      namespace: leased.namespace,
      connections,
      statement,
      options: SHORT,
    };
    const program = fileURLToPath(new URL('../support/holder-child.ts', import.meta.url));
    const child = spawn(process.execPath, [program], {
      env: { ...process.env, LEASEHOLD_HOLDER: JSON.stringify(settings) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    await once(child.stdout, 'data');
    return child;
  };

  /** A role that may have one connection at a time: the service's, for each statement. */
  const control = async (isMember = true, changes: Partial<DataApiControlOptions> = {}) => {
    const name = `control_${randomBytes(6).toString('hex')}`;
    const role = await postgresAdmin().createRole(name, 1, { database: leased.role.database });
    if (isMember) await postgresAdmin().query(`GRANT "${leased.role.user}" TO "${name}"`);
    const secretArn = service.server.secret(role);
    return dataApiControl(rdsData, { ...service.options({ secretArn }), role: leased.role.user, ...changes });
  };
  const untilExpired = (held: number): Promise<unknown> =>
    eventually(async () => (await leased.registry.inspect('orders'))?.revoking === held, {
      what: 'the expiry',
      timeoutMs: 8_000,
      everyMs: 50,
    });
  const sweep = async (isMember?: boolean) =>
    createSweeper({ ...SHORT, registry: leased.registry, control: await control(isMember) }).sweep();

  it('settles what a killed process had, without a connection of its own', async () => {
    const holder = await startHolder(3, 'SELECT 1');
    holder.kill('SIGKILL');
    await untilExpired(3);
    expect(await sweep()).toMatchObject({
      lookedThrough: 'control',
      settled: 3,
      denied: 0,
      held: 0,
      revoking: 0,
      trouble: undefined,
    });
    expect(await leased.sessions()).toBe(0);
  });

  it('ends sessions that live on, in a full fleet', async () => {
    // What the headroom leaves.
    const holder = await startHolder(3, 'SELECT pg_sleep(60)');
    holder.kill('SIGSTOP');
    await untilExpired(3);
    expect(await leased.sessions()).toBe(3);
    expect(await sweep()).toMatchObject({ lookedThrough: 'control', settled: 3, revoking: 0 });
    expect(await leased.sessions()).toBe(0);
  });

  it('says what it may not end', async () => {
    const holder = await startHolder(1, 'SELECT pg_sleep(60)');
    holder.kill('SIGSTOP');
    await untilExpired(1);
    const { denied, ...report } = await sweep(false);
    expect(denied).toBeGreaterThan(0);
    expect(report).toMatchObject({ settled: 0, revoking: 1 });
  });

  it('leaves the database alone where there is nothing to do', async () => {
    await startHolder(1, 'SELECT 1');
    expect(await sweep()).toMatchObject({ lookedThrough: 'none', held: 1 });
    expect(service.server.calls).toEqual([]);
  });

  it('lists and ends exactly what the engine’s own driver has opened, by identity and by label', async () => {
    const driver = postgresDriver(pg, { connectionString: leased.role.url });
    const open = async (name: string) => {
      const result = await driver.open(openRequest({ label: name }));
      if (result.kind !== 'open') throw result.error;
      return result.connection;
    };
    const [renamed, labelled, spared] = [await open(label(1)), await open(label(2)), await open('psql')];
    const opened = await (await control()).open(openRequest({ label: 'lh-sweep:orders.abc123' }));
    if (opened.kind !== 'open') throw opened.error;
    const { connection } = opened;
    expect(connection.server).toBe(renamed.server);
    const { sessions, foreign } = await connection.census(PREFIX, TIMEOUT_MS);
    expect(sessions).toEqual([
      { label: label(1), session: renamed.session },
      { label: label(2), session: labelled.session },
    ]);
    expect(foreign).toBe(1);
    const elsewhere = spared.session.replace(spared.server, 'otherserver');
    const targets = [
      { label: 'renamed', session: renamed.session },
      { label: label(2) },
      { label: 'no', session: elsewhere },
    ];
    expect(await connection.end(targets, TIMEOUT_MS)).toEqual(['seen', 'seen', 'absent']);
    await eventually(async () => (await connection.look(targets, TIMEOUT_MS)).every((there) => !there));
    expect(spared.isOpen).toBe(true);
    await spared.close(TIMEOUT_MS);
  });
});
