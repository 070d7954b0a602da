import { createConnection, createServer, type Server } from 'node:net';
import { type ConnectionOptions, TLSSocket, type TlsOptions } from 'node:tls';

/** TLS by a shared key: it needs no certificate, and so no secret in a file. */
const CIPHERS = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;
const IDENTITY = 'test';

/** What a client of `startTlsFront` needs. */
export const pskOptions = (key: string): ConnectionOptions => ({
  ...CIPHERS,
  pskCallback: () => ({ psk: Buffer.from(key, 'hex'), identity: IDENTITY }),
  checkServerIdentity: () => undefined,
});

/** A PostgreSQL server's TLS in front of one that has none. */
export const startTlsFront = async (target: { host: string; port: number }, key: string): Promise<Server> => {
  const options: TlsOptions = { ...CIPHERS, pskCallback: () => Buffer.from(key, 'hex') };
  const server = createServer((plain) => {
    // The client's SSLRequest; it waits for our word before it says more.
    plain.once('data', () => {
      plain.write('S');
      const secure = new TLSSocket(plain, { ...options, isServer: true });
      const upstream = createConnection(target);
      secure.pipe(upstream).pipe(secure);
      secure.on('error', () => upstream.destroy());
      upstream.on('error', () => secure.destroy());
    });
    plain.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
};
