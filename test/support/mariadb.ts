import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import { freePort, type KeptProcess, makeFolder, type Owner, startKept } from './kept-process.ts';
import { foundOrInstalled, makeData, onPath, unprivilegedOwner, untilReady } from './kept-server.ts';

export interface MariadbRole {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** `mysql://user:password@host:port/database` */
  readonly url: string;
}

/** How to reach a test server as its administrator, from any process. */
export interface MariadbAdmin {
  readonly host: string;
  readonly port: number;
  readonly adminUrl: string;
  /** One statement as root, on a connection of its own: it does not count against any user's limit. */
  query<Row = Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** A user with a database of its own, whose MAX_USER_CONNECTIONS makes the server itself the judge of an over-commit; 0: no limit. */
  createRole(name: string, connectionLimit: number): Promise<MariadbRole>;
}

export interface MariadbServer extends MariadbAdmin {
  stop(): Promise<void>;
  /** Ends it as a shutdown does, and starts it on the same port with the same data. */
  restart(): Promise<void>;
  /** SIGSTOP of the whole server: it accepts connections (the kernel does) and answers nothing. */
  pause(): void;
  resume(): void;
}

export interface MariadbOptions {
  readonly maxConnections?: number;
  /** More options of the server, without the leading dashes. */
  readonly settings?: readonly string[];
  /** A server of our own, whatever the environment names: for tests that restart or pause it. */
  readonly own?: boolean;
}

const DATABASE = 'mysql';
/** Shows an administrator the user-level locks, for tests that judge labels. */
const LOCK_INFO = 'metadata_lock_info';

/** A MariaDB for tests: the one that the environment names, else `mariadbd` on the PATH, else installed by apt-get. */
export const startMariadb = async (options: MariadbOptions = {}): Promise<MariadbServer> => {
  const given = process.env['LEASEHOLD_TEST_MARIADB_URL'];
  if (given && !options.own && !options.settings && !options.maxConnections) return external(given);
  const binaries = await mariadbBinaries();
  const owner = await unprivilegedOwner('mysql');
  const folder = await makeFolder('mariadb', owner);
  try {
    const password = randomBytes(12).toString('hex');
    await initialise(binaries, folder, password, owner);
    return await serve(binaries, folder, password, owner, options);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
};

const external = async (url: string): Promise<MariadbServer> => {
  const admin = mariadbAdmin(url);
  await admin.query(`INSTALL PLUGIN IF NOT EXISTS METADATA_LOCK_INFO SONAME '${LOCK_INFO}'`);
  const notOurs = (): never => {
    throw new Error(
      'This MariaDB was named by the environment and is not ours to stop: use startMariadb({ own: true }).',
    );
  };
  return {
    ...admin,
    stop: async () => undefined,
    restart: async () => notOurs(),
    pause: notOurs,
    resume: notOurs,
  };
};

interface Binaries {
  readonly server: string;
  readonly installer: string;
}

const present = async (): Promise<Binaries | undefined> => {
  const [server, installer] = [await onPath('mariadbd'), await onPath('mariadb-install-db')];
  return server && installer ? { server, installer } : undefined;
};

const mariadbBinaries = (): Promise<Binaries> =>
  foundOrInstalled(
    present,
    'mariadb-server',
    'MariaDB: install mariadb-server, or name one in LEASEHOLD_TEST_MARIADB_URL',
  );

const initialise = async (
  { installer }: Binaries,
  folder: string,
  password: string,
  owner: Owner | undefined,
): Promise<void> => {
  const command = [
    ...[
      installer,
      '--no-defaults',
      `--datadir=${join(folder, 'data')}`,
      '--skip-test-db',
      '--skip-name-resolve',
    ],
    ...['--auth-root-authentication-method=normal', '--innodb-log-file-size=16M'],
  ];
  await makeData(folder, {
    ...{ name: 'mariadb-install-db', command, owner },
    made: join(folder, 'data', 'mysql'),
  });
  const statements = [
    `ALTER USER root@localhost IDENTIFIED BY '${password}';`,
    `CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY '${password}';`,
    "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;",
  ];
  await writeFile(join(folder, 'first.sql'), statements.join('\n'), { mode: 0o644 });
};

const serve = async (
  binaries: Binaries,
  folder: string,
  password: string,
  owner: Owner | undefined,
  options: MariadbOptions,
): Promise<MariadbServer> => {
  const port = await freePort();
  const settings = [
    `datadir=${join(folder, 'data')}`,
    `port=${port}`,
    'bind-address=127.0.0.1',
    `socket=${join(folder, 'socket')}`,
    `pid-file=${join(folder, 'pid')}`,
    'skip-name-resolve',
    'skip-log-bin',
    `plugin-load-add=${LOCK_INFO}`,
    `max-connections=${options.maxConnections ?? 400}`,
    'innodb-flush-log-at-trx-commit=0',
    'innodb-buffer-pool-size=32M',
    'innodb-log-file-size=16M',
    ...(options.settings ?? []),
  ];
  const command = [binaries.server, '--no-defaults', ...settings.map((setting) => `--${setting}`)];
  const admin = mariadbAdmin(`mysql://root:${password}@127.0.0.1:${port}/${DATABASE}`);
  const start = async (...more: string[]): Promise<KeptProcess> => {
    const kept = await startKept(folder, [...command, ...more], 'TERM', owner);
    await untilReady('MariaDB', kept, () => admin.query('SELECT 1'));
    return kept;
  };
  let server = await start(`--init-file=${join(folder, 'first.sql')}`);
  return {
    ...admin,
    stop: () => server.end({ signal: 'KILL' }),
    restart: async () => {
      await server.end({ keepFolder: true });
      server = await start();
    },
    pause: () => server.signal('SIGSTOP'),
    resume: () => server.signal('SIGCONT'),
  };
};

/** The administrator's side of a server, given its URL. */
export const mariadbAdmin = (adminUrl: string): MariadbAdmin => {
  const { hostname, port } = new URL(adminUrl);
  const query = async <Row>(sql: string, values: readonly unknown[] = []): Promise<Row[]> => {
    const connection = await mysql.createConnection({ uri: adminUrl, connectTimeout: 5_000 });
    connection.on('error', () => undefined);
    try {
      const [rows] = await connection.query(sql, [...values]);
      return rows as Row[];
    } finally {
      await connection.end();
    }
  };
  const createRole = async (name: string, connectionLimit: number): Promise<MariadbRole> => {
    const password = randomBytes(12).toString('hex');
    await query('CREATE USER ? IDENTIFIED BY ? WITH MAX_USER_CONNECTIONS ?', [
      name,
      password,
      connectionLimit,
    ]);
    await query('CREATE DATABASE ??', [name]);
    await query('GRANT ALL ON ??.* TO ?', [name, name]);
    const url = `mysql://${name}:${password}@${hostname}:${port}/${name}`;
    return { user: name, password, database: name, url };
  };
  return { host: hostname, port: Number(port || 3306), adminUrl, query, createRole };
};
