import { describe, expect, test } from '@jest/globals';
import mysql from 'mysql2';
import mysqlPromise from 'mysql2/promise';
import type { DriverConnection } from '../../lib/driver/driver.ts';
import { type MysqlModule, mysqlDriver } from '../../lib/driver/mysql.ts';
import { eventually, pause } from '../support/eventually.ts';
import { mysqlConfigOf, soleValueOf, withMysqlConnection } from '../support/mysql-session.ts';
import { openRequest as request } from '../support/postgres-session.ts';
import { freshMariadbRole, mariadbAdmin } from '../support/servers.ts';

type Promised = DriverConnection<mysqlPromise.Connection>;

const LABEL = 'lh:orders.abc123:lease:1';
const OTHER = 'lh:orders.abc123:other:1';
const PREFIX = 'lh:orders.abc123:';

const configOf = async (limit = 3): Promise<mysql.ConnectionOptions> =>
  mysqlConfigOf(await freshMariadbRole(limit));

/** What the session itself says of a variable. */
const variable = (client: mysqlPromise.Connection, name: string): Promise<unknown> =>
  soleValueOf(client, `SELECT @@${name}`);

describe('the borrower gets the connection of its own mysql2', () => {
  test('with callbacks from mysql2, with promises from mysql2/promise', async () => {
    const config = await configOf();
    await withMysqlConnection(
      config,
      {},
      async ({ client }) => {
        expect(client).toBeInstanceOf((mysql as unknown as { Connection: new () => object }).Connection);
      },
      {},
      mysql,
    );
    await withMysqlConnection(config, {}, async ({ client }) => {
      expect(client).toBeInstanceOf(
        (mysqlPromise as unknown as { PromiseConnection: new () => object }).PromiseConnection,
      );
    });
  });
});

describe('D6 holds in every form of a command', () => {
  /** A gate that is shut from `shut()` on, until `open` or `lose`. */
  const makeGate = () => {
    let opening: Promise<void> | undefined;
    let settle = { open: (): void => undefined, lose: (_: Error): void => undefined };
    const shut = (): void => {
      opening = new Promise((resolve, reject) => {
        const done = (act: () => void) => () => {
          opening = undefined;
          act();
        };
        settle = { open: done(resolve), lose: (error) => done(() => reject(error))() };
      });
    };
    return { gate: () => opening, shut, open: () => settle.open(), lose: (e: Error) => settle.lose(e) };
  };

  type Answer = Promise<unknown>;
  type Called = (done: (error: unknown, rows?: unknown) => void) => unknown;
  const called = (call: Called): Answer =>
    new Promise((resolve, reject) => {
      call((error, rows) => (error ? reject(error) : resolve(Array.isArray(rows) ? rows[0] : rows)));
    });

  const forms: Record<string, (client: mysql.Connection) => Answer> = {
    query: (client) => called((done) => client.query('SELECT 1 AS one', done)),
    'query with values': (client) => called((done) => client.query('SELECT ? AS one', [1], done)),
    'query with an object': (client) => called((done) => client.query({ sql: 'SELECT 1 AS one' }, done)),
    execute: (client) => called((done) => client.execute('SELECT 1 AS one', done)),
    'execute with values': (client) => called((done) => client.execute('SELECT 1 + ? - 1 AS one', [1], done)),
    'query as an emitter': (client) =>
      new Promise((resolve, reject) => {
        client.query('SELECT 1 AS one').on('result', resolve).on('error', reject);
      }),
    'query as a stream': (client) =>
      new Promise((resolve, reject) => {
        client.query('SELECT 1 AS one').stream().on('data', resolve).on('error', reject);
      }),
    'promised query': async (client) => {
      const [rows] = await client.promise().query('SELECT 1 AS one');
      return (rows as unknown[])[0];
    },
    'promised execute': async (client) => {
      const [rows] = await client.promise().execute('SELECT 1 AS one');
      return (rows as unknown[])[0];
    },
  };

  for (const [name, run] of Object.entries(forms)) {
    test(`${name}: waits for the gate, and fails in its own form when the lease is lost`, async () => {
      const { gate, shut, open, lose } = makeGate();
      const work = async ({ client }: DriverConnection<mysql.Connection>): Promise<void> => {
        expect(await run(client)).toMatchObject({ one: expect.anything() });
        shut();
        const waiting = run(client);
        await pause(10);
        open();
        expect(await waiting).toMatchObject({ one: expect.anything() });
        shut();
        const losing = expect(run(client)).rejects.toThrow('lease lost');
        lose(new Error('lease lost'));
        await losing;
        expect(await run(client)).toMatchObject({ one: expect.anything() });
      };
      await withMysqlConnection<mysql.Connection>(await configOf(), { gate }, work, {}, mysql);
    });
  }

  test('an EXECUTE whose preparation was lost at the gate is told once, and never sent', async () => {
    const { gate, shut, lose } = makeGate();
    const work = async ({ client }: DriverConnection<mysql.Connection>): Promise<void> => {
      shut();
      let told = 0;
      client.execute('SELECT ? AS one', [1], () => {
        told += 1;
      });
      lose(new Error('lease lost'));
      expect(await forms['query']?.(client)).toEqual({ one: 1 });
      expect(told).toBe(1);
    };
    await withMysqlConnection<mysql.Connection>(await configOf(), { gate }, work, {}, mysql);
  });

  test('a mistake of the caller stays a mistake of the caller', async () => {
    await withMysqlConnection(await configOf(), {}, async ({ client }: Promised) => {
      await expect(client.execute('SELECT ?', [undefined as unknown as null])).rejects.toThrow(TypeError);
      await expect(client.query('SELECT nonsense')).rejects.toMatchObject({ code: 'ER_BAD_FIELD_ERROR' });
      expect(await soleValueOf(client, 'SELECT 1')).toBe(1);
    });
  });
});

