import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { DriverConnection, OpenRequest, ResetResult } from '../../lib/driver/driver.ts';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { eventually } from '../support/eventually.ts';
import {
  configOf,
  openRequest,
  settingOf,
  startBarePooler,
  withConnection,
} from '../support/postgres-session.ts';
import { freshRole, freshRoleAndDatabase, postgresAdmin } from '../support/servers.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

type Connection = DriverConnection<pg.Client>;
type Work = (connection: Connection) => Promise<void>;

const TIMEOUT_MS = 3_000;
const RESETTING = { resetSession: true };

/** Opens through a pooler that takes no startup options. */
const withBareConnection = async (changes: Partial<OpenRequest>, work: Work): Promise<void> => {
  const { host, port, stop } = await startBarePooler();
  const config = { ...configOf(await freshRole(1)), host, port };
  await withConnection(config, changes, work, RESETTING);
  await stop();
};

/** The first value of the first row, as text; of a failure its code. */
const probe = async (client: pg.Client, statement: string): Promise<string> => {
  try {
    const { rows } = await client.query({ text: statement, rowMode: 'array' });
    return String(rows[0]?.[0]);
  } catch (error) {
    return String(Reflect.get(Object(error), 'code'));
  }
};

describe('the statement timeout of the lease', () => {
  test('stands from birth: what runs too long fails with 57014, and the connection goes on', async () => {
    const config = configOf(await freshRole(1));
    await withConnection(config, { statementTimeoutMs: 1_500 }, async ({ client }) => {
      expect(await settingOf(client, 'statement_timeout')).toBe('1500ms');
      // Not set later: that would be the session's.
      const source = "SELECT source FROM pg_settings WHERE name = 'statement_timeout'";
      expect(await probe(client, source)).toBe('client');
    });
    await withConnection(config, { statementTimeoutMs: 50 }, async ({ client }) => {
      await expect(client.query('SELECT pg_sleep(5)')).rejects.toMatchObject({ code: '57014' });
      expect(await probe(client, 'SELECT 7')).toBe('7');
    });
  });

  test('is not set when it is absent or 0: then the role’s own stands', async () => {
    const role = await freshRole(1);
    await postgresAdmin().query(`ALTER ROLE "${role.user}" SET statement_timeout = '42s'`);
    for (const changes of [{}, { statementTimeoutMs: 0 }]) {
      await withConnection(configOf(role), changes, async ({ client }) => {
        expect(await settingOf(client, 'statement_timeout')).toBe('42s');
      });
    }
    await withConnection(configOf(role), { statementTimeoutMs: 7_000 }, async ({ client }) => {
      expect(await settingOf(client, 'statement_timeout')).toBe('7s');
    });
  });

  test.each<[string, pg.ClientConfig, string]>([
    ['in pg’s config', { statement_timeout: 3_000 }, '3s'],
    ['in pg’s config as 0', { statement_timeout: 0 }, '0'],
    ['in options', { options: '-c statement_timeout=3s' }, '3s'],
    ['in options, spelled differently', { options: '--Statement-Timeout=3s' }, '3s'],
  ])('gives way to the user’s own %s', async (_, own, shown) => {
    const config = { ...configOf(await freshRole(1)), ...own };
    await withConnection(config, { statementTimeoutMs: 9_000 }, async ({ client }) => {
      expect(await settingOf(client, 'statement_timeout')).toBe(shown);
    });
  });

  test('gives way to the user’s own in a connection string', async () => {
    const { url } = await freshRole(1);
    for (const query of ['statement_timeout=3000', 'options=-c%20statement_timeout%3D3s']) {
      const config = { connectionString: `${url}?${query}` };
      await withConnection(config, { statementTimeoutMs: 9_000 }, async ({ client }) => {
        expect(await settingOf(client, 'statement_timeout')).toBe('3s');
      });
    }
  });

  test('is set right after the login where a pooler takes no options', async () => {
    await withBareConnection({ statementTimeoutMs: 50 }, async ({ client }) => {
      expect(await settingOf(client, 'statement_timeout')).toBe('50ms');
      await expect(client.query('SELECT pg_sleep(5)')).rejects.toMatchObject({ code: '57014' });
    });
  });
});

