/** Opens one connection by the URL in CHILD_DATABASE_URL, writes the server's word on its TLS, or how it was not opened, and must end by itself. */
import pg from 'pg';
import { postgresDriver } from '../../lib/driver/postgres.ts';

const connectionString = process.env['CHILD_DATABASE_URL'] ?? '';
const opened = await postgresDriver(pg, { connectionString }).open({
  label: 'lh:orders.abc123:lease:1',
  idleMs: 60_000,
  timeoutMs: 3_000,
  gate: () => undefined,
});
if (opened.kind === 'open') {
  const { client } = opened.connection;
  const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
  process.stdout.write(`ssl ${rows[0].ssl}`);
  await opened.connection.close(1_000);
} else {
  process.stdout.write(opened.kind);
  process.stderr.write(opened.error.message);
}
