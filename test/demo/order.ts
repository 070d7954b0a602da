import type pg from 'pg';

/** Made by the superuser before the first phase. The label says under which lease a statement ran (none: naively). */
export const ORDERS_TABLE = `CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    process text NOT NULL,
    label text NOT NULL DEFAULT current_setting('application_name'),
    placed_at timestamptz NOT NULL DEFAULT clock_timestamp()
  )`;

const WORK_SECONDS = 0.006;

/** What an invocation does at the database: three short statements, about 10 ms. */
export const placeOrder = async (client: pg.Client, process: string): Promise<void> => {
  await client.query('INSERT INTO orders (process) VALUES ($1)', [process]);
  await client.query('SELECT id FROM orders ORDER BY id DESC LIMIT 10');
  await client.query('SELECT pg_sleep($1)', [WORK_SECONDS]);
};
