import { inspect } from 'node:util';
import { describe, expect, it, jest } from '@jest/globals';
import { PrismaPg } from '@prisma/adapter-pg';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable } from 'drizzle-orm/pg-core';
import knexOf from 'knex';
import { Kysely, PostgresDialect, sql } from 'kysely';
import type pg from 'pg';
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import type { LeasedPgPool } from '../../lib/facade/pg-pool.ts';
import { eventually } from '../support/eventually.ts';
import { PgPools } from '../support/pg-pools.ts';

/** What every library does here, in its own words. */
interface Orm {
  insert(id: number): Promise<unknown>;
  ids(): Promise<number[]>;
  /** In one transaction, which fails at its end if it is told to; the backend of each statement. */
  insertBoth(ids: readonly [number, number], failure?: Error): Promise<number[]>;
  /** The numbers from 1, in pieces. */
  stream?(count: number): Promise<number[]>;
  end?(): Promise<unknown>;
}

const PID = 'SELECT pg_backend_pid() AS pid';

const drizzleOrm = (pool: LeasedPgPool): Orm => {
  const things = pgTable('things', { id: integer().primaryKey() });
  const db = drizzle(pool);
  return {
    insert: (id) => db.insert(things).values({ id }),
    ids: async () => (await db.select().from(things).orderBy(things.id)).map(({ id }) => id),
    insertBoth: (ids, failure) =>
      db.transaction(async (tx) => {
        const pids: number[] = [];
        for (const id of ids) {
          await tx.insert(things).values({ id });
          pids.push(...(await tx.execute<{ pid: number }>(PID)).rows.map(({ pid }) => pid));
        }
        if (failure) throw failure;
        return pids;
      }),
  };
};

const kyselyOf = (pool: LeasedPgPool): Kysely<{ things: { id: number } }> =>
  new Kysely({ dialect: new PostgresDialect({ pool, cursor: Cursor }) });