/** What a borrower may leave in its session: how, how it shows, and what it shows before and after. */
interface LeftOver {
  readonly leave: string;
  readonly ask: string;
  readonly left: string;
  readonly gone: string;
}

const LEFT_OVERS: Record<string, LeftOver> = {
  'a setting': {
    leave: "SET work_mem = '1234kB'",
    ask: "SELECT current_setting('work_mem')",
    left: '1234kB',
    gone: '4MB',
  },
  'a setting of the application': {
    leave: "SET app.tenant = 'acme'",
    ask: "SELECT coalesce(current_setting('app.tenant', true), '')",
    left: 'acme',
    gone: '',
  },
  'a transaction default': {
    leave: 'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY',
    ask: "SELECT current_setting('default_transaction_read_only')",
    left: 'on',
    gone: 'off',
  },
  'a statement timeout too short for anything': {
    leave: "SET statement_timeout = '30ms'",
    ask: "SELECT current_setting('statement_timeout')",
    left: '30ms',
    gone: '0',
  },
  'a subscription': {
    leave: 'LISTEN news',
    ask: 'SELECT count(*) FROM pg_listening_channels()',
    left: '1',
    gone: '0',
  },
  'a temporary table': {
    leave: 'CREATE TEMPORARY TABLE mine (n int)',
    ask: "SELECT to_regclass('pg_temp.mine')",
    left: 'mine',
    gone: 'null',
  },
  'advisory locks': {
    leave: 'SELECT pg_advisory_lock(4711), pg_advisory_lock(4711), pg_advisory_lock_shared(1, 2)',
    ask: "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    left: '2',
    gone: '0',
  },
  'a cursor that outlives its transaction': {
    leave: 'DECLARE held CURSOR WITH HOLD FOR SELECT generate_series(1, 9)',
    ask: "SELECT count(*) FROM pg_cursors WHERE name = 'held'",
    left: '1',
    gone: '0',
  },
  'the last value of a sequence': {
    leave: "CREATE SCHEMA mine; CREATE SEQUENCE mine.counter; SELECT nextval('mine.counter')",
    ask: 'SELECT lastval()',
    left: '1',
    gone: '55000',
  },
};

const ENDINGS: Record<string, (client: pg.Client) => Promise<unknown>> = {
  'no transaction': async () => undefined,
  'an open transaction': (client) => client.query('BEGIN'),
  'an aborted transaction': async (client) => {
    await client.query('BEGIN');
    await expect(client.query('SELECT 1 / 0')).rejects.toThrow();
  },
};

