import { describe, expect, test } from '@jest/globals';
import pg, * as pgNamespace from 'pg';
import { type Clock, systemClock } from '../../lib/core/clock.ts';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { eventually, pause } from '../support/eventually.ts';
import { holdInChild } from '../support/kept-connection.ts';
import {
  configOf,
  openRequest as request,
  settingOf as setting,
  startBarePooler,
  withConnection,
} from '../support/postgres-session.ts';
import { freshPrefix, freshRole, postgresAdmin } from '../support/servers.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { describeDriver } from './driver.contract.ts';

describeDriver('postgresDriver', {
  setUp: async (limit) => {
    const admin = postgresAdmin();
    const [role, foreign] = [await freshRole(limit), await freshRole(5)];
    return {
      address: { host: admin.host, port: admin.port },
      password: role.password,
      driver: ({ address, password } = {}) =>
        postgresDriver(pg, {
          ...configOf(role),
          ...(address ? { host: address.host, port: address.port } : {}),
          ...(password ? { password } : {}),
        }),
      foreignDriver: () => postgresDriver(pg, configOf(foreign)),
      run: async (client, statement) => Object.values((await client.query(statement)).rows?.[0] ?? {})[0],
      labels: async () => {
        const rows = await admin.query<{ label: string }>(
          `SELECT application_name AS label FROM pg_stat_activity WHERE usename = ANY ($1) ORDER BY 1`,
          [[role.user, foreign.user]],
        );
        return rows.map(({ label }) => label);
      },
      hold: (label, isWanted) => holdInChild({ config: configOf(role), label, isWanted }),
      kill: async (label) => {
        await admin.query(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND application_name = $2',
          [role.user, label],
        );
      },
      statements: {
        value: (n) => `SELECT ${n}`,
        begin: 'BEGIN',
        fail: 'SELECT 1 / 0',
        sleep: (ms) => `SELECT pg_sleep(${ms / 1_000})::text`,
      },
    };
  },
});

describe('the borrower gets the client of its own pg', () => {
  test('it is an instance of the module’s Client and has its name, imported either way', async () => {
    const role = await freshRole(2);
    for (const module of [pg, pgNamespace]) {
      const result = await postgresDriver(module, configOf(role)).open(request());
      if (result.kind !== 'open') throw result.error;
      expect(result.connection.client).toBeInstanceOf(pg.Client);
      expect(result.connection.client.constructor.name).toBe('Client');
      await result.connection.close(1_000);
    }
  });

  test('an open gate costs no tick: the statement is sent in the tick of its call', async () => {
    await withConnection(configOf(await freshRole(1)), {}, async ({ client }) => {
      const stream = client.connection.stream;
      const before = Reflect.get(stream, '_bytesDispatched') as number;
      const answer = client.query('SELECT 1');
      expect(Reflect.get(stream, '_bytesDispatched')).toBeGreaterThan(before);
      await answer;
    });
  });
});