const kyselyOrm = (pool: LeasedPgPool): Orm => {
  const db = kyselyOf(pool);
  return {
    insert: (id) => db.insertInto('things').values({ id }).execute(),
    ids: async () => (await db.selectFrom('things').select('id').orderBy('id').execute()).map(({ id }) => id),
    insertBoth: (ids, failure) =>
      db.transaction().execute(async (tx) => {
        const pids: number[] = [];
        for (const id of ids) {
          await tx.insertInto('things').values({ id }).execute();
          const { rows } = await sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`.execute(tx);
          pids.push(...rows.map(({ pid }) => pid));
        }
        if (failure) throw failure;
        return pids;
      }),
    stream: async (count) => {
      const numbers: number[] = [];
      const rows = db
        .selectFrom(sql<{ n: number }>`generate_series(1, ${sql.lit(count)})`.as<'series'>(sql`series(n)`))
        .select('series.n')
        .stream(10);
      for await (const { n } of rows) numbers.push(n);
      return numbers;
    },
    end: () => db.destroy(),
  };
};

const knexOrm = (pool: LeasedPgPool): Orm => {
  const knex = knexOf({ client: 'pg', connectionPool: pool });
  return {
    insert: (id) => knex('things').insert({ id }),
    ids: () => knex('things').orderBy('id').pluck('id'),
    insertBoth: (ids, failure) =>
      knex.transaction(async (tx) => {
        const pids: number[] = [];
        for (const id of ids) {
          await tx('things').insert({ id });
          pids.push((await tx.raw(PID)).rows[0].pid);
        }
        if (failure) throw failure;
        return pids;
      }),
    // Outside a transaction Knex 3.3 releases a stream's client twice, that of a plain `pg.Pool` as well.
    stream: (count) =>
      knex.transaction(async (tx) => {
        const numbers: number[] = [];
        for await (const { n } of tx.raw('SELECT generate_series(1, ?::int) AS n', [count]).stream())
          numbers.push(n);
        return numbers;
      }),
    end: () => knex.destroy(),
  };
};

const prismaOrm = (pool: LeasedPgPool): Orm => {
  const connected = new PrismaPg(pool).connect();
  const statement = (text: string, ...args: number[]) => ({
    sql: text,
    args,
    argTypes: args.map(() => ({ scalarType: 'int', arity: 'scalar' }) as const),
  });
  const insertion = (id: number) => statement('INSERT INTO things VALUES ($1)', id);
  return {
    insert: async (id) => (await connected).executeRaw(insertion(id)),
    ids: async () =>
      (await (await connected).queryRaw(statement('SELECT id FROM things ORDER BY id'))).rows.map(([id]) =>
        Number(id),
      ),
    insertBoth: async (ids, failure) => {
      const tx = await (await connected).startTransaction();
      const pids: number[] = [];
      try {
        for (const id of ids) {
          await tx.executeRaw(insertion(id));
          pids.push(Number((await tx.queryRaw(statement(PID))).rows[0]?.[0]));
        }
        if (failure) throw failure;
        // What Prisma's engine does: the adapter itself only gives the connection back.
        await tx.executeRaw(statement('COMMIT'));
        await tx.commit();
        return pids;
      } catch (error) {
        await tx.executeRaw(statement('ROLLBACK'));
        await tx.rollback();
        throw error;
      }
    },
    end: async () => (await connected).dispose(),
  };
};

const ORMS = [
  ['Drizzle', drizzleOrm],
  ['Kysely', kyselyOrm],
  ['Knex', knexOrm],
  ['Prisma’s adapter', prismaOrm],
] as const;

/** Of them one is kept back for a revocation. */
const CAPACITY = 4;

const withPool = async (
  work: (pool: LeasedPgPool, pools: PgPools) => Promise<void>,
  config?: pg.PoolConfig,
): Promise<void> => {
  await using pools = await PgPools.open(CAPACITY);
  const pool = await pools.pool(config);
  await pool.query('CREATE SCHEMA AUTHORIZATION current_user');
  await pool.query('CREATE TABLE things (id integer PRIMARY KEY)');
  let failed = 0;
  pool.leases.events.on('connectionFailed', () => {
    failed += 1;
  });
  await work(pool, pools);
  // The role is refused its fifth connection.
  expect(failed).toBe(0);
};

const withOrm = (
  ormOf: (pool: LeasedPgPool) => Orm,
  work: (orm: Orm, pool: LeasedPgPool, pools: PgPools) => Promise<void>,
): Promise<void> =>
  withPool(async (pool, pools) => {
    const orm = ormOf(pool);
    await work(orm, pool, pools);
    await eventually(() => pool.totalCount === pool.idleCount, { what: 'every client back' });
    await orm.end?.();
  });

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

/** Where the library put the server's code. */
const codesIn = (error: unknown): string => inspect(error, { depth: 5 });

describe.each(ORMS)('%s on leased connections', (_name, ormOf) => {
  it('asks many things at once with a lease for each connection, and never more of them than the capacity', () =>
    withOrm(ormOf, async (orm, pool, pools) => {
      const other = await pools.pool();
      const work = Promise.all([
        ...numbers(24).map((id) => orm.insert(id)),
        ...numbers(24).map(() => other.query('SELECT pg_sleep(0.002)')),
      ]);
      let isDone = false;
      const finish = () => {
        isDone = true;
      };
      work.then(finish, finish);
      let most = 0;
      while (!isDone) most = Math.max(most, (await pools.backends()).length);
      await work;
      expect(most).toBeLessThanOrEqual(CAPACITY);
      expect(await orm.ids()).toEqual(numbers(24));
      await eventually(
        async () => {
          const [{ held }, backends] = await Promise.all([pools.report(), pools.backends()]);
          return held > 0 && held === backends.length && held === pool.totalCount + other.totalCount;
        },
        { what: 'a lease for each connection' },
      );
    }));

  it('commits a transaction on one connection', () =>
    withOrm(ormOf, async (orm) => {
      const [first, second] = await Promise.all([orm.insertBoth([1, 2]), orm.insertBoth([3, 4])]);
      for (const pids of [first, second]) expect(new Set(pids).size).toBe(1);
      expect(await orm.ids()).toEqual([1, 2, 3, 4]);
    }));

  it('rolls a transaction back that fails, with the error of its own', () =>
    withOrm(ormOf, async (orm) => {
      const failure = new Error('changed its mind');
      await expect(orm.insertBoth([1, 2], failure)).rejects.toBe(failure);
      expect(await orm.ids()).toEqual([]);
    }));

  it('passes the server’s error on, and keeps the connection', () =>
    withOrm(ormOf, async (orm, pool) => {
      let removed = 0;
      pool.on('remove', () => {
        removed += 1;
      });
      await orm.insert(1);
      const error: unknown = await orm.insert(1).catch((reason: unknown) => reason);
      expect(codesIn(error)).toContain('23505');
      const aborted: unknown = await orm.insertBoth([2, 1]).catch((reason: unknown) => reason);
      expect(codesIn(aborted)).toContain('23505');
      expect(await orm.ids()).toEqual([1]);
      expect(removed).toBe(0);
    }));
});

describe.each(ORMS.filter(([name]) => name === 'Kysely' || name === 'Knex'))('%s', (_name, ormOf) => {
  it('streams rows, and gives the connection back', () =>
    withOrm(ormOf, async (orm) => {
      expect(await orm.stream?.(250)).toEqual(numbers(250));
    }));
});

describe('a client of the pool', () => {
  it('reads a pg-cursor piece by piece, inside a transaction', () =>
    withPool(async (pool) => {
      const client = await pool.connect();
      await client.query('BEGIN');
      const cursor = client.query(new Cursor<{ n: number }>('SELECT generate_series(1, 25) AS n'));
      const sizes = [await cursor.read(10), await cursor.read(10), await cursor.read(10)].map(
        (rows) => rows.length,
      );
      await cursor.close();
      await client.query('COMMIT');
      client.release();
      expect(sizes).toEqual([10, 10, 5]);
      expect(pool.idleCount).toBe(1);
    }));

  it('reads a pg-query-stream to its end, or stops in the midst of it', () =>
    withPool(async (pool) => {
      const client = await pool.connect();
      const text = 'SELECT generate_series(1, 1000) AS n';
      expect(await client.query(new QueryStream(text)).toArray()).toHaveLength(1_000);
      for await (const row of client.query(new QueryStream(text, [], { batchSize: 10 }))) {
        expect(row).toEqual({ n: 1 });
        break;
      }
      expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      client.release();
    }));
});

describe('what Kysely opens to cancel a statement', () => {
  it('is leased, too', () =>
    withPool(
      async (pool, pools) => {
        const db = kyselyOf(pool);
        // It prints that the cancelled statement has failed.
        jest.spyOn(console, 'error').mockImplementationOnce(() => undefined);
        const controller = new AbortController();
        const asleep = sql`SELECT pg_sleep(20)`.execute(db, {
          signal: controller.signal,
          inflightQueryAbortStrategy: 'cancel query',
        });
        await eventually(() => pool.totalCount - pool.idleCount === 1);
        controller.abort();
        await expect(asleep).rejects.toThrow();
        await eventually(() => pool.totalCount === pool.idleCount);
        const { held } = await pools.report();
        expect(await pools.backends()).toHaveLength(held);
        await db.destroy();
      },
      { max: 2 },
    ));
});