describe('with resetSession the next borrower finds nothing of the last one’s', () => {
  for (const [name, { leave, ask, left, gone }] of Object.entries(LEFT_OVERS)) {
    test.each(Object.entries(ENDINGS))(`${name}, left with %s`, async (ending, end) => {
      const config = configOf(await freshRoleAndDatabase(1));
      const work: Work = async (connection) => {
        const { client } = connection;
        await client.query(leave);
        expect(await probe(client, ask)).toBe(left);
        await end(client);
        expect(connection.isClean).toBe(false);
        const wasInTransaction = ending !== 'no transaction';
        expect(await connection.reset(TIMEOUT_MS)).toEqual({ isFit: true, wasInTransaction });
        expect(connection.isClean).toBe(true);
        expect(await probe(client, ask)).toBe(gone);
      };
      await withConnection(config, {}, work, RESETTING);
    });
  }

  test('a role that was put on', async () => {
    const role = await freshRole(1);
    const other = await freshRole(1);
    await postgresAdmin().query(`GRANT "${other.user}" TO "${role.user}"`);
    const work: Work = async (connection) => {
      await connection.client.query(`SET ROLE "${other.user}"`);
      expect(await connection.reset(TIMEOUT_MS)).toEqual({ isFit: true, wasInTransaction: false });
      expect(await probe(connection.client, 'SELECT current_user')).toBe(role.user);
    };
    await withConnection(configOf(role), {}, work, RESETTING);
  });

  test('a role that was put off: the session has again the one that it was given at login', async () => {
    const role = await freshRole(1);
    const other = await freshRole(1);
    await postgresAdmin().query(`GRANT "${other.user}" TO "${role.user}"`);
    await postgresAdmin().query(`ALTER ROLE "${role.user}" SET role = '${other.user}'`);
    // Else it could not see who its own session is.
    await postgresAdmin().query(`GRANT pg_read_all_stats TO "${other.user}"`);
    const work: Work = async (connection) => {
      expect(await probe(connection.client, 'SELECT current_user')).toBe(other.user);
      await connection.client.query('SET ROLE NONE');
      await connection.reset(TIMEOUT_MS);
      expect(await probe(connection.client, 'SELECT current_user')).toBe(other.user);
    };
    await withConnection(configOf(role), {}, work, RESETTING);
  });

  test('a session authorization', async () => {
    const other = await freshRole(1);
    const work: Work = async (connection) => {
      await connection.client.query(`SET SESSION AUTHORIZATION "${other.user}"`);
      await connection.client.query("SET work_mem = '1234kB'");
      expect(await connection.reset(TIMEOUT_MS)).toMatchObject({ isFit: true });
      expect(await probe(connection.client, 'SELECT session_user')).toBe('postgres');
      expect(await settingOf(connection.client, 'work_mem')).toBe('4MB');
    };
    await withConnection({ connectionString: postgresAdmin().adminUrl }, {}, work, RESETTING);
  });
});

describe('what a reset of the session keeps', () => {
  const OWN = { idleMs: 7_000, statementTimeoutMs: 5_000, label: "lh:it's.\\abc:lease:1" };
  const UNDOING =
    "SET SESSION application_name = 'mine'; SET idle_session_timeout = 0; SET statement_timeout = 0; " +
    'SET idle_in_transaction_session_timeout = 0; SET standard_conforming_strings = off';

  const keepsItsOwn: Work = async (connection) => {
    const { client } = connection;
    await client.query(UNDOING);
    expect(await connection.reset(TIMEOUT_MS)).toEqual({ isFit: true, wasInTransaction: false });
    expect(await settingOf(client, 'application_name')).toBe(OWN.label);
    expect(await settingOf(client, 'idle_session_timeout')).toBe('7s');
    expect(await settingOf(client, 'idle_in_transaction_session_timeout')).toBe('7s');
    expect(await settingOf(client, 'statement_timeout')).toBe('5s');
    const labels = await postgresAdmin().query('SELECT 1 FROM pg_stat_activity WHERE application_name = $1', [
      OWN.label,
    ]);
    expect(labels).toHaveLength(1);
  };

  test('the label and the timeouts of the lease, also those that its borrower had undone', async () => {
    await withConnection(configOf(await freshRole(1)), OWN, keepsItsOwn, RESETTING);
  });

  test('the same where a pooler takes no options, so that they were set after the login', async () => {
    await withBareConnection(OWN, keepsItsOwn);
  });

  test('the same in a transaction there', async () => {
    await withBareConnection(OWN, async (connection) => {
      await connection.client.query('BEGIN');
      await connection.client.query(UNDOING);
      await expect(connection.client.query('SELECT 1 / 0')).rejects.toThrow();
      expect(await connection.reset(TIMEOUT_MS)).toEqual({ isFit: true, wasInTransaction: true });
      await keepsItsOwn(connection);
    });
  });

  test('the user’s own startup options', async () => {
    const config = {
      ...configOf(await freshRole(1)),
      options: '-c work_mem=1234kB',
      statement_timeout: 4_000,
    };
    const work: Work = async (connection) => {
      await connection.client.query("SET work_mem = '2345kB'; SET statement_timeout = 0");
      await connection.reset(TIMEOUT_MS);
      expect(await settingOf(connection.client, 'work_mem')).toBe('1234kB');
      expect(await settingOf(connection.client, 'statement_timeout')).toBe('4s');
    };
    await withConnection(config, OWN, work, RESETTING);
  });

  test('prepared statements: pg remembers them by name and would not prepare them again', async () => {
    const work: Work = async (connection) => {
      const { client } = connection;
      const named = { name: 'double', text: 'SELECT $1::int * 2 AS n' };
      await client.query({ ...named, values: [4] });
      await connection.reset(TIMEOUT_MS);
      expect((await client.query({ ...named, values: [5] })).rows).toEqual([{ n: 10 }]);
      expect(await probe(client, 'SELECT count(*) FROM pg_prepared_statements')).toBe('1');
    };
    await withConnection(configOf(await freshRole(1)), {}, work, RESETTING);
  });
});

