import { writeFile } from 'node:fs/promises';
import pg from 'pg';
import type { PostgresAdmin } from '../../support/postgres.ts';
import type { Judge, OrderCount } from './engine.ts';

/** The label says under which lease a statement ran (none: naively). */
const ORDERS_TABLE = `CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    process text NOT NULL,
    label text NOT NULL DEFAULT current_setting('application_name'),
    placed_at timestamptz NOT NULL DEFAULT clock_timestamp()
  )`;

/** Settings of the server that let its log be counted: the error's code and the role on every line. */
export const LOG_SETTINGS = ['log_line_prefix=%m [%p] %e %u %a '] as const;
export const FULL_LOG_SETTINGS = ['log_connections=all', 'log_disconnections=on'] as const;

/** Where test/support has the server write to. */
const LOG = "current_setting('data_directory') || '/../server.log'";

/** Asked by the superuser; the refusals are those of the server's log. */
export class PostgresJudge implements Judge {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  static async connect({ adminUrl }: PostgresAdmin): Promise<PostgresJudge> {
    const pool = new pg.Pool({ connectionString: adminUrl, application_name: 'judge', max: 3 });
    pool.on('error', () => undefined);
    await pool.query(ORDERS_TABLE);
    return new PostgresJudge(pool);
  }

  async admit(role: string): Promise<void> {
    await this.#pool.query(`GRANT SELECT, INSERT ON orders TO ${pg.escapeIdentifier(role)}`);
  }

  async backends(role: string): Promise<number> {
    return this.#number('SELECT count(*) AS value FROM pg_stat_activity WHERE usename = $1', [role]);
  }

  async refusals(role: string): Promise<number> {
    const pattern = String.raw`\] 53[34]00 ${role} `;
    return this.#number(
      `SELECT count(*) AS value FROM regexp_matches(pg_read_file(${LOG}), $1, 'g') AS refusal`,
      [pattern],
    );
  }

  async now(): Promise<string> {
    const { rows } = await this.#pool.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
    return rows[0]?.now ?? '';
  }

  async ordersSince(process: string, since: string): Promise<OrderCount> {
    const after = `FROM orders AS o WHERE process = $1 AND placed_at > $2::timestamptz AND`;
    const isOld =
      'EXISTS (SELECT FROM orders AS b WHERE b.process = $1 AND b.label = o.label AND b.placed_at <= $2::timestamptz)';
    const [onOld, onNew] = await Promise.all([
      this.#number(`SELECT count(*) AS value ${after} ${isOld}`, [process, since]),
      this.#number(`SELECT count(*) AS value ${after} NOT ${isOld}`, [process, since]),
    ]);
    return { onOld, onNew };
  }

  /** The default is a minute. */
  async setAuthenticationTimeout(seconds: number): Promise<void> {
    await this.#pool.query(`ALTER SYSTEM SET authentication_timeout = ${seconds}`);
    await this.#pool.query('SELECT pg_reload_conf()');
  }

  async keepLog(file: string): Promise<void> {
    const { rows } = await this.#pool.query<{ log: string }>(`SELECT pg_read_file(${LOG}) AS log`);
    await writeFile(file, rows[0]?.log ?? '');
  }

  async leave(): Promise<void> {
    await this.#pool.end();
  }

  async #number(text: string, values: readonly unknown[]): Promise<number> {
    try {
      const { rows } = await this.#pool.query<{ value: string }>(text, [...values]);
      return Number(rows[0]?.value);
    } catch (error) {
      throw new Error(
        `PostgreSQL does not answer the judge (${error instanceof Error ? error.message : error})`,
      );
    }
  }
}