describe('the session settings', () => {
  test('idle time is whole seconds, rounded down; less than one is refused', async () => {
    const config = await configOf();
    await withMysqlConnection(config, { idleMs: 7_900 }, async ({ client }: Promised) => {
      expect(await variable(client, 'wait_timeout')).toBe(7);
      expect(await variable(client, 'net_write_timeout')).toBe(7);
      expect(await variable(client, 'max_statement_time')).toBe(0);
    });
    await expect(mysqlDriver(mysqlPromise, config).open(request({ idleMs: 999 }))).rejects.toThrow(
      RangeError,
    );
  });

  test('the character set of the connection is what the user’s own configuration says', async () => {
    const config = { ...(await configOf()), charset: 'latin1_german2_ci' };
    await withMysqlConnection(config, {}, async ({ client }: Promised) => {
      expect(await variable(client, 'collation_connection')).toBe('latin1_german2_ci');
    });
  });

  test('a server is one and the same whenever it is asked', async () => {
    const config = await configOf();
    const servers = new Set<string>();
    for (let n = 0; n < 12; n += 1) {
      await withMysqlConnection(config, {}, async ({ server }) => void servers.add(server));
      await pause(100);
    }
    expect(servers.size).toBe(1);
  });

  test('the user’s own types and formats do not touch what the driver asks', async () => {
    const config: mysql.ConnectionOptions = {
      ...(await configOf()),
      typeCast: () => 'nonsense',
      queryFormat: () => 'nonsense',
      rowsAsArray: false,
      nestTables: true,
      namedPlaceholders: true,
    } as mysql.ConnectionOptions;
    await withMysqlConnection(config, {}, async (connection) => {
      expect(await connection.check(1_000)).toBe(true);
      expect(await connection.look([{ label: 'none' }], 1_000)).toEqual([false]);
    });
  });
});

describe('what a borrower does to its session', () => {
  test('autocommit switched off is an open transaction: it is rolled back', async () => {
    await withMysqlConnection(await configOf(), {}, async (connection: Promised) => {
      await connection.client.query('CREATE TABLE things (id integer)');
      await connection.client.query('SET autocommit = 0');
      await connection.client.query('INSERT INTO things VALUES (1)');
      expect(connection.isClean).toBe(false);
      await connection.client.query('SET @kept = 1');
      expect(await connection.reset(1_000)).toMatchObject({ wasInTransaction: true });
      expect(await soleValueOf(connection.client, 'SELECT COUNT(*) FROM things')).toBe(0);
    });
  });

  test('with resetSession nothing of it is left, and the session is labelled and settled as before', async () => {
    const config = await configOf();
    const options = { resetSession: true };
    const work = async (connection: Promised): Promise<void> => {
      const { client } = connection;
      await client.query('SET @mine = 1, SESSION wait_timeout = 99, SESSION sql_mode = ""');
      await client.query('CREATE TEMPORARY TABLE mine (id integer)');
      await client.execute('SELECT 1');
      expect(connection.isClean).toBe(false);
      expect(await connection.reset(1_000)).toEqual({ isFit: true, wasInTransaction: false });
      expect(connection.isClean).toBe(true);
      expect(await soleValueOf(client, 'SELECT @mine')).toBeNull();
      expect(await variable(client, 'wait_timeout')).toBe(60);
      await expect(client.query('SELECT * FROM mine')).rejects.toMatchObject({ code: 'ER_NO_SUCH_TABLE' });
      await withMysqlConnection(config, { label: OTHER }, async (other) => {
        expect(await other.look([{ label: LABEL }], 1_000)).toEqual([true]);
        expect((await other.census(PREFIX, 1_000)).sessions).toHaveLength(2);
      });
    };
    await withMysqlConnection(config, { label: LABEL }, work, options);
  });

  test('with resetSession a borrower that went to another database is the last one of its connection', async () => {
    const options = { resetSession: true };
    const work = async (connection: Promised): Promise<void> => {
      await connection.client.query('USE information_schema');
      expect(await connection.reset(1_000)).toMatchObject({ isFit: false });
    };
    await withMysqlConnection(await configOf(), {}, work, options);
  });

  test('its own reset loses neither the label nor the idle time', async () => {
    const config = await configOf();
    await withMysqlConnection(config, { label: LABEL, idleMs: 9_000 }, async ({ client }: Promised) => {
      await client.reset();
      await eventually(async () => (await variable(client, 'wait_timeout')) === 9);
      await withMysqlConnection(config, { label: OTHER }, async (other) => {
        expect(await other.end([{ label: LABEL }], 1_000)).toEqual(['seen']);
      });
    });
  });

  test('another user’s session is not the lease’s: it is not lent again', async () => {
    const [config, stranger] = [await configOf(), await configOf()];
    await withMysqlConnection(config, {}, async (connection: Promised) => {
      const { user, password, database } = stranger;
      await connection.client.changeUser({
        ...(user ? { user } : {}),
        ...(password ? { password } : {}),
        ...(database ? { database } : {}),
      });
      expect(connection.isClean).toBe(false);
      expect(await connection.reset(1_000)).toMatchObject({ isFit: false });
    });
  });

  test('one that gives up its locks is found by its thread', async () => {
    const config = await configOf();
    await withMysqlConnection(config, { label: LABEL }, async (lost: Promised) => {
      await lost.client.query('SELECT RELEASE_ALL_LOCKS()');
      await withMysqlConnection(config, { label: OTHER }, async (other) => {
        const target = { label: LABEL, session: lost.session };
        expect(await other.look([target], 1_000)).toEqual([true]);
        expect(await other.end([target], 1_000)).toEqual(['seen']);
      });
    });
  });
});

