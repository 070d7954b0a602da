import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { failoverHandler } from '../../functions/failover.ts';
import { type Wiring, wire } from '../../functions/wiring.ts';
import { settingsOf } from '../../lib/core/config.ts';
import { completed, started } from '../support/database-events.ts';
import { eventually, pause } from '../support/eventually.ts';
import { lambdaContext } from '../support/lambda.ts';
import { type PostgresRole, type PostgresServer, startPostgres } from '../support/postgres.ts';
import { freshNamespace, redisUrl } from '../support/servers.ts';

const CAPACITY = 4;
const CALLERS = 8;

let server: PostgresServer;
let roles = 0;
const written: jest.SpiedFunction<typeof process.stdout.write>[] = [];

beforeAll(async () => {
  server = await startPostgres();
  for (const stream of [process.stdout, process.stderr])
    written.push(jest.spyOn(stream, 'write').mockReturnValue(true));
});
afterAll(async () => {
  for (const spy of written) spy.mockRestore();
  await server.stop();
});

/** Two environments of a fleet, and the function beside them, on one Redis and one role that is refused the fifth connection. */
class Fleet implements AsyncDisposable {
  readonly role: PostgresRole;
  readonly environments: readonly Wiring[];
  readonly failover: ReturnType<typeof failoverHandler>;
  readonly #function: Wiring;
  /** Connects that failed, by cause. */
  readonly failedConnects: string[] = [];
  /** Why callers got no connection at all. */
  readonly unserved: string[] = [];

  private constructor(role: PostgresRole) {
    this.role = role;
    const env = {
      REDIS_URL: redisUrl(),
      DATABASE_URL: role.url,
      LEASEHOLD_NAMESPACE: freshNamespace(),
      LEASEHOLD_RESOURCE: 'orders',
      LEASEHOLD_CAPACITY: String(CAPACITY),
      LEASEHOLD_MAX: String(CAPACITY),
      LEASEHOLD_PROTECT_MS: '2000',
      LEASEHOLD_ACQUIRE_TIMEOUT_MS: '30000',
      FAILOVER_SOURCES: 'orders-db',
    };
    this.environments = [wire(env), wire(env)];
    this.#function = wire(env);
    this.failover = failoverHandler(this.#function);
    for (const { pool } of this.environments) {
      pool.events.on('connectionFailed', ({ failure }) => this.failedConnects.push(failure));
      pool.events.on('acquireFailed', ({ error }) => this.unserved.push(error.code));
    }
  }

  static async open(): Promise<Fleet> {
    roles += 1;
    const role = await server.createRole(`failing${roles}`, CAPACITY, { database: `failing${roles}` });
    const fleet = new Fleet(role);
    const [{ registry, pool }] = fleet.environments as [Wiring, Wiring];
    await registry.configure('orders', settingsOf(pool.config), true);
    await server.query(`GRANT CREATE ON DATABASE "${role.database}" TO "${role.user}"`);
    await pool.use((client) =>
      client.query('CREATE SCHEMA AUTHORIZATION CURRENT_USER CREATE TABLE things (id integer NOT NULL)'),
    );
    return fleet;
  }

  tell(event: object): ReturnType<typeof this.failover> {
    return this.failover(event as Parameters<typeof this.failover>[0], lambdaContext());
  }

  /** The role's sessions, each with when it began, in ms. */
  async sessions(): Promise<readonly number[]> {
    const rows = await server.query<{ at: string }>(
      'SELECT extract(epoch FROM backend_start) * 1000 AS at FROM pg_stat_activity WHERE usename = $1',
      [this.role.user],
    );
    return rows.map(({ at }) => Number(at));
  }

  /** Connects that were granted before a pause are through: whatever is held has its session. */
  async untilConnected(): Promise<void> {
    await eventually(
      async () => (await this.#function.registry.inspect('orders'))?.held === (await this.sessions()).length,
      { what: 'a session for each lease', timeoutMs: 10_000 },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.environments, this.#function].map((each) => each.close()));
  }
}

/** Callers that go on without a rest until they are told to stop. */
class Traffic {
  readonly acknowledged: number[] = [];
  /** What each caller heard of work that had begun. */
  readonly errors: unknown[][] = [];
  served = 0;
  #isOver = false;
  readonly #callers: Promise<unknown>;

  constructor(fleet: Fleet, statement: (id: number) => string) {
    this.#callers = Promise.all(
      Array.from({ length: CALLERS }, (_, caller) => this.#live(fleet, caller, statement)),
    );
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#callers;
  }

  async #live({ environments }: Fleet, caller: number, statement: (id: number) => string): Promise<void> {
    const { pool } = environments[caller % environments.length] as Wiring;
    const errors: unknown[] = [];
    this.errors.push(errors);
    for (let n = 0; !this.#isOver; n += 1) {
      const id = caller * 1_000_000 + n;
      try {
        await pool.use((client) => client.query(statement(id)));
        this.acknowledged.push(id);
        this.served += 1;
      } catch (error) {
        errors.push(error);
      }
      await pause(5);
    }
  }
}

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.open();
});
afterEach(() => fleet[Symbol.asyncDispose]());