describe('when a reset of the session is due', () => {
  /** Opens through a proxy that counts, and that can be stalled. */
  const throughProxy = async (
    work: (connection: Connection, proxy: Awaited<ReturnType<typeof startTcpProxy>>) => Promise<void>,
  ): Promise<void> => {
    const { host, port } = postgresAdmin();
    const proxy = await startTcpProxy({ host, port });
    const config = { ...configOf(await freshRole(1)), host: proxy.host, port: proxy.port };
    await withConnection(config, {}, (connection) => work(connection, proxy), RESETTING);
    await proxy.stop();
  };

  test('a loan that sends nothing costs no round trip, and neither does what the driver asks itself', async () => {
    await throughProxy(async (connection, proxy) => {
      expect(connection.isClean).toBe(true);
      const before = proxy.counters.bytesUp;
      expect(await connection.reset(TIMEOUT_MS)).toEqual({ isFit: true, wasInTransaction: false });
      expect(proxy.counters.bytesUp).toBe(before);
      await Promise.all([connection.check(TIMEOUT_MS), connection.check(TIMEOUT_MS)]);
      await connection.look([{ label: 'none' }], TIMEOUT_MS);
      expect(connection.isClean).toBe(true);
    });
  });

  test('a loan that sent something costs one, whatever it was, and the next untouched one none again', async () => {
    await throughProxy(async (connection, proxy) => {
      for (const statement of ['SELECT 1', "SET work_mem = '1MB'", 'BEGIN']) {
        await connection.client.query(statement);
        expect(connection.isClean).toBe(false);
        const before = proxy.counters.piecesUp;
        expect(await connection.reset(TIMEOUT_MS)).toMatchObject({ isFit: true });
        expect(proxy.counters.piecesUp - before).toBe(1);
        expect(connection.isClean).toBe(true);
      }
    });
  });

  test('a statement that failed, or that nobody awaited, counts as well', async () => {
    await throughProxy(async (connection) => {
      await expect(connection.client.query('SELECT 1 / 0')).rejects.toThrow();
      expect(connection.isClean).toBe(false);
      await connection.reset(TIMEOUT_MS);
      const notAwaited = [
        connection.client.query("SET work_mem = '1234kB'"),
        connection.client.query('BEGIN'),
        connection.client.query("SET work_mem = '2345kB'"),
      ];
      expect(connection.isClean).toBe(false);
      expect(await connection.reset(TIMEOUT_MS)).toEqual({ isFit: true, wasInTransaction: true });
      await Promise.all(notAwaited);
      expect(await settingOf(connection.client, 'work_mem')).toBe('4MB');
    });
  });

  test('a statement that never passed its gate leaves nothing to reset', async () => {
    const refused = Promise.reject(new Error('lease lost'));
    refused.catch(() => undefined);
    let opening: Promise<void> | undefined;
    const work: Work = async (connection) => {
      opening = refused;
      await expect(connection.client.query('SELECT 1')).rejects.toThrow('lease lost');
      expect(connection.isClean).toBe(true);
    };
    await withConnection(configOf(await freshRole(1)), { gate: () => opening }, work, RESETTING);
  });

  test('one that is not answered in time makes the connection unfit, at the bound', async () => {
    await throughProxy(async (connection, proxy) => {
      await connection.client.query('BEGIN');
      proxy.stall();
      const startedAt = performance.now();
      expect(await connection.reset(100)).toEqual({ isFit: false, wasInTransaction: true });
      expect(performance.now() - startedAt).toBeLessThan(600);
      expect(connection.isOpen).toBe(false);
    });
  });

  test('one that the server refuses makes the connection unfit', async () => {
    const { host, port } = postgresAdmin();
    const proxy = await startTcpProxy({
      host,
      port,
      onClientData: (data) =>
        Buffer.from(data.toString('latin1').replace('DISCARD TEMP', 'DISCARD TEMQ'), 'latin1'),
    });
    const config = { ...configOf(await freshRole(1)), host: proxy.host, port: proxy.port };
    const work: Work = async (connection) => {
      await connection.client.query('SELECT 1');
      expect(await connection.reset(TIMEOUT_MS)).toEqual({ isFit: false, wasInTransaction: false });
    };
    await withConnection(config, {}, work, RESETTING);
    await proxy.stop();
  });

  test('without resetSession, none is ever due: state stays as it does in pg.Pool', async () => {
    await withConnection(configOf(await freshRole(1)), {}, async (connection) => {
      await connection.client.query("SET work_mem = '1234kB'");
      expect(connection.isClean).toBe(true);
      const reset: ResetResult = await connection.reset(TIMEOUT_MS);
      expect(reset).toEqual({ isFit: true, wasInTransaction: false });
      await connection.client.query('BEGIN');
      expect(await connection.reset(TIMEOUT_MS)).toEqual({ isFit: true, wasInTransaction: true });
      expect(await settingOf(connection.client, 'work_mem')).toBe('1234kB');
    });
  });
});

