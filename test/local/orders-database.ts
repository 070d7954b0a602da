import { readFile } from 'node:fs/promises';
import pg from 'pg';
import type { PostgresAdmin, PostgresRole } from '../support/postgres.ts';

const TABLES = new URL('../../functions/orders.sql', import.meta.url);
const SLOW = new URL('./slow-orders.sql', import.meta.url);

/** Where test/support has the server write to. */
const LOG = "current_setting('data_directory') || '/../server.log'";

/**
 * A database with the tables of the orders API, for a role whose CONNECTION LIMIT is the capacity: the server itself refuses
 * what is above, and says so in its log.
 */
export class OrdersDatabase {
  readonly role: PostgresRole;
  readonly #admin: PostgresAdmin;

  private constructor(role: PostgresRole, admin: PostgresAdmin) {
    this.role = role;
    this.#admin = admin;
  }

  static async create(admin: PostgresAdmin, name: string, capacity: number): Promise<OrdersDatabase> {
    const role = await admin.createRole(name, capacity, { database: name });
    const owner = new pg.Client({ connectionString: role.url });
    await owner.connect();
    try {
      await owner.query(`CREATE SCHEMA AUTHORIZATION ${owner.escapeIdentifier(role.user)}`);
      await owner.query(await readFile(TABLES, 'utf8'));
      await owner.query(await readFile(SLOW, 'utf8'));
    } finally {
      await owner.end();
    }
    return new OrdersDatabase(role, admin);
  }

  /** An administrator's, outside the capacity. */
  get controlUrl(): string {
    return this.#urlOf(this.#admin.adminUrl);
  }

  /** The role's sessions at this moment. */
  async sessions(): Promise<Session[]> {
    return this.#admin.query<Session>(
      `SELECT pid, application_name AS label, coalesce(state, '') AS state, coalesce(wait_event, '') AS "waitsFor"
       FROM pg_stat_activity WHERE usename = $1 ORDER BY backend_start`,
      [this.role.user],
    );
  }

  /** Connects that the server refused because the role had its limit: lines of its log. */
  async refusals(): Promise<number> {
    const rows = await this.#admin.query<{ refusals: string }>(
      `SELECT count(*) AS refusals FROM regexp_matches(pg_read_file(${LOG}), $1, 'g') AS line`,
      [`too many connections for role "${this.role.user}"`],
    );
    return Number(rows[0]?.refusals);
  }

  /** Every order that is written: its id and customer. */
  async orders(): Promise<{ readonly id: string; readonly customer: string }[]> {
    const client = new pg.Client({ connectionString: this.controlUrl });
    await client.connect();
    try {
      const table = `${client.escapeIdentifier(this.role.user)}.orders`;
      return (await client.query(`SELECT id::text, customer FROM ${table} ORDER BY id`)).rows;
    } finally {
      await client.end();
    }
  }

  /** Ends a session as an administrator would. */
  async end(pid: number): Promise<void> {
    await this.#admin.query('SELECT pg_terminate_backend($1, 5000)', [pid]);
  }

  #urlOf(adminUrl: string): string {
    const url = new URL(adminUrl);
    url.pathname = `/${encodeURIComponent(this.role.database)}`;
    return url.href;
  }
}

export interface Session {
  readonly pid: number;
  readonly label: string;
  readonly state: string;
  readonly waitsFor: string;
}
