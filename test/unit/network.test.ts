import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../lib/core/clock.ts';
import { SessionEnd as MysqlSessionEnd } from '../../lib/driver/mysql/session-end.ts';
import { dropStreams, isUnreachable } from '../../lib/driver/network.ts';

let server: Server;
const peers: Socket[] = [];

beforeAll(async () => {
  // It never says its own end, so nobody's socket closes for that.
  server = createServer({ allowHalfOpen: true }, (peer) => {
    peer.on('error', () => undefined).on('data', () => undefined);
    peers.push(peer);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterAll(() => {
  for (const peer of peers) peer.destroy();
  server.close();
});

const connected = async (): Promise<Socket> => {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
};

describe('a socket that is dropped', () => {
  test('closes, and its peer sees a reset', async () => {
    const socket = await connected();
    const peer = peers.at(-1) as Socket;
    const reset = once(peer, 'error');
    dropStreams([socket]);
    await once(socket, 'close');
    expect(await reset).toMatchObject([{ code: 'ECONNRESET' }]);
  });

  test('closes also while it is just saying its end, for then Node cannot reset it', async () => {
    const socket = await connected();
    socket.write('x');
    socket.end();
    const closed = once(socket, 'close');
    dropStreams([socket]);
    await closed;
  });

  test('closes also before it is connected', async () => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined);
    const closed = once(socket, 'close');
    dropStreams([socket]);
    await closed;
  });

  test('closes also where it is a unix socket, which knows no reset', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'leasehold-'));
    const local = createServer({ allowHalfOpen: true });
    try {
      const path = join(folder, 'socket');
      await once(local.listen(path), 'listening');
      const socket = connect(path);
      await once(socket, 'connect');
      const closed = once(socket, 'close');
      dropStreams([socket]);
      await closed;
    } finally {
      local.close();
      await rm(folder, { recursive: true });
    }
  });

  test('by a MySQL session that is saying its end closes as well', async () => {
    const socket = await connected();
    const end = new MysqlSessionEnd(systemClock);
    end.watch(socket);
    socket.write('x');
    socket.end();
    const closed = once(socket, 'close');
    end.destroy();
    await closed;
  });
});

test('nobody was there only if no address of several was ever connected', () => {
  const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
  const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET' });
  expect([refused, new AggregateError([refused, refused])].map(isUnreachable)).toEqual([true, true]);
  expect([reset, new AggregateError([refused, reset]), new AggregateError([])].map(isUnreachable)).toEqual([
    false,
    false,
    false,
  ]);
});