describe('a statement that is cancelled because its connection is closed', () => {
  test('is not merely cut off: the server stops it, through an extra connection that is no session', async () => {
    const role = await freshRole(1);
    const result = await postgresDriver(pg, configOf(role)).open(openRequest());
    if (result.kind !== 'open') throw result.error;
    const { connection } = result;
    const running = expect(connection.client.query('SELECT pg_sleep(60)')).rejects.toThrow();
    await eventually(async () => {
      const asleep = await postgresAdmin().query(
        "SELECT 1 FROM pg_stat_activity WHERE usename = $1 AND wait_event = 'PgSleep'",
        [role.user],
      );
      return asleep.length === 1;
    });
    const startedAt = performance.now();
    // The role may have one session: were the courier one as well, it would be refused.
    expect(await connection.close(TIMEOUT_MS)).toMatchObject({ endSeen: true });
    expect(performance.now() - startedAt).toBeLessThan(500);
    await running;
  });

  test('a courier that does not get through hurts nobody, and leaves nothing behind', async () => {
    const { host, port } = postgresAdmin();
    const proxy = await startTcpProxy({ host, port });
    const config = { ...configOf(await freshRole(1)), host: proxy.host, port: proxy.port };
    await withConnection(config, {}, async (connection) => {
      const running = connection.client.query('SELECT pg_sleep(0.3)');
      await proxy.refuse();
      expect(await connection.close(TIMEOUT_MS)).toMatchObject({ endSeen: true });
      // Nobody has stopped it.
      expect((await running).rowCount).toBe(1);
      expect(proxy.counters.accepted).toBe(1);
    });
    await proxy.stop();
  });
});