describe('a session without a label', () => {
  test('may be the one of a lease that was never bound, and so its absence proves nothing', async () => {
    const config = await configOf();
    const stranger = await mysqlPromise.createConnection(config);
    await withMysqlConnection(config, { label: LABEL }, async (looker) => {
      const bound = { label: OTHER, session: `${looker.server}.zz` };
      expect(await looker.look([{ label: OTHER }, bound], 1_000)).toEqual([true, false]);
      expect(await looker.end([{ label: OTHER }], 1_000)).toEqual(['absent']);
      expect(await looker.census(PREFIX, 1_000)).toMatchObject({ foreign: 1 });
      await stranger.end();
      await eventually(async () => (await looker.look([{ label: OTHER }], 1_000))[0] === false);
      expect(await looker.census(PREFIX, 1_000)).toMatchObject({ foreign: 0 });
    });
  });

  test('whose label another session has is refused, and leaves nothing behind', async () => {
    const config = await configOf(2);
    await withMysqlConnection(config, { label: LABEL }, async (first) => {
      const second = await mysqlDriver(mysqlPromise, config).open(request({ label: LABEL }));
      expect(second).toMatchObject({ kind: 'refused', failure: 'rejected' });
      expect(await first.census(PREFIX, 1_000)).toMatchObject({ foreign: 0 });
    });
  });
});

describe('an administrator’s connection', () => {
  test('sees, counts and ends the sessions of the user that it was given', async () => {
    const config = await configOf();
    const { adminUrl } = mariadbAdmin();
    const options = { role: String(config.user) };
    const driver = mysqlDriver(mysqlPromise, { uri: adminUrl }, options);
    const opened = await driver.open(request({ label: 'lh-sweep:orders.abc123' }));
    if (opened.kind !== 'open') throw opened.error;
    await withMysqlConnection(config, { label: LABEL }, async (leased) => {
      const stranger = await mysqlPromise.createConnection(config);
      expect(await opened.connection.census(PREFIX, 1_000)).toEqual({
        sessions: [{ label: LABEL, session: leased.session }],
        foreign: 1,
      });
      expect(await opened.connection.end([{ label: LABEL }], 1_000)).toEqual(['seen']);
      await stranger.end();
    });
    await opened.connection.close(1_000);
  });
});

describe('a wrong configuration is refused when the driver is made', () => {
  const problemsOf = (module: unknown, config: unknown): readonly string[] => {
    try {
      mysqlDriver(module as MysqlModule<unknown>, config as mysql.ConnectionOptions);
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
      return Reflect.get(Object(Reflect.get(Object(error), 'details')), 'problems') as string[];
    }
    return [];
  };

  test('all problems come at once', () => {
    expect(problemsOf({}, { stream: {} })).toHaveLength(2);
    expect(problemsOf(mysql, undefined)[0]).toContain('configuration object');
    expect(problemsOf(mysql, { port: 70_000 })[0]).toContain('port');
  });

  test('a module that is not mysql2, or too old, is named', () => {
    expect(problemsOf({}, {})[0]).toContain('module `mysql2`');
    const old = { createConnection: () => undefined, createPool: () => undefined, Connection: class {} };
    expect(problemsOf(old, {})[0]).toContain('3.24');
  });

  test('a malformed address is refused without being repeated', () => {
    const uri = ['mysql://user:', 's3cret', '@host:notaport/db'].join('');
    const [problem] = problemsOf(mysql, { uri });
    expect(problem).toContain('malformed');
    expect(problem).not.toContain('s3cret');
  });
});