describe('D6 holds in every form of a statement', () => {
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

  const forms: Record<string, (client: pg.Client) => Promise<unknown>> = {
    promise: (client) => client.query('SELECT 1 AS one').then(({ rows }) => rows[0]),
    'promise with values': (client) => client.query('SELECT $1::int AS one', [1]).then(({ rows }) => rows[0]),
    'config object': (client) => client.query({ text: 'SELECT 1 AS one' }).then(({ rows }) => rows[0]),
    callback: (client) =>
      new Promise((resolve, reject) => {
        const returned: unknown = client.query('SELECT 1 AS one', (error: Error, result: pg.QueryResult) =>
          error ? reject(error) : resolve(result.rows[0]),
        );
        expect(returned).toBeUndefined();
      }),
    'values and callback': (client) =>
      new Promise((resolve, reject) => {
        client.query('SELECT $1::int AS one', [1], (error: Error, result: pg.QueryResult) =>
          error ? reject(error) : resolve(result.rows[0]),
        );
      }),
    Submittable: (client) =>
      new Promise((resolve, reject) => {
        const query = new pg.Query('SELECT 1 AS one');
        query.on('row', (row) => resolve(row));
        query.on('error', reject);
        expect(client.query(query)).toBe(query);
      }),
    'Submittable with callback': (client) =>
      new Promise((resolve, reject) => {
        const query = new pg.Query('SELECT 1 AS one', (error: Error | undefined, result) =>
          error ? reject(error) : resolve(result.rows[0]),
        );
        client.query(query);
      }),
  };

  for (const [name, run] of Object.entries(forms)) {
    test(`${name}: waits for the gate, and fails in its own form when the lease is lost`, async () => {
      const { gate, shut, open, lose } = makeGate();
      await withConnection(configOf(await freshRole(1)), { gate }, async ({ client }) => {
        expect(await run(client)).toEqual({ one: 1 });
        shut();
        const waiting = run(client);
        open();
        expect(await waiting).toEqual({ one: 1 });
        shut();
        const losing = expect(run(client)).rejects.toThrow('lease lost');
        lose(new Error('lease lost'));
        await losing;
        expect(await run(client)).toEqual({ one: 1 });
      });
    });
  }

  test('a Submittable of another library is told through handleError and never submitted', async () => {
    const { gate, shut, lose } = makeGate();
    await withConnection(configOf(await freshRole(1)), { gate }, async ({ client }) => {
      shut();
      const calls: string[] = [];
      const cursor = {
        submit: () => void calls.push('submit'),
        handleError: (error: Error) => void calls.push(error.message),
      };
      client.query(cursor);
      lose(new Error('lease lost'));
      await eventually(() => calls.length > 0);
      expect(calls).toEqual(['lease lost']);
    });
  });

  test('a mistake of the caller stays a mistake of the caller', async () => {
    await withConnection(configOf(await freshRole(1)), {}, async ({ client }) => {
      expect(() => client.query(null as unknown as string)).toThrow(TypeError);
      expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    });
  });

  test('with pg’s pipeline mode the gate holds as well', async () => {
    const { gate, shut, open } = makeGate();
    const config = { ...configOf(await freshRole(1)), pipeline: true };
    await withConnection(config, { gate }, async (connection) => {
      const { client } = connection;
      const ones = () => Promise.all([1, 2, 3].map((n) => client.query('SELECT $1::int AS n', [n])));
      expect((await ones()).map(({ rows }) => rows[0].n)).toEqual([1, 2, 3]);
      shut();
      const waiting = ones();
      open();
      expect((await waiting).map(({ rows }) => rows[0].n)).toEqual([1, 2, 3]);
      expect(await connection.reset(1_000)).toEqual({ isFit: true, wasInTransaction: false });
      expect(await connection.check(1_000)).toBe(true);
    });
  });
});

