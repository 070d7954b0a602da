/** Opens one connection, calls `keepAlive`, and then only its socket can keep this process alive. */
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import pg from 'pg';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import type { KeptConnection } from './kept-connection.ts';
import { pskOptions } from './tls-front.ts';

const { config, label, isWanted, tlsKey, isPlainDuplex } = JSON.parse(
  process.env['LEASEHOLD_KEPT'] ?? '',
) as KeptConnection;

/** What `pg` asks of a stream, and nothing more. */
class PlainDuplex extends Duplex {
  readonly #socket = new Socket();

  connect(port: number, host: string): void {
    this.#socket.connect(port, host, () => this.emit('connect'));
    this.#socket.on('data', (data) => this.push(data));
    this.#socket.on('end', () => this.push(null));
  }

  setNoDelay(): void {
    this.#socket.setNoDelay();
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(data: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(data, encoding, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }
}

const driver = postgresDriver(pg, {
  ...config,
  ...(tlsKey === undefined ? {} : { ssl: pskOptions(tlsKey) }),
  ...(isPlainDuplex ? { stream: () => new PlainDuplex() as unknown as Socket } : {}),
});
const opened = await driver.open({ label, idleMs: 60_000, timeoutMs: 5_000, gate: () => undefined });
if (opened.kind !== 'open') throw opened.error;
opened.connection.keepAlive(isWanted);
process.stdout.write('holding\n');
