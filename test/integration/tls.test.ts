import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { type Certificates, makeCertificates } from '../support/certificates.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { openRequest } from '../support/postgres-session.ts';
import { postgresAdmin } from '../support/servers.ts';

jest.setTimeout(30_000);

/** It leads to this machine, and does not look like it. */
const ELSEWHERE = '0.0.0.0';

let certificates: Certificates;
let server: PostgresServer;

beforeAll(async () => {
  certificates = await makeCertificates(ELSEWHERE);
  const { certificate, key } = certificates;
  server = await startPostgres({
    settings: ['ssl=on', `ssl_cert_file=${certificate}`, `ssl_key_file=${key}`],
  });
});

afterAll(async () => {
  await server.stop();
  await rm(certificates.folder, { recursive: true, force: true });
});

const urlOf = (adminUrl: string, host: string, query = ''): string => {
  const url = new URL(adminUrl);
  url.hostname = host;
  url.search = query;
  return url.href;
};

/** The server's word on whether the session is encrypted, or how opening failed. */
const openWith = async (config: pg.ClientConfig): Promise<unknown> => {
  const opened = await postgresDriver(pg, config).open(openRequest());
  if (opened.kind !== 'open') return opened;
  const { client } = opened.connection;
  const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
  await opened.connection.close(1_000);
  return rows[0].ssl;
};

const text = async (config: pg.ClientConfig): Promise<string> => {
  const outcome = await openWith(config);
  return String(Reflect.get(Object(Reflect.get(Object(outcome), 'error')), 'message'));
};

describe('TLS towards another machine', () => {
  const elsewhere = (query?: string): pg.ClientConfig => ({
    connectionString: urlOf(server.adminUrl, ELSEWHERE, query),
  });

  test('is on without a word, and a certificate of nobody that is known is refused with advice', async () => {
    const outcome = await openWith(elsewhere());
    expect(outcome).toMatchObject({ kind: 'refused', failure: 'auth', error: { retryable: false } });
    expect(await text(elsewhere())).toMatch(/NODE_EXTRA_CA_CERTS.*global-bundle\.pem/);
  });

  test('with the authority named it works, and the server says so', async () => {
    const ca = await readFile(certificates.ca, 'utf8');
    expect(await openWith({ ...elsewhere(), ssl: { ca } })).toBe(true);
  });

  test('verifies the name: another address of the same server is refused', async () => {
    const ca = await readFile(certificates.ca, 'utf8');
    const config = { connectionString: urlOf(server.adminUrl, '127.0.0.1'), ssl: { ca } };
    expect(await text(config)).toMatch(/connect by the name that is in it/);
  });

  test.each(['sslmode=disable', 'ssl=0'])('%s in the connection string is heeded', async (query) => {
    expect(await openWith(elsewhere(`?${query}`))).toBe(false);
  });

  test('`ssl: false` is heeded', async () => {
    expect(await openWith({ ...elsewhere(), ssl: false })).toBe(false);
  });

  test('a server without TLS is refused for good, and the message says how to do without', async () => {
    const config = { connectionString: urlOf(postgresAdmin().adminUrl, ELSEWHERE) };
    const refused = { kind: 'refused', failure: 'rejected', error: { retryable: false } };
    expect(await openWith(config)).toMatchObject(refused);
    expect(await text(config)).toMatch(/sslmode=disable/);
  });

  /** What a process of its own says of its connection, in time: nothing may keep it alive. */
  const told = async (databaseUrl: string, env: NodeJS.ProcessEnv = {}): Promise<string> => {
    const program = fileURLToPath(new URL('../support/tls-child.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [program], {
      env: { ...process.env, ...env, CHILD_DATABASE_URL: databaseUrl },
      timeout: 10_000,
    });
    return stdout;
  };

  test('a connect that was refused keeps no process alive', async () => {
    expect(await told(urlOf(postgresAdmin().adminUrl, ELSEWHERE))).toBe('refused');
  });

  test('NODE_EXTRA_CA_CERTS makes the default work, with no word in the configuration', async () => {
    const env = { NODE_EXTRA_CA_CERTS: certificates.ca };
    expect(await told(urlOf(server.adminUrl, ELSEWHERE), env)).toBe('ssl true');
  });
});

test('towards this machine TLS stays off unless it is asked for', async () => {
  expect(await openWith({ connectionString: server.adminUrl })).toBe(false);
  expect(await openWith({ connectionString: server.adminUrl, ssl: { rejectUnauthorized: false } })).toBe(
    true,
  );
});