describe('the session settings', () => {
  test('the idle timeouts stand from the login on, behind the user’s own options', async () => {
    const config = {
      ...configOf(await freshRole(1)),
      options: '-c work_mem=1234kB',
      application_name: 'mine',
    };
    await withConnection(config, { idleMs: 1_500 }, async ({ client }) => {
      expect(await setting(client, 'idle_session_timeout')).toBe('1500ms');
      expect(await setting(client, 'idle_in_transaction_session_timeout')).toBe('1500ms');
      expect(await setting(client, 'work_mem')).toBe('1234kB');
      expect(await setting(client, 'application_name')).toBe('lh:orders.abc123:lease:1');
    });
  });

  test('they stand as well when everything comes in a connection string', async () => {
    const { url } = await freshRole(1);
    const connectionString = `${url}?application_name=mine&options=-c%20work_mem%3D1234kB`;
    await withConnection({ connectionString }, { idleMs: 2_000 }, async ({ client }) => {
      expect(await setting(client, 'application_name')).toBe('lh:orders.abc123:lease:1');
      expect(await setting(client, 'idle_session_timeout')).toBe('2s');
      expect(await setting(client, 'work_mem')).toBe('1234kB');
    });
  });

  test('a server that takes the options is asked nothing but who this session is', async () => {
    const role = await freshRole(1);
    const { host, port } = postgresAdmin();
    let sent = '';
    const proxy = await startTcpProxy({
      host,
      port,
      onClientData: (data) => {
        sent += data.toString('latin1');
        return undefined;
      },
    });
    await withConnection({ ...configOf(role), host: proxy.host, port: proxy.port }, {}, async () => {
      expect(sent.match(/SELECT/g)).toHaveLength(1);
      expect(sent).not.toContain('set_config');
    });
    await proxy.stop();
  });

  test('a server that does not know them gets those that it knows, and the driver remembers', async () => {
    const role = await freshRole(1);
    const { host, port } = postgresAdmin();
    const proxy = await startTcpProxy({
      host,
      port,
      // The real server's own 42704, for a setting that it really does not know.
      onClientData: (data) =>
        Buffer.from(
          data.toString('latin1').replace('-c idle_session_timeout', '-c idle_session_timeouX'),
          'latin1',
        ),
    });
    const driver = postgresDriver(pg, { ...configOf(role), host: proxy.host, port: proxy.port });
    for (const accepted of [2, 3]) {
      const result = await driver.open(request({ idleMs: 7_000 }));
      if (result.kind !== 'open') throw result.error;
      expect(proxy.counters.accepted).toBe(accepted);
      const { client } = result.connection;
      expect(await setting(client, 'idle_in_transaction_session_timeout')).toBe('7s');
      // This server does know it, and so has it set right after the login.
      expect(await setting(client, 'idle_session_timeout')).toBe('7s');
      await result.connection.close(1_000);
    }
    await proxy.stop();
  });

  test('a pooler that takes no options gets the settings after the login', async () => {
    const role = await freshRole(1);
    const proxy = await startBarePooler();
    const driver = postgresDriver(pg, { ...configOf(role), host: proxy.host, port: proxy.port });
    const result = await driver.open(request({ idleMs: 7_000 }));
    if (result.kind !== 'open') throw result.error;
    const { client } = result.connection;
    expect(proxy.counters.accepted).toBe(2);
    expect(await setting(client, 'idle_session_timeout')).toBe('7s');
    expect(await setting(client, 'idle_in_transaction_session_timeout')).toBe('7s');
    await result.connection.close(1_000);
    await proxy.stop();
  });

  test('a setting of the user’s own that the server refuses is rejected in the end, with the server’s words', async () => {
    const config = { ...configOf(await freshRole(1)), options: '-c no_such_thing=1' };
    const result = await postgresDriver(pg, config).open(request());
    expect(result).toMatchObject({ kind: 'refused', failure: 'rejected' });
    expect(String((result as { error: Error }).error)).toContain('no_such_thing');
  });

  test('an unknown database is rejected, and no retry mends it', async () => {
    const config = { ...configOf(await freshRole(1)), database: 'nowhere' };
    const result = await postgresDriver(pg, config).open(request());
    expect(result).toMatchObject({ kind: 'refused', failure: 'rejected', error: { retryable: false } });
  });

  test('a password that cannot be had ends in a refusal, the server was not even asked, and a retry may mend it', async () => {
    const config = {
      ...configOf(await freshRole(1)),
      password: () => Promise.reject(new Error('no password today')),
    };
    const result = await postgresDriver(pg, config).open(request());
    const error = {
      code: 'CONNECT_FAILED',
      retryable: true,
      message: expect.stringMatching('no password today'),
    };
    expect(result).toMatchObject({ kind: 'refused', failure: 'credentials', error });
  });
});

test('a password that comes too late opens nothing: it is refused in time, and not left to chance', async () => {
  const late = async (): Promise<string> => {
    await pause(290);
    return 'secret';
  };
  const config = { ...configOf(await freshRole(1)), password: late };
  const result = await postgresDriver(pg, config).open(request({ timeoutMs: 300 }));
  expect(result).toMatchObject({ kind: 'refused', failure: 'credentials' });
});

/** Lets the server's message with this code through, and holds back everything after it: above all the FIN. */
const holdAfter = async (code: string) => {
  const { host, port } = postgresAdmin();
  const proxy = await startTcpProxy({
    host,
    port,
    onServerData: (data, link) => {
      if (!data.toString('latin1').includes(`\0C${code}\0`)) return undefined;
      link.answer(data);
      proxy.stall('down');
      return Buffer.alloc(0);
    },
  });
  return proxy;
};

