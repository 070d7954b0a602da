/** Is refused by a server without TLS, and has nothing more to do: it must end by itself. */
import pg from 'pg';
import { postgresDriver } from '../../lib/driver/postgres.ts';

const connectionString = process.env['CHILD_DATABASE_URL'] ?? '';
const opened = await postgresDriver(pg, { connectionString }).open({
  label: 'lh:orders.abc123:lease:1',
  idleMs: 60_000,
  timeoutMs: 3_000,
  gate: () => undefined,
});
process.stdout.write(opened.kind);
