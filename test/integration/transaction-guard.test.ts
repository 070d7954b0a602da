import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { settingsOf } from '../../lib/core/config.ts';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { createPool, type Pool, type PoolEvents } from '../../lib/index.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import { configOf } from '../support/postgres-session.ts';
import { freshRoleAndDatabase, postgresAdmin } from '../support/servers.ts';

const INSERT = 'INSERT INTO app.orders VALUES (1)';

/** A COPY whose borrower never sends a row, nor says that there is none. */
const endlessCopy = () => ({
  submit: (connection: pg.Connection): void => connection.query('COPY app.orders FROM STDIN'),
  handleCopyInResponse: () => undefined,
  handleError: () => undefined,
  handleReadyForQuery: () => undefined,
});

/** How a borrower leaves its connection. Nothing that it does not await may become an unhandled rejection. */
type Leave = (client: pg.Client) => unknown;

const unawaited = (client: pg.Client, ...statements: readonly string[]): void => {
  for (const statement of statements) client.query(statement).catch(() => undefined);
};

/** What waits behind another statement when its borrower goes is not sent any more: a COMMIT neither. */
const LEFT_OPEN: readonly (readonly [name: string, becomes: 'rolled back' | 'discarded', leave: Leave])[] = [
  [
    'BEGIN and a statement, awaited',
    'rolled back',
    async (client) => {
      await client.query('BEGIN');
      await client.query(INSERT);
    },
  ],
  ['BEGIN, not awaited', 'rolled back', (client) => unawaited(client, 'BEGIN')],
  [
    'BEGIN and statements, none awaited',
    'rolled back',
    (client) => unawaited(client, 'BEGIN', INSERT, INSERT),
  ],
  ['BEGIN among others in one message', 'rolled back', (client) => client.query(`BEGIN; ${INSERT}`)],
  [
    'a transaction that has failed',
    'rolled back',
    async (client) => {
      await client.query(`BEGIN; ${INSERT}`);
      await expect(client.query('SELECT 1 / 0')).rejects.toThrow();
    },
  ],
  [
    'a transaction whose failure is still on its way',
    'rolled back',
    (client) => unawaited(client, 'BEGIN', INSERT, 'SELECT 1 / 0', INSERT),
  ],
  [
    'a savepoint that was rolled back to',
    'rolled back',
    (client) => client.query(`BEGIN; ${INSERT}; SAVEPOINT here; ${INSERT}; ROLLBACK TO here`),
  ],
  ['a chained transaction', 'rolled back', (client) => client.query(`BEGIN; ROLLBACK AND CHAIN; ${INSERT}`)],
  [
    'an open cursor',
    'rolled back',
    async (client) => {
      await client.query(`BEGIN; ${INSERT}; DECLARE rest CURSOR FOR SELECT generate_series(1, 1000)`);
      await client.query('FETCH 10 FROM rest');
    },
  ],
  [
    'a COMMIT that was not sent yet, because nothing before it was awaited',
    'rolled back',
    (client) => unawaited(client, 'BEGIN', INSERT, 'COMMIT'),
  ],
  [
    'a statement that runs on for a moment',
    'rolled back',
    (client) => unawaited(client, `BEGIN; ${INSERT}; SELECT pg_sleep(0.1)`),
  ],
  [
    'a statement that runs on, in a transaction',
    'discarded',
    async (client) => {
      await client.query(`BEGIN; ${INSERT}`);
      unawaited(client, 'SELECT pg_sleep(60)');
    },
  ],
  [
    'a statement that runs on, in what may or may not be one',
    'discarded',
    (client) => unawaited(client, `WITH it AS (${INSERT} RETURNING 1) SELECT pg_sleep(60) FROM it`),
  ],
  [
    'a COPY that waits for rows, in a transaction',
    'discarded',
    async (client) => {
      await client.query(`BEGIN; ${INSERT}`);
      client.query(endlessCopy());
    },
  ],
  ['a COPY that waits for rows', 'discarded', (client) => client.query(endlessCopy())],
];

