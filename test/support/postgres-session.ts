import pg from 'pg';
import type { DriverConnection, OpenRequest } from '../../lib/driver/driver.ts';
import { type PostgresDriverOptions, postgresDriver } from '../../lib/driver/postgres.ts';
import type { PostgresRole } from './postgres.ts';
import { postgresAdmin } from './servers.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

export const configOf = (role: PostgresRole): pg.ClientConfig => {
  const { host, port } = postgresAdmin();
  return { host, port, user: role.user, password: role.password, database: role.database };
};

export const openRequest = (changes: Partial<OpenRequest> = {}): OpenRequest => ({
  label: 'lh:orders.abc123:lease:1',
  idleMs: 60_000,
  timeoutMs: 3_000,
  gate: () => undefined,
  ...changes,
});

/** Opens one connection for `work`, and closes it. */
export const withConnection = async (
  config: pg.ClientConfig,
  changes: Partial<OpenRequest>,
  work: (connection: DriverConnection<pg.Client>) => Promise<void>,
  options: PostgresDriverOptions = {},
): Promise<void> => {
  const result = await postgresDriver(pg, config, options).open(openRequest(changes));
  if (result.kind !== 'open') throw result.error;
  try {
    await work(result.connection);
  } finally {
    await result.connection.close(1_000);
  }
};

/** What the session itself says of one of its settings. */
export const settingOf = async (client: pg.Client, name: string): Promise<string> =>
  (await client.query<{ value: string }>('SELECT current_setting($1) AS value', [name])).rows[0]?.value ?? '';

/** The server's message of this kind, for a proxy that answers in its name. */
const errorResponse = (severity: string, code: string, message: string): Buffer => {
  const fields = Buffer.from(`S${severity}\0V${severity}\0C${code}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
};

/** A pooler in front of the test's server that takes no startup options. */
export const startBarePooler = (): Promise<TcpProxy> => {
  const { host, port } = postgresAdmin();
  return startTcpProxy({
    host,
    port,
    onClientData: (data, link) => {
      if (!data.toString('latin1').includes('\0options\0')) return undefined;
      link.answer(errorResponse('FATAL', '08P01', 'unsupported startup parameter: options'));
      link.hangUp();
      return Buffer.alloc(0);
    },
  });
};