describe('a database that fails over', () => {
  test('callers wait while it is away, nobody is refused, and nothing that was acknowledged is lost', async () => {
    const traffic = new Traffic(fleet, (id) => `INSERT INTO things VALUES (${id})`);
    await eventually(() => traffic.served > 20 * CALLERS, { timeoutMs: 20_000 });
    expect(await fleet.tell(started(Date.now()))).toMatchObject({ did: ['pause'] });
    await fleet.untilConnected();
    await server.restart();
    // Away for longer than a restart takes: nobody may get a connection before the word that it is back.
    await pause(500);
    const duringPause = await fleet.sessions();
    const before = traffic.served;
    const backAt = Date.now();
    expect(await fleet.tell(completed(backAt))).toMatchObject({ did: ['reconnect', 'resume'] });
    await eventually(() => traffic.served > before + 20 * CALLERS, { timeoutMs: 20_000 });
    await traffic.stop();

    expect(duringPause).toEqual([]);
    expect(fleet.failedConnects).toEqual([]);
    expect(fleet.unserved).toEqual([]);
    // What was under way when the server went down; nobody hears of it twice.
    for (const errors of traffic.errors) expect(errors.length).toBeLessThanOrEqual(1);
    const ids = new Set(await rowsOf(fleet));
    expect(traffic.acknowledged.filter((id) => !ids.has(id))).toEqual([]);
    for (const at of await fleet.sessions()) expect(at).toBeGreaterThanOrEqual(backAt);
  }, 60_000);

  test('connections that outlive it are replaced, a few at a time, under work that goes on', async () => {
    const traffic = new Traffic(fleet, () => 'SELECT 1');
    await eventually(() => traffic.served > 20 * CALLERS, { timeoutMs: 20_000 });
    const [oldest = 0] = (await fleet.sessions()).toSorted();
    expect(oldest).toBeGreaterThan(0);
    await fleet.tell(started(Date.now()));
    const before = traffic.served;
    // What is open stays in use.
    await eventually(() => traffic.served > before + CALLERS, { timeoutMs: 20_000 });
    const backAt = Date.now();
    await fleet.tell(completed(backAt));
    await eventually(async () => (await fleet.sessions()).every((at) => at >= backAt), {
      what: 'connections of the new generation only',
      timeoutMs: 30_000,
    });
    await traffic.stop();
    expect(traffic.errors.flat()).toEqual([]);
    expect([fleet.failedConnects, fleet.unserved]).toEqual([[], []]);
  }, 60_000);

  test('a failover whose end nobody tells: callers are served when the pause is over by itself', async () => {
    const [{ pool, registry }] = fleet.environments as [Wiring, Wiring];
    // It began 84 s ago, to the second: 5 to 6 s of the pause are left.
    expect(await fleet.tell(started(Date.now() - 84_000))).toMatchObject({ did: ['pause'] });
    await server.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [
      fleet.role.user,
    ]);
    await eventually(() => pool.status().idle === 0);
    const startedAt = performance.now();
    const { pausedForMs = 0 } = (await registry.inspect('orders')) ?? {};
    expect(pausedForMs).toBeGreaterThan(0);
    await pool.use((client) => client.query('SELECT 1'));
    // The registry counts whole milliseconds.
    expect(performance.now() - startedAt).toBeGreaterThan(pausedForMs - 5);
    expect(fleet.failedConnects).toEqual([]);
  }, 30_000);
});

const rowsOf = async ({ environments: [one] }: Fleet): Promise<number[]> => {
  const found = await one?.pool.use((client) => client.query<{ id: number }>('SELECT id FROM things'));
  return (found?.rows ?? []).map(({ id }) => id);
};
