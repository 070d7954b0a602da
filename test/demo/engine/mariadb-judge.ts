import { copyFile } from 'node:fs/promises';
import mysql from 'mysql2/promise';
import type { MariadbAdmin } from '../../support/mariadb.ts';
import type { Judge, OrderCount } from './engine.ts';

/** A lease has one connection at a time, and no thread id comes twice: it says under which lease a statement ran. */
const ORDERS_TABLE = `CREATE TABLE orders (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    process varchar(64) NOT NULL,
    thread bigint NOT NULL DEFAULT (CONNECTION_ID()),
    placed_at datetime(6) NOT NULL DEFAULT (SYSDATE(6)),
    INDEX (process, placed_at)
  )`;
const DATABASE = 'demo';

/** Connections that ended before they were one, but for those that never said who they are, or gave a wrong password. */
const REFUSED = `SELECT SUM(CASE VARIABLE_NAME
      WHEN 'ABORTED_CONNECTS' THEN VARIABLE_VALUE
      WHEN 'CONNECTION_ERRORS_MAX_CONNECTIONS' THEN VARIABLE_VALUE
      ELSE -VARIABLE_VALUE END) AS value
  FROM information_schema.GLOBAL_STATUS
  WHERE VARIABLE_NAME IN ('ABORTED_CONNECTS', 'ABORTED_CONNECTS_PREAUTH', 'ACCESS_DENIED_ERRORS',
    'CONNECTION_ERRORS_MAX_CONNECTIONS')`;

/** The server takes no less. */
const SHORTEST_CONNECT_TIMEOUT_S = 2;

/** Asked by root; the refusals are those that the server counts, and it does not count by user: one role at a time. */
export class MariadbJudge implements Judge {
  readonly #pool: mysql.Pool;
  readonly #refusedBefore = new Map<string, number>();

  constructor(pool: mysql.Pool) {
    this.#pool = pool;
  }

  static async connect({ adminUrl, query }: MariadbAdmin): Promise<MariadbJudge> {
    await query(`CREATE DATABASE ${DATABASE}`);
    const uri = Object.assign(new URL(adminUrl), { pathname: `/${DATABASE}` }).href;
    const pool = mysql.createPool({ uri, connectionLimit: 3, dateStrings: true });
    await pool.query(ORDERS_TABLE);
    return new MariadbJudge(pool);
  }

  /** Resolves with the database that has the table. */
  async admit(role: string): Promise<string> {
    await this.#pool.query(`GRANT SELECT, INSERT ON ${DATABASE}.orders TO ?`, [role]);
    this.#refusedBefore.set(role, await this.#number(REFUSED, []));
    return DATABASE;
  }

  async backends(role: string): Promise<number> {
    return this.#number('SELECT COUNT(*) AS value FROM information_schema.PROCESSLIST WHERE USER = ?', [
      role,
    ]);
  }

  async refusals(role: string): Promise<number> {
    return (await this.#number(REFUSED, [])) - (this.#refusedBefore.get(role) ?? 0);
  }

  async now(): Promise<string> {
    const [rows] = await this.#pool.query('SELECT SYSDATE(6) AS now');
    return String(Reflect.get(Object((rows as unknown[])[0]), 'now'));
  }

  async ordersSince(process: string, since: string): Promise<OrderCount> {
    const after = 'FROM orders AS o WHERE process = ? AND placed_at > ? AND';
    const old = 'IN (SELECT b.thread FROM orders AS b WHERE b.process = ? AND b.placed_at <= ?)';
    const values = [process, since, process, since];
    const [onOld, onNew] = await Promise.all([
      this.#number(`SELECT COUNT(*) AS value ${after} o.thread ${old}`, values),
      this.#number(`SELECT COUNT(*) AS value ${after} o.thread NOT ${old}`, values),
    ]);
    return { onOld, onNew };
  }

  /** The default is ten seconds. */
  async setAuthenticationTimeout(seconds: number): Promise<void> {
    await this.#pool.query('SET GLOBAL connect_timeout = ?', [Math.max(SHORTEST_CONNECT_TIMEOUT_S, seconds)]);
  }

  async keepLog(file: string): Promise<void> {
    const [rows] = await this.#pool.query("SELECT CONCAT(@@datadir, '/', @@general_log_file) AS path");
    await copyFile(String(Reflect.get(Object((rows as unknown[])[0]), 'path')), file);
  }

  async leave(): Promise<void> {
    await this.#pool.end();
  }

  async #number(sql: string, values: readonly unknown[]): Promise<number> {
    try {
      const [rows] = await this.#pool.query(sql, [...values]);
      return Number(Reflect.get(Object((rows as unknown[])[0]), 'value'));
    } catch (error) {
      throw new Error(
        `MariaDB does not answer the judge (${error instanceof Error ? error.message : error})`,
      );
    }
  }
}
