import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { sql as drizzleSql } from 'drizzle-orm';
import { int, mysqlTable } from 'drizzle-orm/mysql-core';
import { drizzle } from 'drizzle-orm/mysql2';
import knexOf from 'knex';
import { Kysely, MysqlDialect, type MysqlPool, sql } from 'kysely';
import mysql from 'mysql2';
import mysqlPromise from 'mysql2/promise';
import type { LeasedMysqlPool } from '../../lib/facade/mysql-pool.ts';
import { eventually } from '../support/eventually.ts';
import { MysqlPools } from '../support/mysql-pools.ts';

/** What every library does here, in its own words. */
interface Orm {
  insert(id: number): Promise<unknown>;
  ids(): Promise<number[]>;
  /** In one transaction, which fails at its end if it is told to; the thread of each statement. */
  insertBoth(ids: readonly [number, number], failure?: Error): Promise<number[]>;
  end?(): Promise<unknown>;
}

type CallbackPool = LeasedMysqlPool<mysql.Pool>;

const drizzleOrm = (pool: object): Orm => {
  const things = mysqlTable('things', { id: int().primaryKey() });
  const db = drizzle(pool as mysqlPromise.Pool);
  return {
    insert: (id) => db.insert(things).values({ id }),
    ids: async () => (await db.select().from(things).orderBy(things.id)).map(({ id }) => id),
    insertBoth: (ids, failure) =>
      db.transaction(async (tx) => {
        const threads: number[] = [];
        for (const id of ids) {
          await tx.insert(things).values({ id });
          const [rows] = await tx.execute(drizzleSql`SELECT CONNECTION_ID() AS id`);
          threads.push(...(rows as unknown as { id: number }[]).map((row) => row.id));
        }
        if (failure) throw failure;
        return threads;
      }),
  };
};

const kyselyOrm = (pool: object): Orm => {
  const db = new Kysely<{ things: { id: number } }>({
    dialect: new MysqlDialect({ pool: pool as unknown as MysqlPool }),
  });
  return {
    insert: (id) => db.insertInto('things').values({ id }).execute(),
    ids: async () => (await db.selectFrom('things').select('id').orderBy('id').execute()).map(({ id }) => id),
    insertBoth: (ids, failure) =>
      db.transaction().execute(async (tx) => {
        const threads: number[] = [];
        for (const id of ids) {
          await tx.insertInto('things').values({ id }).execute();
          const { rows } = await sql<{ id: number }>`SELECT CONNECTION_ID() AS id`.execute(tx);
          threads.push(...rows.map((row) => row.id));
        }
        if (failure) throw failure;
        return threads;
      }),
    end: () => db.destroy(),
  };
};

const knexOrm = (pool: object): Orm => {
  const knex = knexOf({ client: 'mysql2', connectionPool: pool as never });
  return {
    insert: (id) => knex('things').insert({ id }),
    ids: () => knex('things').orderBy('id').pluck('id'),
    insertBoth: (ids, failure) =>
      knex.transaction(async (tx) => {
        const threads: number[] = [];
        for (const id of ids) {
          await tx('things').insert({ id });
          threads.push((await tx.raw('SELECT CONNECTION_ID() AS id'))[0][0].id);
        }
        if (failure) throw failure;
        return threads;
      }),
    end: () => knex.destroy(),
  };
};

const ORMS = [
  ['Drizzle on mysql2', drizzleOrm, mysql],
  ['Drizzle on mysql2/promise', drizzleOrm, mysqlPromise],
  ['Kysely on mysql2', kyselyOrm, mysql],
  ['Knex on mysql2', knexOrm, mysql],
  ['Knex on mysql2/promise', knexOrm, mysqlPromise],
] as const;

/** Of them one is kept back for a revocation. */
const CAPACITY = 4;

const withOrm = async (
  ormOf: (pool: object) => Orm,
  module: typeof mysql | typeof mysqlPromise,
  work: (orm: Orm, pool: CallbackPool, pools: MysqlPools) => Promise<void>,
): Promise<void> => {
  await using pools = await MysqlPools.open(CAPACITY);
  const pool = await pools.pool<mysql.Pool>({}, module);
  await pool.leases.use((connection) =>
    (module === mysql
      ? (connection as mysql.Connection).promise()
      : (connection as mysqlPromise.Connection)
    ).query('CREATE TABLE things (id integer PRIMARY KEY)'),
  );
  let failed = 0;
  pool.leases.events.on('connectionFailed', () => {
    failed += 1;
  });
  const orm = ormOf(pool);
  await work(orm, pool, pools);
  await eventually(() => pool.leases.status().lent === 0, { what: 'every connection back' });
  // The user is refused its fifth connection.
  expect(failed).toBe(0);
  await orm.end?.();
};

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

/** Where the library put the server's code. */
const codesIn = (error: unknown): string => inspect(error, { depth: 5 });

describe.each(ORMS)('%s, on leased connections', (_name, ormOf, module) => {
  it('asks many things at once with a lease for each connection, and never more of them than the capacity', () =>
    withOrm(ormOf, module, async (orm, pool, pools) => {
      const other = await pools.pool();
      const work = Promise.all([
        ...numbers(24).map((id) => orm.insert(id)),
        ...numbers(24).map(() => other.query('SELECT SLEEP(0.002)')),
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
          const { idle } = pool.leases.status();
          return held > 0 && held === backends.length && held === idle + other.leases.status().idle;
        },
        { what: 'a lease for each connection' },
      );
    }));

  it('commits a transaction on one connection', () =>
    withOrm(ormOf, module, async (orm) => {
      const [first, second] = await Promise.all([orm.insertBoth([1, 2]), orm.insertBoth([3, 4])]);
      for (const threads of [first, second]) expect(new Set(threads).size).toBe(1);
      expect(await orm.ids()).toEqual([1, 2, 3, 4]);
    }));

  it('rolls a transaction back that fails, with the error of its own', () =>
    withOrm(ormOf, module, async (orm) => {
      const failure = new Error('changed its mind');
      await expect(orm.insertBoth([1, 2], failure)).rejects.toBe(failure);
      expect(await orm.ids()).toEqual([]);
    }));

  it('passes the server’s error on, and keeps the connection', () =>
    withOrm(ormOf, module, async (orm, _pool, pools) => {
      await orm.insert(1);
      const before = await pools.backends();
      for (const failing of [() => orm.insert(1), () => orm.insertBoth([2, 1])]) {
        const error: unknown = await failing().catch((reason: unknown) => reason);
        expect(codesIn(error)).toContain('ER_DUP_ENTRY');
      }
      expect(await orm.ids()).toEqual([1]);
      expect(await pools.backends()).toEqual(before);
    }));
});
