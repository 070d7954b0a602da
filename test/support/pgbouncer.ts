import { chown, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { freePort, makeFolder, type Owner, startKept } from './kept-process.ts';
import { foundOrInstalled, onPath, untilReady } from './kept-server.ts';
import { type PostgresRole, serverOwner } from './postgres.ts';
import { postgresAdmin } from './servers.ts';

export interface PgBouncer {
  readonly port: number;
  /** The role's URL, through the pooler. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface PgBouncerOptions {
  readonly mode: 'session' | 'transaction';
  /** Connections that it opens to the database for the role. */
  readonly poolSize: number;
  /** More lines of its section `[pgbouncer]`. */
  readonly settings?: readonly string[];
}

const pgBouncerBinary = (): Promise<string> =>
  foundOrInstalled(() => onPath('pgbouncer'), 'pgbouncer', 'PgBouncer: install pgbouncer');

/** A PgBouncer in front of the test's PostgreSQL, for one role. */
export const startPgBouncer = async (role: PostgresRole, options: PgBouncerOptions): Promise<PgBouncer> => {
  const binary = await pgBouncerBinary();
  // It does not run as root either.
  const owner = await serverOwner();
  const folder = await makeFolder('pgbouncer', owner);
  try {
    const port = await freePort();
    const config = await writeConfig(folder, port, role, options, owner);
    const kept = await startKept(folder, [binary, config], 'KILL', owner);
    const url = new URL(role.url);
    url.port = String(port);
    await untilReady('PgBouncer', kept, () => login(url.href));
    return { port, url: url.href, stop: () => kept.end() };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
};

const writeConfig = async (
  folder: string,
  port: number,
  { user, password }: PostgresRole,
  { mode, poolSize, settings = [] }: PgBouncerOptions,
  owner: Owner | undefined,
): Promise<string> => {
  const { host, port: target } = postgresAdmin();
  const file = (name: string): string => join(folder, name);
  const lines = [
    ...['[databases]', `* = host=${host} port=${target}`, '[pgbouncer]'],
    ...['listen_addr = 127.0.0.1', `listen_port = ${port}`, 'unix_socket_dir ='],
    ...['auth_type = scram-sha-256', `auth_file = ${file('users')}`],
    ...[`pool_mode = ${mode}`, `default_pool_size = ${poolSize}`, ...settings],
  ];
  await writeFile(file('pgbouncer.ini'), `${lines.join('\n')}\n`);
  await writeFile(file('users'), `"${user}" "${password}"\n`, { mode: 0o600 });
  if (owner) await chown(file('users'), owner.uid, owner.gid);
  return file('pgbouncer.ini');
};

const login = async (connectionString: string): Promise<void> => {
  const client = new pg.Client({ connectionString });
  client.on('error', () => undefined);
  await client.connect();
  await client.end();
};
