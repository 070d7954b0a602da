import * as rdsData from '@aws-sdk/client-rds-data';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type CallRetry, type DataApiClient, dataApiDriver } from '../../lib/driver/data-api.ts';
import type { DriverConnection } from '../../lib/driver/driver.ts';
import { DataApiWorld } from '../support/data-api-world.ts';
import { eventually, pause } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { openRequest } from '../support/postgres-session.ts';
import { postgresAdmin } from '../support/servers.ts';

let world: DataApiWorld;
let table: string;
let connection: DriverConnection<DataApiClient>;
let client: DataApiClient;
let retries: CallRetry[];

beforeEach(async () => {
  world = await DataApiWorld.open();
  table = await world.table('id int');
  retries = [];
  connection = await world.connect({ callTimeoutMs: 400 }, {}, { onRetry: (retry) => retries.push(retry) });
  client = connection.client;
});
afterEach(() => world[Symbol.asyncDispose]());

const rows = async (): Promise<number> =>
  (await postgresAdmin().query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`))[0]?.n ?? -1;
const write = (): Promise<unknown> => client.execute(`INSERT INTO ${table} VALUES (1)`);
const executed = (operation: string): number =>
  world.server.calls.filter((call) => call.operation === operation).length;

describe('a write whose answer was lost is never sent again', () => {
  /** Everything after which the SDK's own strategies send again. */
  const faults = {
    'a connection that is cut': 'cut',
    'an internal error': { error: 'InternalServerErrorException' },
    'a service that is unavailable': { error: 'ServiceUnavailableError' },
    'a database that is unavailable': { error: 'DatabaseUnavailableException' },
    'a bad gateway': { error: 'UnknownError', status: 502 },
    silence: { delayMs: 700 },
  } as const;

  for (const [name, fault] of Object.entries(faults)) {
    it(`${name}: one execution, an error, and the connection is over`, async () => {
      world.server.plan({ when: 'after', fault, times: 5 });
      const ends: unknown[] = [];
      connection.onEnd((end) => ends.push(end));
      await expect(write()).rejects.toThrow();
      expect(await rows()).toBe(1);
      expect(executed('Execute')).toBe(1);
      expect(ends).toMatchObject([{ endSeen: false, error: expect.any(Error) }]);
      expect(connection.isOpen).toBe(false);
      await expect(write()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
      expect(executed('Execute')).toBe(1);
      expect(retries).toEqual([]);
    });
  }

  it('a plain client of the SDK writes three times: the local service really lets it', async () => {
    const plain = new rdsData.RDSDataClient(world.clientConfig);
    world.server.plan({ when: 'after', fault: 'cut', times: 2 });
    const { resourceArn, secretArn } = world.options();
    await plain.send(
      new rdsData.ExecuteStatementCommand({ resourceArn, secretArn, sql: `INSERT INTO ${table} VALUES (1)` }),
    );
    expect(await rows()).toBe(3);
    plain.destroy();
  });

  it('the environment’s AWS_MAX_ATTEMPTS changes nothing about that', async () => {
    process.env['AWS_MAX_ATTEMPTS'] = '5';
    try {
      const other = await world.connect();
      world.server.plan({ when: 'after', fault: 'cut' });
      await expect(other.client.execute(`INSERT INTO ${table} VALUES (1)`)).rejects.toThrow('may or may not');
    } finally {
      delete process.env['AWS_MAX_ATTEMPTS'];
    }
    expect(await rows()).toBe(1);
  });

  it('a batch is none the better', async () => {
    world.server.plan({ when: 'after', fault: 'cut' });
    await expect(
      client.batchExecute(`INSERT INTO ${table} VALUES (:n)`, [{ n: 1 }, { n: 2 }]),
    ).rejects.toThrow();
    expect(await rows()).toBe(2);
    expect(executed('BatchExecute')).toBe(1);
  });

  it('a client that would repeat is refused', () => {
    const build = (change: object) => () =>
      dataApiDriver(rdsData, world.options({ client: { ...world.clientConfig, ...change } }));
    expect(build({ maxAttempts: 3 })).toThrow('client.maxAttempts');
    expect(build({ retryMode: 'adaptive' })).toThrow('client.retryMode');
    expect(build({ retryStrategy: {} })).toThrow('client.retryStrategy');
    const client = new rdsData.RDSDataClient(world.clientConfig);
    expect(() => dataApiDriver(rdsData, world.options({ client: client as never }))).toThrow('not a client');
  });

  it('every other wrong option is told at once', () => {
    const wrong = { resourceArn: '', secretArn: 7, databse: 'x', callTimeoutMs: -1, markStatements: 'no' };
    expect(() => dataApiDriver({} as never, wrong as never)).toThrow(
      /module[\s\S]*databse: is no option; did you mean database[\s\S]*resourceArn[\s\S]*secretArn[\s\S]*markStatements[\s\S]*callTimeoutMs/,
    );
  });
});

describe('a connection that the service has closed in a pause', () => {
  it('is not used again: after four seconds, or a freeze, a call makes one of its own', async () => {
    const clock = new FakeClock();
    const other = await world.connect({}, {}, { clock });
    const ports = new Set<number>();
    const ask = async (): Promise<void> => {
      await other.client.execute('SELECT 1');
      ports.add(world.server.calls.at(-1)?.port ?? 0);
    };
    await ask();
    await ask();
    expect(ports.size).toBe(1);
    clock.freeze(4_000, { monotonicStops: true });
    await ask();
    expect(ports.size).toBe(2);
  });
});

describe('what the service has turned away is sent again, with jittered backoff', () => {
  it('a database that resumes is waited for, and the write happens once', async () => {
    world.server.resume(1_000);
    await write();
    expect(await rows()).toBe(1);
    expect(retries.length).toBeGreaterThan(1);
    expect(retries[0]).toMatchObject({ attempt: 1, reason: 'ExecuteStatement: DatabaseResumingException' });
    expect(retries.every(({ delayMs, attempt }) => delayMs >= 50 * 2 ** (attempt - 1))).toBe(true);
  });

  it('a throttled call comes again', async () => {
    world.server.plan({ fault: { error: 'ThrottlingException' }, times: 2 });
    await write();
    expect(await rows()).toBe(1);
    expect(retries).toHaveLength(2);
  });

  it('nobody listens: the call comes again, and the connection stays when nobody ever does', async () => {
    const other = await world.connect({ retryForMs: 300 });
    await world.server[Symbol.asyncDispose]();
    await pause(20);
    await expect(other.client.execute('SELECT 1')).rejects.toThrow('ECONNREFUSED');
    expect(other.isOpen).toBe(true);
    expect(other.isClean).toBe(true);
  });

  it('it is given up after its time, with the service’s own error, and nothing is lost', async () => {
    world.server.resume(60_000);
    await expect(client.execute('SELECT 1', {}, { retryForMs: 150 })).rejects.toMatchObject({
      name: 'DatabaseResumingException',
    });
    expect(connection.isOpen).toBe(true);
    const attempts = executed('Execute');
    await expect(client.execute('SELECT 1', {}, { retryForMs: 0 })).rejects.toThrow();
    expect(executed('Execute')).toBe(attempts + 1);
  });

  it('the gate is asked before each attempt: what has lost its lease meanwhile is not sent', async () => {
    let asked = 0;
    const gate = (): Promise<void> | undefined => {
      asked += 1;
      return asked < 3 ? undefined : Promise.reject(new Error('lease lost'));
    };
    const other = await world.connect({}, { gate });
    world.server.plan({ fault: { error: 'ThrottlingException' }, times: 9 });
    await expect(other.client.execute(`INSERT INTO ${table} VALUES (1)`)).rejects.toThrow('lease lost');
    expect(executed('Execute')).toBe(2);
    expect(other.isOpen).toBe(true);
  });

  it('a commit that was throttled is sent again, one that was not answered is not', async () => {
    await client.begin();
    await write();
    world.server.plan({ operation: 'CommitTransaction', fault: { error: 'ThrottlingException' } });
    await client.commit();
    expect(executed('CommitTransaction')).toBe(2);
    expect(await rows()).toBe(1);
  });
});

describe('a transaction always ends', () => {
  it('a commit whose answer was lost may have happened: that is said, and its place is free', async () => {
    await client.begin();
    await write();
    world.server.plan({ operation: 'CommitTransaction', when: 'after', fault: 'cut' });
    await expect(client.commit()).rejects.toMatchObject({ details: { outcome: 'unknown' } });
    expect(executed('CommitTransaction')).toBe(1);
    expect(await rows()).toBe(1);
    // The rollback behind it was told that there is no such transaction: that is the proof.
    expect(connection.isClean).toBe(true);
    expect(connection.isOpen).toBe(true);
  });

  it('a commit that never arrived is followed by a rollback, and known not to have happened', async () => {
    await client.begin();
    await write();
    world.server.plan({ operation: 'CommitTransaction', when: 'before', fault: 'cut' });
    await expect(client.commit()).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      details: { outcome: 'rolledBack' },
    });
    expect(await rows()).toBe(0);
    expect(connection.isOpen).toBe(true);
  });

  it('neither commit nor rollback answered: the connection is over, and its end was not seen', async () => {
    await client.begin();
    world.server.plan({ operation: 'CommitTransaction', fault: 'cut' });
    world.server.plan({ operation: 'RollbackTransaction', fault: 'cut' });
    const ends: unknown[] = [];
    connection.onEnd((end) => ends.push(end));
    await expect(client.commit()).rejects.toThrow('may or may not');
    expect(ends).toMatchObject([{ endSeen: false }]);
    expect(await connection.close(500)).toMatchObject({ endSeen: false });
  });

  it('a begin whose answer was lost has an end that nobody has seen', async () => {
    world.server.plan({ operation: 'BeginTransaction', when: 'after', fault: 'cut' });
    await expect(client.begin()).rejects.toThrow('may or may not');
    expect(executed('BeginTransaction')).toBe(1);
    expect(world.server.openTransactions).toBe(1);
    expect(await connection.close(500)).toMatchObject({ endSeen: false });
  });

  it('an unanswered statement dooms its transaction: it can only be rolled back', async () => {
    await client.begin();
    world.server.plan({ when: 'after', fault: 'cut' });
    await expect(write()).rejects.toThrow('may or may not');
    await expect(client.commit()).rejects.toMatchObject({ details: { outcome: 'rolledBack' } });
    expect(executed('CommitTransaction')).toBe(0);
    expect(await rows()).toBe(0);
    expect(connection.isOpen).toBe(true);
  });

  it('one that cannot be named after its lease is rolled back at once', async () => {
    world.server.plan({ operation: 'Execute', sql: 'set_config', fault: { error: 'BadRequestException' } });
    await expect(client.begin()).rejects.toMatchObject({ name: 'BadRequestException' });
    expect(world.server.openTransactions).toBe(0);
    expect(connection.isClean).toBe(true);
  });

  it('credentials that never come hold nothing up: nothing was sent', async () => {
    let isAsked = false;
    const credentials = () => {
      isAsked = true;
      return new Promise<never>(() => undefined);
    };
    const driver = dataApiDriver(rdsData, world.options({ client: { ...world.clientConfig, credentials } }));
    expect(await driver.open(openRequest({ timeoutMs: 150 }))).toMatchObject({
      kind: 'refused',
      failure: 'timeout',
    });
    expect(isAsked).toBe(true);
    expect(world.server.calls).toEqual([]);
  });

  it('closing rolls back, and has seen the end', async () => {
    await client.begin();
    await write();
    expect(await connection.close(1_000)).toEqual({ endSeen: true });
    expect(world.server.openTransactions).toBe(0);
    expect(await rows()).toBe(0);
  });

  it('closing gives up a statement that is not answered in its transaction in half its time, and rolls back in the other', async () => {
    await client.begin();
    world.server.plan({ sql: 'INSERT', when: 'after', fault: { delayMs: 1_000 } });
    const before = executed('Execute');
    const unanswered = expect(write()).rejects.toThrow();
    await eventually(() => executed('Execute') > before);
    expect(await connection.close(500)).toEqual({ endSeen: true });
    await unanswered;
    expect(world.server.openTransactions).toBe(0);
    expect(await rows()).toBe(0);
  });

  it('closing waits for what runs; what does not end in time was not seen to end', async () => {
    const quick = await world.connect();
    const running = quick.client.execute('SELECT pg_sleep(0.1)::text');
    await eventually(async () => (await world.sessions()).length > 0);
    expect(await quick.close(1_000)).toEqual({ endSeen: true });
    await running;
    const slow = await world.connect();
    const failing = expect(slow.client.execute('SELECT pg_sleep(0.6)::text')).rejects.toThrow();
    await eventually(async () => (await world.sessions()).length > 0);
    expect(await slow.close(100)).toMatchObject({ endSeen: false });
    await failing;
  });

  it('reset rolls back what was left open, and says so', async () => {
    await client.begin();
    expect(connection.isClean).toBe(false);
    expect(await connection.reset(1_000)).toEqual({ isFit: true, wasInTransaction: true });
    expect(world.server.openTransactions).toBe(0);
    expect(await connection.reset(1_000)).toEqual({ isFit: true, wasInTransaction: false });
  });
});

describe('opening asks once, and says what is wrong', () => {
  it('a service that has answered within ten seconds is not asked again', async () => {
    const clock = new FakeClock();
    const driver = dataApiDriver(rdsData, world.options(), { clock });
    const openOne = async (): Promise<number> => {
      world.server.calls.length = 0;
      const result = await driver.open(openRequest());
      if (result.kind !== 'open') throw result.error;
      const asked = world.server.calls.length;
      await result.connection.client.execute('SELECT 1');
      return asked;
    };
    expect([await openOne(), await openOne()]).toEqual([1, 0]);
    clock.freeze(9_000);
    expect(await openOne()).toBe(0);
    clock.freeze(10_000, { monotonicStops: true });
    expect(await openOne()).toBe(1);
  });

  const open = async (changes: Parameters<DataApiWorld['options']>[0]) => {
    const result = await dataApiDriver(rdsData, world.options(changes)).open(openRequest({ timeoutMs: 400 }));
    return result.kind === 'open' ? 'open' : `${result.kind} ${result.failure}`;
  };

  it('each failure has its kind', async () => {
    expect(await open({ secretArn: 'arn:of:nothing' })).toBe('refused auth');
    const wrong = world.server.secret({ ...world.role, password: 'wrong' });
    expect(await open({ secretArn: wrong })).toBe('refused auth');
    expect(await open({ database: 'nowhere' })).toBe('refused rejected');
    expect(await open({ resourceArn: 'arn:of:another' })).toBe('refused rejected');
    world.server.resume(60_000);
    expect(await open({})).toBe('refused starting');
    world.server.resume(0);
    await eventually(async () => (await open({})) === 'open');
    world.server.plan({ fault: { error: 'ThrottlingException' } });
    expect(await open({})).toBe('refused refused');
    world.server.plan({ fault: { error: 'DatabaseUnavailableException' } });
    expect(await open({})).toBe('unknown starting');
    world.server.plan({ fault: 'cut' });
    expect(await open({})).toBe('unknown cut');
    world.server.plan({ fault: { delayMs: 600 } });
    expect(await open({})).toBe('unknown timeout');
    const broken = () => Promise.reject(new Error('no credentials'));
    expect(await open({ client: { ...world.clientConfig, credentials: broken } })).toBe('refused rejected');
  });
});
