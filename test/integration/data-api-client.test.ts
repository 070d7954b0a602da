import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DataApiClient } from '../../lib/driver/data-api.ts';
import { sqlStateOf, typed } from '../../lib/driver/data-api.ts';
import { DataApiWorld } from '../support/data-api-world.ts';
import { pause } from '../support/eventually.ts';

let world: DataApiWorld;
let client: DataApiClient;

beforeEach(async () => {
  world = await DataApiWorld.open();
  client = (await world.connect()).client;
});
afterEach(() => world[Symbol.asyncDispose]());

describe('parameters and results are typed', () => {
  const cases: readonly (readonly [string, string, Parameters<typeof typed>[1] | unknown, unknown])[] = [
    ['int4', 'CAST(:v AS int4)', 41, 41],
    ['int8 beyond a number', 'CAST(:v AS int8)', 9_007_199_254_740_993n, '9007199254740993'],
    ['a bigint that a number holds', 'CAST(:v AS int8)', 7n, '7'],
    ['float8', ':v', 1.5, 1.5],
    ['numeric', ':v', typed('DECIMAL', '0.10'), '0.10'],
    ['text', ':v', "it's :not a :parameter", "it's :not a :parameter"],
    ['boolean', ':v', true, true],
    ['null', 'CAST(:v AS text)', null, null],
    ['nothing', 'CAST(:v AS text)', undefined, null],
    ['bytes', ':v', new Uint8Array([0, 255, 7]), new Uint8Array([0, 255, 7])],
    [
      'uuid',
      ':v',
      typed('UUID', '7a3c8d4e-0000-4000-8000-000000000001'),
      '7a3c8d4e-0000-4000-8000-000000000001',
    ],
    ['date', ':v', typed('DATE', '2026-01-31'), '2026-01-31'],
    ['time', ':v', typed('TIME', '12:34:56'), '12:34:56'],
    ['a Date without a zone', ':v', new Date('2026-01-31T12:00:00.5Z'), '2026-01-31 12:00:00.5'],
    [
      'timestamptz',
      'CAST(:v AS timestamptz)',
      new Date('2026-01-31T12:00:00Z'),
      new Date('2026-01-31T12:00:00Z'),
    ],
    ['json', ':v', { a: [1, null], b: 'x' }, { a: [1, null], b: 'x' }],
    ['jsonb', 'CAST(:v AS jsonb)', { a: 1 }, { a: 1 }],
    ['a list of texts', "string_to_array(:v, ',')", 'a,b', ['a', 'b']],
    ['a list of numbers', 'ARRAY[CAST(:v AS int4), NULL, 2]', 1, [1, null, 2]],
    [
      'a list of lists',
      'ARRAY[[1, CAST(:v AS int4)], [3, 4]]',
      2,
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['an empty list', 'CAST(ARRAY[] AS text[]) || CAST(:v AS text[])', null, []],
  ];
  for (const [name, expression, value, expected] of cases) {
    it(`${name} goes there and comes back`, async () => {
      const { rows } = await client.execute(`SELECT ${expression} AS v`, { v: value as string });
      expect(rows).toEqual([{ v: expected }]);
    });
  }

  it('columns have their names and types, and of two with one name the last one counts', async () => {
    const { rows, columns } = await client.execute('SELECT 1 AS n, 2 AS n, $$:no$$ AS t -- :neither');
    expect(rows).toEqual([{ n: 2, t: ':no' }]);
    expect(columns.map(({ type }) => type)).toEqual(['int4', 'int4', 'text']);
  });

  it('what the service cannot take is refused before anything is sent, without its value', async () => {
    for (const value of [[1], Number.NaN, Infinity, new Date('never'), () => 'secret'])
      await expect(client.execute('SELECT :v', { v: value as never })).rejects.toThrow(/parameter v/);
    expect(world.sent).toEqual([]);
  });

  it('rows can come as one JSON text', async () => {
    const { rows } = await client.execute('SELECT 1 AS n, true AS b', {}, { asJson: true });
    expect(rows).toEqual([{ n: 1, b: true }]);
  });
});

describe('statements', () => {
  it('updates are counted, and a batch writes all of its sets', async () => {
    const table = await world.table('id int PRIMARY KEY, name text');
    await client.batchExecute(`INSERT INTO ${table} VALUES (:id, :name)`, [
      { id: 1, name: 'a' },
      { id: 2, name: null },
    ]);
    expect(await client.execute(`UPDATE ${table} SET name = :n`, { n: 'x' })).toMatchObject({
      updated: 2,
      rows: [],
    });
  });

  it('an error of the database is the service’s own, with its SQLSTATE, and the connection goes on', async () => {
    const error = await client.execute('SELECT 1 / 0').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'DatabaseErrorException' });
    expect(sqlStateOf(error)).toBe('22012');
    expect((await client.execute('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
  });

  it('more than the service answers is an error that keeps the connection', async () => {
    await expect(client.execute("SELECT repeat('x', 1100000)")).rejects.toThrow('size limit');
    expect((await client.execute('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
  });

  it('calls are sent one after the other, also when nobody awaits them', async () => {
    await client.begin();
    const answers = [1, 2, 3].map((n) => client.execute('SELECT CAST(:n AS int4) AS n', { n }));
    expect((await Promise.all(answers)).map(({ rows }) => rows[0]?.['n'])).toEqual([1, 2, 3]);
    await client.commit();
    expect(world.server.concurrentCalls).toBe(0);
  });
});

describe('a transaction', () => {
  it('is committed, or rolled back with what its work rejected with', async () => {
    const table = await world.table('id int');
    await client.transaction((tx) => tx.execute(`INSERT INTO ${table} VALUES (1)`));
    const failing = client.transaction(async (tx) => {
      await tx.execute(`INSERT INTO ${table} VALUES (2)`);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect((await client.execute(`SELECT id FROM ${table}`)).rows).toEqual([{ id: 1 }]);
    expect(world.server.openTransactions).toBe(0);
    expect(world.sent.filter((each) => each.endsWith('Transaction'))).toEqual([
      'BeginTransaction',
      'CommitTransaction',
      'BeginTransaction',
      'RollbackTransaction',
    ]);
  });

  it('shows its lease in the session list from its first statement to its end', async () => {
    await client.begin();
    expect(await world.sessions()).toMatchObject([
      { label: 'lh:orders.abc123:lease:1', state: 'idle in transaction' },
    ]);
    await client.rollback();
    expect(await world.sessions()).toEqual([]);
  });

  it('has the idle and statement timeouts of its lease', async () => {
    const other = await world.connect({}, { idleMs: 7_000, statementTimeoutMs: 3_000 });
    await other.client.begin();
    const settings = `SELECT current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('statement_timeout') AS bound`;
    expect((await other.client.execute(settings)).rows).toEqual([{ idle: '7s', bound: '3s' }]);
    await other.client.rollback();
  });

  it('cannot be begun in another one, nor ended where there is none', async () => {
    await expect(client.commit()).rejects.toThrow('No transaction');
    await expect(client.rollback()).rejects.toThrow('No transaction');
    await client.begin();
    await expect(client.begin()).rejects.toThrow('open already');
    await client.commit();
  });

  it('that has been idle for too long is ended, and nothing of it is sent any more', async () => {
    const limits = { transactionIdleMs: 100 };
    const other = await world.connect(limits);
    await other.client.begin();
    await pause(130);
    await expect(other.client.execute('SELECT 1')).rejects.toThrow('rolled back');
    expect(world.sent).toEqual(['BeginTransaction', 'RollbackTransaction']);
    expect(other.isClean).toBe(true);
    expect((await other.client.execute('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
  });

  it('that the service has ended by itself is over, and the connection is not', async () => {
    world.server.limits = { ...world.server.limits, transactionIdleMs: 60 };
    const other = await world.connect();
    await other.client.begin();
    await pause(120);
    await expect(other.client.execute('SELECT 1')).rejects.toMatchObject({
      name: 'TransactionNotFoundException',
    });
    expect(other.isClean).toBe(true);
    expect(other.isOpen).toBe(true);
  });

  it('that has grown too old is ended', async () => {
    const other = await world.connect({ transactionMaxMs: 1_500 });
    await other.client.begin();
    for (const pauseMs of [300, 300]) {
      await pause(pauseMs);
      await other.client.execute('SELECT 1');
    }
    await pause(950);
    await expect(other.client.execute('SELECT 1')).rejects.toThrow('1500 ms');
    expect(world.server.openTransactions).toBe(0);
  });
});

describe('the service’s own time limit', () => {
  it('a statement that takes too long has ended, and the connection goes on', async () => {
    world.server.limits = { ...world.server.limits, statementMs: 80 };
    await expect(client.execute('SELECT pg_sleep(5)::text')).rejects.toMatchObject({
      name: 'StatementTimeoutException',
    });
    expect((await client.execute('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
  });

  it('one that goes on behind it takes the connection’s place with it', async () => {
    world.server.limits = { ...world.server.limits, statementMs: 80 };
    const connection = await world.connect();
    const ends: unknown[] = [];
    connection.onEnd((end) => ends.push(end));
    const running = connection.client.execute(
      'SELECT pg_sleep(0.4)::text',
      {},
      { continueAfterTimeout: true },
    );
    await expect(running).rejects.toMatchObject({ name: 'StatementTimeoutException' });
    expect(ends).toMatchObject([{ endSeen: false }]);
    expect(await world.sessions()).toHaveLength(1);
  });
});