describe('an end is told only when the server has closed the socket, for until then its slot may count', () => {
  test('D1 a refused login is answered after the FIN', async () => {
    const proxy = await holdAfter('28P01');
    const config = { ...configOf(await freshRole(1)), host: proxy.host, port: proxy.port, password: 'wrong' };
    let isAnswered = false;
    const opening = postgresDriver(pg, config)
      .open(request())
      .finally(() => {
        isAnswered = true;
      });
    await eventually(() => proxy.counters.accepted === 1 && proxy.counters.bytesUp > 100);
    await pause(100);
    expect(isAnswered).toBe(false);
    proxy.pass();
    expect(await opening).toMatchObject({ kind: 'refused', failure: 'auth' });
    await proxy.stop();
  });

  test('D5 an open connection is over with the fatal message, and its end is told after the FIN', async () => {
    const proxy = await holdAfter('57P01');
    const role = await freshRole(1);
    const config = { ...configOf(role), host: proxy.host, port: proxy.port };
    await withConnection(config, {}, async (connection) => {
      let ends = 0;
      connection.onEnd(() => {
        ends += 1;
      });
      const kill = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1';
      await postgresAdmin().query(kill, [role.user]);
      await eventually(() => !connection.isOpen);
      await pause(50);
      expect(ends).toBe(0);
      proxy.pass();
      await eventually(() => ends === 1);
      expect(await connection.close(1_000)).toMatchObject({ endSeen: true });
    });
    await proxy.stop();
  });
});

describe('D2 and D7 where PostgreSQL is special', () => {
  test('D2 an attempt that a freeze made late is unknown, although it succeeded', async () => {
    const role = await freshRole(1);
    let jumpMs = 0;
    const clock: Clock = { ...systemClock, elapsedMs: (since) => systemClock.elapsedMs(since) + jumpMs };
    const driver = postgresDriver(pg, configOf(role), { clock });
    const opening = driver.open(request());
    // The timers slept as well: only the clock knows.
    jumpMs = 60_000;
    expect(await opening).toMatchObject({ kind: 'unknown', failure: 'timeout' });
    const admin = postgresAdmin();
    await eventually(async () => {
      const rows = await admin.query('SELECT 1 FROM pg_stat_activity WHERE usename = $1', [role.user]);
      return rows.length === 0;
    });
  });

  test('D7 a session whose borrower changed its label is found by its identity', async () => {
    const config = configOf(await freshRole(2));
    await withConnection(config, { label: 'worker' }, async (worker) => {
      await withConnection(config, { label: 'other' }, async (other) => {
        await other.client.query("SET application_name = 'my own name'");
        expect(await worker.look([{ label: 'other' }], 1_000)).toEqual([false]);
        expect(await worker.look([{ label: 'other', session: other.session }], 1_000)).toEqual([true]);
        expect(await worker.end([{ label: 'other', session: other.session }], 1_000)).toEqual(['seen']);
      });
    });
  });

  test('D7 a worker that has lost its rights (SET ROLE) denies, and never says absent', async () => {
    const role = await freshRole(2);
    const lesser = await freshRole(1);
    await postgresAdmin().query(`GRANT "${lesser.user}" TO "${role.user}" WITH INHERIT FALSE`);
    await withConnection(configOf(role), { label: 'worker' }, async (worker) => {
      await withConnection(configOf(role), { label: 'other' }, async (other) => {
        await worker.client.query(`SET ROLE "${lesser.user}"`);
        const targets = [{ label: 'renamed', session: other.session }, { label: 'other' }, { label: 'none' }];
        expect(await worker.look(targets, 1_000)).toEqual([true, true, false]);
        expect(await worker.end(targets, 1_000)).toEqual(['denied', 'denied', 'absent']);
        // The same where it may see everything and end nothing.
        await postgresAdmin().query(`GRANT pg_read_all_stats TO "${lesser.user}"`);
        expect(await worker.end(targets, 1_000)).toEqual(['denied', 'denied', 'absent']);
        expect(await other.check(1_000)).toBe(true);
      });
    });
  });
});

