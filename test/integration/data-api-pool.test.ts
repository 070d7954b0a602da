import * as rdsData from '@aws-sdk/client-rds-data';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { DataApiClient } from '../../lib/driver/data-api.ts';
import { withLeases } from '../../lib/lambda/with-leases.ts';
import type { Pool } from '../../lib/pool/pool.ts';
import { DataApiPools } from '../support/data-api-pools.ts';
import { eventually } from '../support/eventually.ts';

jest.setTimeout(20_000);

const CAPACITY = 4;
let fleet: DataApiPools;

beforeEach(async () => {
  fleet = await DataApiPools.open(CAPACITY);
});
afterEach(() => fleet[Symbol.asyncDispose]());

/** A statement of its own, or a transaction of two. */
const work = (pool: Pool<DataApiClient>, n: number): Promise<unknown> =>
  pool.use<unknown>((client) =>
    n % 2 === 0
      ? client.execute('SELECT pg_sleep(0.01)::text')
      : client.transaction(async (tx) => {
          await tx.execute('SELECT 1');
          await tx.execute('SELECT pg_sleep(0.005)::text');
        }),
  );

describe('the fleet’s limit', () => {
  it('six processes that want more than there is are never refused by the database', async () => {
    const pools = await Promise.all(
      [1, 2, 3, 4, 5, 6].map(() => fleet.pool({ max: 2, acquireTimeoutMs: 15_000 })),
    );
    const uses = pools.flatMap((pool) => Array.from({ length: 12 }, (_, n) => work(pool, n)));
    expect(await Promise.allSettled(uses)).toEqual(
      uses.map(() => expect.objectContaining({ status: 'fulfilled' })),
    );
    expect(fleet.world.server.refusals).toBe(0);
    expect(fleet.world.server.concurrentCalls).toBe(0);
    expect((await fleet.report()).held).toBeLessThanOrEqual(CAPACITY);
  });

  it('the same without leases is refused: the database judges', async () => {
    const { resourceArn, secretArn, client } = fleet.world.options();
    const plain = new rdsData.RDSDataClient({ ...client, maxAttempts: 1 });
    const command = () =>
      new rdsData.ExecuteStatementCommand({ resourceArn, secretArn, sql: 'SELECT pg_sleep(0.05)::text' });
    await Promise.allSettled(Array.from({ length: 12 }, () => plain.send(command())));
    expect(fleet.world.server.refusals).toBeGreaterThan(0);
    plain.destroy();
  });

  it('an idle pool has nothing at the database, and a health round asks it nothing', async () => {
    const pool = await fleet.pool({ healthCheckIntervalMs: 50, checkAfterIdleMs: 1 });
    await pool.use((client) => client.execute('SELECT 1'));
    fleet.world.server.calls.length = 0;
    await eventually(() => pool.status().idle === 1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await fleet.world.sessions()).toEqual([]);
    expect(fleet.world.server.calls).toEqual([]);
    await pool.use((client) => client.execute('SELECT 1'));
    expect(fleet.world.sent).toEqual(['SELECT 1']);
  });
});

describe('a transaction is ended with the loan', () => {
  it('one that its borrower left open is rolled back, told, and the next one finds none', async () => {
    const pool = await fleet.pool({ max: 1 });
    const left: unknown[] = [];
    pool.events.on('transactionLeftOpen', (event) => left.push(event));
    await pool.use((client) => client.begin());
    expect(left).toEqual([{ rolledBack: true }]);
    expect(fleet.world.server.openTransactions).toBe(0);
    expect(await pool.use((client) => client.isInTransaction)).toBe(false);
  });

  it('an invocation that ends without giving back has its transaction rolled back', async () => {
    const pool = await fleet.pool({ max: 1 });
    const handler = withLeases(pool, async () => {
      const lent = await pool.acquire();
      await lent.connection.begin();
    });
    await handler({}, { getRemainingTimeInMillis: () => 5_000 });
    expect(fleet.world.server.openTransactions).toBe(0);
    await eventually(async () => (await fleet.report()).held === 0);
  });

  it('closing the pool rolls back and gives every lease back', async () => {
    const pool = await fleet.pool();
    const lent = await pool.acquire();
    await lent.connection.begin();
    await pool.close({ timeoutMs: 50 });
    expect(fleet.world.server.openTransactions).toBe(0);
    expect(await fleet.report()).toMatchObject({ held: 0, revoking: 0 });
  });
});

describe('what went unanswered keeps its place until it is proven gone', () => {
  it('a begin whose answer was lost counts until the service has rolled it back', async () => {
    fleet.world.server.limits = { ...fleet.world.server.limits, transactionIdleMs: 1_500 };
    const pool = await fleet.pool({ max: CAPACITY, headroom: 0, acquireTimeoutMs: 10_000 });
    fleet.world.server.plan({ operation: 'BeginTransaction', when: 'after', fault: 'cut' });
    await expect(pool.use((client) => client.begin())).rejects.toThrow('may or may not');
    await eventually(async () => (await fleet.report()).revoking === 1);
    // One orphan at the service, three of ours: a fourth would be one too many.
    const uses = Array.from({ length: CAPACITY }, () =>
      pool.use((client) =>
        client.transaction(async (tx) => {
          await tx.execute('SELECT pg_sleep(0.3)::text');
        }),
      ),
    );
    await Promise.all(uses);
    expect(fleet.world.server.refusals).toBe(0);
    await eventually(async () => (await fleet.report()).revoking === 0, {
      timeoutMs: 10_000,
      what: 'the proof that the orphan has gone',
    });
    expect(fleet.world.server.openTransactions).toBe(0);
  });
});
