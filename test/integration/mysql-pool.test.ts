import { describe, expect, it } from '@jest/globals';
import mysql from 'mysql2';
import mysqlPromise from 'mysql2/promise';
import { type LeasedMysqlPool, leasedMysqlPool } from '../../lib/facade/mysql-pool.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import { eventually } from '../support/eventually.ts';
import { MysqlPools } from '../support/mysql-pools.ts';

type CallbackPool = LeasedMysqlPool<mysql.Pool>;

const opened = async (pools: MysqlPools, lease = {}): Promise<CallbackPool> =>
  pools.pool<mysql.Pool>(lease, mysql);

const borrowed = (pool: CallbackPool): Promise<mysql.PoolConnection> =>
  new Promise((resolve, reject) =>
    pool.getConnection((error, connection) => (error ? reject(error) : resolve(connection))),
  );

describe('a leased pool of mysql2', () => {
  it('is an instance of the user’s own class, in both forms', async () => {
    await using pools = await MysqlPools.open(3);
    const callback = await opened(pools);
    const promise = await pools.pool();
    expect(callback).toBeInstanceOf((mysql as unknown as { Pool: new () => object }).Pool);
    expect(callback.constructor.name).toContain('Pool');
    expect(promise).toBeInstanceOf(
      (mysqlPromise as unknown as { PromisePool: new () => object }).PromisePool,
    );
    expect(promise.leases.config.resource).toBe('orders');
    expect(callback.promise().constructor.name).toBe('PromisePool');
  });

  it('answers query and execute with callbacks, with promises and as an emitter, and has every connection back', async () => {
    await using pools = await MysqlPools.open(3);
    const pool = await opened(pools);
    const answers = await Promise.all([
      new Promise((resolve) => pool.query('SELECT 1 AS n', (_: unknown, rows: unknown) => resolve(rows))),
      new Promise((resolve) =>
        pool.query('SELECT ? AS n', [2], (_: unknown, rows: unknown) => resolve(rows)),
      ),
      new Promise((resolve) =>
        pool.execute('SELECT ? AS n', [3], (_: unknown, rows: unknown) => resolve(rows)),
      ),
      pool
        .promise()
        .query('SELECT 4 AS n')
        .then(([rows]) => rows),
      new Promise((resolve) => {
        const seen: unknown[] = [];
        const query = pool.query('SELECT 5 AS n');
        query.on('result', (row) => seen.push(row));
        query.on('end', () => resolve(seen));
      }),
    ]);
    expect(answers.slice(0, 2)).toEqual([[{ n: 1 }], [{ n: 2 }]]);
    expect(answers[3]).toEqual([{ n: 4 }]);
    expect(answers[4]).toEqual([{ n: 5 }]);
    expect(JSON.stringify(answers[2])).toContain('3');
    await eventually(() => pool.leases.status().lent === 0, { what: 'every connection back' });
  });

  it('does one thing after the other on one connection, in callbacks as well as awaited, errors included', async () => {
    await using pools = await MysqlPools.open(4);
    const pool = await opened(pools);
    await new Promise<void>((resolve) => {
      const next = (left: number): void => {
        if (left === 0) resolve();
        else pool.query(left % 2 ? 'SELECT 1' : 'SELECT nonsense', () => next(left - 1));
      };
      next(20);
    });
    const promised = pool.promise();
    for (let n = 0; n < 20; n += 1) await promised.execute('SELECT ?', [n]);
    expect(await pools.backends()).toHaveLength(1);
  });

  it('tells of its connections by the events of mysql2', async () => {
    await using pools = await MysqlPools.open(2);
    const pool = await opened(pools, { headroom: 0, max: 1 });
    const events: string[] = [];
    for (const event of ['acquire', 'connection', 'enqueue', 'release'] as const)
      pool.on(event, () => events.push(event));
    const first = await borrowed(pool);
    const waiting = borrowed(pool);
    await eventually(() => events.includes('enqueue'));
    first.release();
    first.release();
    pool.releaseConnection(await waiting);
    expect(events).toEqual(['connection', 'acquire', 'enqueue', 'release', 'acquire', 'release']);
  });

  it('closes a connection that is destroyed, and opens another one', async () => {
    await using pools = await MysqlPools.open(2);
    const pool = await opened(pools);
    const { threadId } = await borrowed(pool).then((connection) => {
      connection.destroy();
      return connection;
    });
    const next = await borrowed(pool);
    expect(next.threadId).not.toBe(threadId);
    next.release();
    await eventually(async () => (await pools.backends()).length === 1);
  });

  it('rolls back what a borrower has left open', async () => {
    await using pools = await MysqlPools.open(2);
    const pool = await opened(pools);
    await pool.promise().query('CREATE TABLE things (id integer PRIMARY KEY)');
    const connection = await borrowed(pool);
    await connection.promise().beginTransaction();
    await connection.promise().query('INSERT INTO things VALUES (1)');
    connection.release();
    const [rows] = await pool.promise().query('SELECT * FROM things');
    expect(rows).toEqual([]);
  });

  it('fails with the words of mysql2: refused by the server, wrong password, closed', async () => {
    await using pools = await MysqlPools.open(1);
    const outsider = await mysqlPromise.createConnection(pools.role.url);
    const pool = await pools.pool({ headroom: 0 });
    await expect(pool.getConnection()).rejects.toMatchObject({ code: 'ER_USER_LIMIT_REACHED', errno: 1226 });
    await outsider.end();
    const wrong = leasedMysqlPool(mysqlPromise, {
      uri: pools.role.url,
      password: 'wrong',
      lease: { resource: 'orders', capacity: 1, headroom: 0, registry: pools.registry },
    });
    await expect(wrong.query('SELECT 1')).rejects.toMatchObject({ code: 'ER_ACCESS_DENIED_ERROR' });
    await wrong.end();
    await expect(wrong.query('SELECT 1')).rejects.toThrow('Pool is closed.');
  });

  it('reports every wrong option at once, by the name that was written', () => {
    const make = () =>
      leasedMysqlPool(mysql, {
        connectionLimit: -1,
        queueLimit: 3,
        waitForConnections: false,
        lease: { resource: 'Not A Name', capacity: 4, registry: memoryRegistry() },
      });
    const problems = (() => {
      try {
        return String(make());
      } catch (error) {
        return String(error);
      }
    })();
    for (const name of ['connectionLimit', 'queueLimit', 'waitForConnections', 'lease.resource'])
      expect(problems).toContain(name);
  });
});