describe('a wrong configuration is refused when the driver is made', () => {
  const problemsOf = (make: () => unknown): readonly string[] => {
    try {
      make();
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
      return Reflect.get(Object(Reflect.get(Object(error), 'details')), 'problems') as string[];
    }
    return [];
  };
  class OldClient {
    getStartupConf(): object {
      return {};
    }
  }

  test('all problems come at once', () => {
    const config = { stream: {}, connection: {} } as unknown as pg.ClientConfig;
    expect(problemsOf(() => postgresDriver({} as typeof pg, config))).toHaveLength(3);
  });

  test('a module that is not pg, too old, or native is named', () => {
    expect(problemsOf(() => postgresDriver({} as typeof pg, {}))[0]).toContain('module `pg`');
    const old = { Client: OldClient } as unknown as typeof pg;
    expect(problemsOf(() => postgresDriver(old, {}))[0]).toContain('8.21');
    const native = { Client: class {} } as unknown as typeof pg;
    expect(problemsOf(() => postgresDriver(native, {}))[0]).toContain('native');
  });

  test('a malformed connection string is refused without being repeated', () => {
    const connectionString = ['postgres://user:', 's3cret', '@host:notaport/db'].join('');
    const [problem] = problemsOf(() => postgresDriver(pg, { connectionString }));
    expect(problem).toContain('malformed');
    expect(problem).not.toContain('s3cret');
  });

  test('idle timeouts of the user’s own are refused, for they are the lease’s', () => {
    for (const config of [
      { idle_in_transaction_session_timeout: 5_000 },
      { options: '-c idle_session_timeout=5s' },
      { connectionString: 'postgres://u@h/d?options=-c%20idle_session_timeout%3D5s' },
    ]) {
      expect(problemsOf(() => postgresDriver(pg, config))[0]).toContain('idleMs');
    }
  });
});

describe('D9 the census of PostgreSQL', () => {
  const PREFIX = freshPrefix();
  const labelOf = (n: number): string => `${PREFIX}${String(n).padStart(16, 'L')}:1z`;

  test('D9 sessions of every database count: a role’s limit does not know databases', async () => {
    const role = await freshRole(5, { database: 'census_elsewhere' });
    const here = { ...configOf(role), database: 'postgres' };
    await withConnection(here, { label: labelOf(1) }, async (looker) => {
      await withConnection(configOf(role), { label: labelOf(2) }, async (other) => {
        await withConnection(configOf(role), { label: 'psql' }, async () => {
          const { sessions, foreign } = await looker.census(PREFIX, 1_000);
          expect(sessions).toContainEqual({ label: labelOf(2), session: other.session });
          expect(foreign).toBe(1);
        });
      });
    });
  });

  test.each([labelOf(4), 'psql'])(
    'D9 a parallel worker carries its leader’s label (%s) and is no session of its own',
    async (label) => {
      const config = configOf(await freshRole(5));
      await withConnection(config, { label: labelOf(3) }, async (looker) => {
        await withConnection(config, { label }, async (leader) => {
          await leader.client.query('SET debug_parallel_query = on');
          const running = leader.client.query('SELECT pg_sleep(0.5)');
          const kinds = await eventually(async () => {
            const rows = await postgresAdmin().query<{ kind: string }>(
              'SELECT backend_type AS kind FROM pg_stat_activity WHERE usename = $1 AND application_name = $2 ORDER BY 1',
              [config.user, label],
            );
            return rows.length === 2 && rows.map(({ kind }) => kind);
          });
          expect(kinds).toEqual(['client backend', 'parallel worker']);
          const { sessions, foreign } = await looker.census(PREFIX, 1_000);
          const isForeign = label === 'psql';
          expect(sessions.filter((each) => each.label === label)).toEqual(
            isForeign ? [] : [{ label, session: leader.session }],
          );
          expect(foreign).toBe(isForeign ? 1 : 0);
          await running;
        });
      });
    },
  );

  test('D9 an administrator’s connection counts the sessions of the role that it was given', async () => {
    const role = await freshRole(3);
    const control = await freshRole(1);
    await postgresAdmin().query(`GRANT "${role.user}" TO "${control.user}"`);
    const opened = await postgresDriver(pg, configOf(control), { role: role.user }).open(
      request({ label: 'lh-sweep:orders.abc123' }),
    );
    if (opened.kind !== 'open') throw opened.error;
    await withConnection(configOf(role), { label: labelOf(5) }, async (leased) => {
      await withConnection(configOf(role), { label: 'psql' }, async () => {
        expect(await opened.connection.census(PREFIX, 1_000)).toEqual({
          sessions: [{ label: labelOf(5), session: leased.session }],
          foreign: 1,
        });
      });
    });
    await opened.connection.close(1_000);
  });
});
