import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { pause } from '../support/eventually.ts';
import { holdInChild, type KeptConnection } from '../support/kept-connection.ts';
import { configOf, withConnection } from '../support/postgres-session.ts';
import { freshRole, postgresAdmin } from '../support/servers.ts';
import { startTlsFront } from '../support/tls-front.ts';

const LABEL = 'lh:orders.abc123:kept:1';

/** Whether a child that holds only this connection is still there after a moment. */
const staysWith = async (kept: KeptConnection): Promise<boolean> => {
  const child = holdInChild(kept);
  const exited = once(child, 'exit');
  const ended = await Promise.race([exited, once(child.stdout ?? child, 'data').then(() => pause(400))]);
  if (Array.isArray(ended)) {
    expect(ended).toEqual([0, null]);
    return false;
  }
  child.kill('SIGKILL');
  await exited;
  return true;
};

const throughTls = async (
  work: (kept: Omit<KeptConnection, 'isWanted'> & { tlsKey: string }) => Promise<void>,
): Promise<void> => {
  const { host, port } = postgresAdmin();
  const tlsKey = randomBytes(16).toString('hex');
  const front = await startTlsFront({ host, port }, tlsKey);
  const config = { ...configOf(await freshRole(2)), port: (front.address() as AddressInfo).port };
  await work({ config, label: LABEL, tlsKey });
  front.close();
};

/** Through a unix socket of the name that PostgreSQL gives its own. */
const throughUnixSocket = async (
  work: (kept: Omit<KeptConnection, 'isWanted'>) => Promise<void>,
): Promise<void> => {
  const { host, port } = postgresAdmin();
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-socket-'));
  // Half-open, as PostgreSQL's own is: a goodbye of one side is not the end of the other.
  const front = createServer({ allowHalfOpen: true }, (socket) => {
    const upstream = createConnection({ host, port, allowHalfOpen: true });
    socket.pipe(upstream).pipe(socket);
    socket.on('error', () => upstream.destroy());
    upstream.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => front.listen(join(folder, '.s.PGSQL.5432'), resolve));
  await work({ config: { ...configOf(await freshRole(2)), host: folder, port: 5_432 }, label: LABEL });
  front.close();
  await rm(folder, { recursive: true });
};

describe('keepAlive reaches what the connection really goes through', () => {
  test('TLS: the stream that was put upon the first one', async () => {
    await throughTls(async (kept) => {
      expect(await staysWith({ ...kept, isWanted: true })).toBe(true);
      expect(await staysWith({ ...kept, isWanted: false })).toBe(false);
    });
  });

  test('a unix socket', async () => {
    await throughUnixSocket(async (kept) => {
      expect(await staysWith({ ...kept, isWanted: true })).toBe(true);
      expect(await staysWith({ ...kept, isWanted: false })).toBe(false);
    });
  });

  test('a stream of the user’s own that can do neither works all the same, and keeps the process', async () => {
    const kept = { config: configOf(await freshRole(2)), label: LABEL, isPlainDuplex: true };
    expect(await staysWith({ ...kept, isWanted: true })).toBe(true);
    expect(await staysWith({ ...kept, isWanted: false })).toBe(true);
  });
});

test('through a unix socket a running statement is cancelled as well when its connection is closed', async () => {
  await throughUnixSocket(async ({ config }) => {
    await withConnection(config, {}, async (connection) => {
      const running = expect(connection.client.query('SELECT pg_sleep(60)')).rejects.toThrow();
      // Else the goodbye could come before the statement.
      await pause(50);
      const startedAt = performance.now();
      expect(await connection.close(3_000)).toMatchObject({ endSeen: true });
      expect(performance.now() - startedAt).toBeLessThan(1_000);
      await running;
    });
  });
});