/** What leaves no transaction, and how many rows. */
const LEFT_CLOSED: readonly (readonly [name: string, rows: number, leave: Leave])[] = [
  ['nothing at all', 0, () => undefined],
  ['a statement by itself', 1, (client) => client.query(INSERT)],
  ['a statement by itself, not awaited', 1, (client) => unawaited(client, INSERT)],
  ['a transaction, committed', 1, (client) => client.query(`BEGIN; ${INSERT}; COMMIT`)],
  [
    'a transaction, committed in one message, not awaited',
    1,
    (client) => unawaited(client, `BEGIN; ${INSERT}; COMMIT`),
  ],
  ['a transaction, rolled back', 0, (client) => client.query(`BEGIN; ${INSERT}; ROLLBACK`)],
  ['a failure outside of a transaction', 0, (client) => unawaited(client, 'SELECT 1 / 0')],
];

describe.each([false, true])('a connection that comes back (resetSession: %s)', (resetSession) => {
  let pool: Pool<pg.Client>;
  let events: PoolEvents['transactionLeftOpen'][];
  let databaseUrl: string;

  beforeEach(async () => {
    const role = await freshRoleAndDatabase(3);
    const registry = memoryRegistry();
    pool = createPool({
      resource: 'orders',
      capacity: 3,
      max: 1,
      operationTimeoutMs: 400,
      connectTimeoutMs: 2_000,
      registry,
      driver: postgresDriver(pg, configOf(role), { resetSession }),
    });
    await registry.configure('orders', settingsOf(pool.config), true);
    await pool.use((client) => client.query('CREATE SCHEMA app; CREATE TABLE app.orders (n int)'));
    events = [];
    pool.events.on('transactionLeftOpen', (event) => events.push(event));
    const url = new URL(postgresAdmin().adminUrl);
    url.pathname = role.database;
    databaseUrl = url.href;
  });
  afterEach(() => pool.close({ timeoutMs: 100 }));

  const processId = (): Promise<unknown> => pool.use((client) => Reflect.get(client, 'processID'));

  /** What the next borrower finds, and what anybody else sees. */
  const lookAround = () =>
    pool.use(async (client) => {
      const status = client.getTransactionStatus();
      const { rows } = await client.query<{ xid: string | null; n: number }>(
        'SELECT pg_current_xact_id_if_assigned()::text AS xid, (SELECT count(*)::int FROM app.orders) AS n',
      );
      const outside = new pg.Client({ connectionString: databaseUrl });
      await outside.connect();
      const seen = await outside.query<{ n: number }>('SELECT count(*)::int AS n FROM app.orders');
      await outside.end();
      return { status, xid: rows[0]?.xid, own: rows[0]?.n, committed: seen.rows[0]?.n };
    });

  test.each(LEFT_OPEN)('with %s is %s, and told of', async (_, becomes, leave) => {
    const before = await processId();
    await pool.use(async (client) => void (await leave(client)));
    expect(await lookAround()).toEqual({ status: 'I', xid: null, own: 0, committed: 0 });
    const isRolledBack = becomes === 'rolled back';
    expect(events).toEqual([{ rolledBack: isRolledBack }]);
    expect((await processId()) === before).toBe(isRolledBack);
  });

  test.each(LEFT_CLOSED)('with %s is lent on, and nothing is told', async (_, rows, leave) => {
    const before = await processId();
    await pool.use(async (client) => void (await leave(client)));
    expect(await lookAround()).toEqual({ status: 'I', xid: null, own: rows, committed: rows });
    expect(events).toEqual([]);
    expect(await processId()).toBe(before);
  });

  test('whose borrower has thrown inside its transaction is rolled back as well', async () => {
    const failing = pool.use(async (client) => {
      await client.query(`BEGIN; ${INSERT}`);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await lookAround()).toMatchObject({ status: 'I', committed: 0 });
    expect(events).toEqual([{ rolledBack: true }]);
  });

  test('hands nothing on to a borrower that has waited for it', async () => {
    const found: unknown[] = [];
    const first = pool.use(async (client) => unawaited(client, `BEGIN; ${INSERT}; SELECT pg_sleep(0.05)`));
    const second = pool.use(async (client) => {
      found.push(client.getTransactionStatus());
      found.push((await client.query('SELECT count(*)::int AS n FROM app.orders')).rows[0]?.n);
    });
    await Promise.all([first, second]);
    expect(found).toEqual(['I', 0]);
    expect(events).toEqual([{ rolledBack: true }]);
  });
});
