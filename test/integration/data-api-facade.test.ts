import * as rdsData from '@aws-sdk/client-rds-data';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/aws-data-api/pg';
import { integer, jsonb, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import { type LeasedRdsDataClient, leasedRdsDataClient } from '../../lib/facade/rds-data-client.ts';
import { withLeases } from '../../lib/lambda/with-leases.ts';
import { DataApiPools } from '../support/data-api-pools.ts';
import { eventually } from '../support/eventually.ts';
import { postgresAdmin } from '../support/servers.ts';

jest.setTimeout(20_000);

let fleet: DataApiPools;
let client: LeasedRdsDataClient;

beforeEach(async () => {
  fleet = await DataApiPools.open(4);
  client = await fleet.client({ max: 3 });
});
afterEach(() => fleet[Symbol.asyncDispose]());

const arns = () => {
  const { resourceArn, secretArn } = fleet.world.options();
  return { resourceArn, secretArn };
};
const execute = (text: string, transactionId?: string) =>
  new rdsData.ExecuteStatementCommand({
    ...arns(),
    sql: text,
    ...(transactionId === undefined ? {} : { transactionId }),
  });
const begin = async (): Promise<string> =>
  (await client.send(new rdsData.BeginTransactionCommand(arns()))).transactionId ?? '';
const commit = (transactionId: string) =>
  client.send(new rdsData.CommitTransactionCommand({ ...arns(), transactionId }));
const rollback = (transactionId: string) =>
  client.send(new rdsData.RollbackTransactionCommand({ ...arns(), transactionId }));

describe('the client is one of the user’s own SDK', () => {
  it('it is an instance, has its name, and answers as the SDK does', async () => {
    expect(client).toBeInstanceOf(rdsData.RDSDataClient);
    expect(client.constructor.name).toBe('RDSDataClient');
    const answer = await client.send(execute('SELECT 1 AS n'));
    expect(answer).toMatchObject({
      records: [[{ longValue: 1 }]],
      $metadata: { httpStatusCode: 200, attempts: 1 },
    });
  });

  it('callbacks are told', async () => {
    const answer = await new Promise((resolve, reject) => {
      client.send(execute('SELECT 1 AS n'), (error: unknown, output: unknown) =>
        error ? reject(error) : resolve(output),
      );
    });
    expect(answer).toMatchObject({ records: [[{ longValue: 1 }]] });
  });

  /** What nobody handles fails the test. */
  it('a callback that throws ends nothing, as with the SDK itself', async () => {
    for (const statement of ['SELECT 1', 'nonsense'])
      await new Promise<void>((resolve) => {
        client.send(execute(statement), () => {
          setImmediate(resolve);
          throw new Error('of the callback’s own');
        });
      });
  });

  it('a batch, and a statement within a transaction', async () => {
    const table = await fleet.world.table('id int');
    const transactionId = await begin();
    const batch = new rdsData.BatchExecuteStatementCommand({
      ...arns(),
      transactionId,
      sql: `INSERT INTO ${table} VALUES (:id)`,
      parameterSets: [1, 2].map((id) => [{ name: 'id', value: { longValue: id } }]),
    });
    expect((await client.send(batch)).updateResults).toHaveLength(2);
    expect(await commit(transactionId)).toMatchObject({ transactionStatus: 'Transaction Committed' });
    expect((await client.send(execute(`SELECT * FROM ${table}`))).records).toHaveLength(2);
  });

  it('another database’s command, and one that is neither statement nor transaction, are refused', async () => {
    const other = new rdsData.ExecuteStatementCommand({
      ...arns(),
      resourceArn: 'arn:of:another',
      sql: 'SELECT 1',
    });
    await expect(client.send(other)).rejects.toThrow('another one');
    const old = new rdsData.ExecuteSqlCommand({
      dbClusterOrInstanceArn: 'a',
      awsSecretStoreArn: 'b',
      sqlStatements: 'SELECT 1',
    });
    await expect(client.send(old)).rejects.toThrow('only statements and transactions');
  });

  it('wrong options are told by the names that the user wrote, all at once', () => {
    const wrong = {
      maxAttempts: 3,
      dataApi: { secretArn: 'x', leasePerStatement: 1 },
      lease: { capacity: 0 },
    };
    expect(() => leasedRdsDataClient(rdsData, wrong as never)).toThrow(
      /dataApi\.resourceArn[\s\S]*maxAttempts: leave[\s\S]*dataApi\.leasePerStatement[\s\S]*lease\.registry[\s\S]*lease\.capacity/,
    );
    expect(() => leasedRdsDataClient(rdsData, {} as never)).toThrow('lease: is missing');
  });
});

describe('leases', () => {
  it('a transaction holds one from its begin to its end, a statement while it runs', async () => {
    const transactionId = await begin();
    expect(client.leases.status().lent).toBe(1);
    await Promise.all([client.send(execute('SELECT 1')), client.send(execute('SELECT 1', transactionId))]);
    expect(client.leases.status().lent).toBe(1);
    await commit(transactionId);
    expect(client.leases.status().lent).toBe(0);
  });

  it('statements take none where the user wants that', async () => {
    const other = await fleet.client({ max: 1 }, { leasePerStatement: false });
    const answers = await Promise.all([1, 2, 3].map(() => other.send(execute('SELECT 1'))));
    expect(answers).toHaveLength(3);
    // They have no lease, and hide nobody's.
    expect(fleet.world.server.calls.at(-1)?.sql).toBe('/*lh-unleased|statement*/SELECT 1');
    expect(other.leases.statistics()).toMatchObject({ opened: 0, gets: { direct: 0, waited: 0 } });
  });

  it('what nobody ends is rolled back when its time is up, and told', async () => {
    const other = await fleet.client({ max: 1 }, { transactionIdleMs: 120 });
    const left: unknown[] = [];
    other.leases.events.on('transactionLeftOpen', (event) => left.push(event));
    const { transactionId } = await other.send(new rdsData.BeginTransactionCommand(arns()));
    await eventually(() => other.leases.status().lent === 0);
    await eventually(() => left.length > 0);
    expect(left).toEqual([{ rolledBack: true }]);
    await expect(other.send(execute('SELECT 1', transactionId))).rejects.toBeInstanceOf(
      rdsData.TransactionNotFoundException,
    );
  });

  it('an invocation’s end rolls back what it has left open', async () => {
    let id = '';
    const handler = withLeases(client, async () => {
      id = await begin();
    });
    await handler({}, { getRemainingTimeInMillis: () => 5_000 });
    expect(fleet.world.server.openTransactions).toBe(0);
    await expect(client.send(execute('SELECT 1', id))).rejects.toMatchObject({ code: 'USED_AFTER_RETURN' });
  });

  it('a begin whose answer was lost is made again under another lease; the first one counts on', async () => {
    fleet.world.server.plan({ operation: 'BeginTransaction', when: 'after', fault: 'cut' });
    const transactionId = await begin();
    expect(fleet.world.server.openTransactions).toBe(2);
    expect(await fleet.report()).toMatchObject({ held: 1, revoking: 1 });
    await commit(transactionId);
  });

  it('a commit that was not answered gives the lease back when the service says that nothing is open', async () => {
    const transactionId = await begin();
    fleet.world.server.plan({ operation: 'CommitTransaction', when: 'after', fault: 'cut' });
    await expect(commit(transactionId)).rejects.toMatchObject({ details: { outcome: 'unknown' } });
    expect(client.leases.status()).toMatchObject({ lent: 0, idle: 1 });
    // As libraries do after a failed commit; once.
    expect(await rollback(transactionId)).toMatchObject({ transactionStatus: 'Rollback Complete' });
    await expect(rollback(transactionId)).rejects.toMatchObject({ name: 'TransactionNotFoundException' });
  });

  it('destroy rolls back what is open and gives the leases back', async () => {
    await begin();
    client.destroy();
    await eventually(async () => (await fleet.report()).held === 0);
    expect(fleet.world.server.openTransactions).toBe(0);
    await expect(begin()).rejects.toMatchObject({ code: 'POOL_CLOSED' });
  });
});

describe('Drizzle’s aws-data-api driver', () => {
  const things = pgTable('things', {
    id: integer().primaryKey(),
    key: uuid().notNull(),
    name: text(),
    seen: timestamp({ withTimezone: false }),
    extra: jsonb(),
    tags: text().array(),
  });
  const KEY = '7a3c8d4e-0000-4000-8000-000000000001';
  let db: ReturnType<typeof drizzle>;

  beforeEach(async () => {
    const { user } = fleet.world.role;
    await postgresAdmin().query(`CREATE SCHEMA AUTHORIZATION "${user}"`);
    db = drizzle(client, { ...arns(), database: fleet.world.role.database });
    await db.execute(
      sql`CREATE TABLE things (id int PRIMARY KEY, key uuid NOT NULL, name text, seen timestamp, extra jsonb, tags text[])`,
    );
  });

  it('writes and reads typed rows', async () => {
    const seen = new Date('2026-01-31T12:00:00.000Z');
    await db.insert(things).values({ id: 1, key: KEY, name: 'a', seen, extra: { a: [1] } });
    expect(await db.select().from(things).where(eq(things.id, 1))).toEqual([
      { id: 1, key: KEY, name: 'a', seen, extra: { a: [1] }, tags: null },
    ]);
    const { rows } = await db.execute<{ n: number }>(sql`SELECT count(*)::int AS n FROM things`);
    expect(rows).toEqual([{ n: 1 }]);
  });

  it('commits, rolls back, and has savepoints', async () => {
    await db.transaction(async (tx) => {
      await tx.insert(things).values({ id: 1, key: KEY });
      const inner = tx.transaction(async (nested) => {
        await nested.insert(things).values({ id: 2, key: KEY });
        throw new Error('only this');
      });
      await expect(inner).rejects.toThrow('only this');
    });
    const failing = db.transaction(async (tx) => {
      await tx.insert(things).values({ id: 3, key: KEY });
      throw new Error('all of it');
    });
    await expect(failing).rejects.toThrow('all of it');
    expect((await db.select({ id: things.id }).from(things)).map(({ id }) => id)).toEqual([1]);
    expect(client.leases.status().lent).toBe(0);
    expect(fleet.world.server.openTransactions).toBe(0);
  });

  it('its caller hears why a commit failed, not that nothing was left to roll back', async () => {
    fleet.world.server.plan({ operation: 'CommitTransaction', when: 'after', fault: 'cut' });
    const failing = db.transaction((tx) => tx.insert(things).values({ id: 1, key: KEY }));
    await expect(failing).rejects.toThrow('may or may not have happened');
  });

  it('a prepared statement that is called again at once sends each call’s own values', async () => {
    const prepared = db
      .select({ n: sql<number>`CAST(${sql.placeholder('n')} AS int4)` })
      .from(sql`(SELECT 1) AS one`)
      .prepare('n');
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => prepared.execute({ n })));
    expect(answers.map(([row]) => row?.n)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
