import type pg from 'pg';
import type { RawStream } from '../network.ts';
import type { RawClient } from './client.ts';

/** `pg`'s own protocol connection, made anew to carry one message. */
interface Courier {
  readonly stream: RawStream;
  on(event: string, listener: () => void): unknown;
  connect(portOrPath: number | string, host?: string): void;
  cancel(processId: number, secretKey: number): void;
}

type CourierClass = new (config: { readonly stream: pg.ClientConfig['stream'] }) => Courier;

/**
 * Asks the server to stop the statement that this session runs. That goes over a TCP connection of its own, which is no
 * session and counts against no limit; in plain text, because the server takes it before any TLS. It proves nothing
 * and never fails: where it does not arrive, the statement ends as it would have.
 *
 * @returns drops the connection, if it is still there.
 */
export const cancelStatement = (client: RawClient, stream: pg.ClientConfig['stream']): (() => void) => {
  const { processID, secretKey, host, port, connection } = client;
  if (processID === null || secretKey === null) return () => undefined;
  const courier = new (connection.constructor as unknown as CourierClass)({ stream });
  courier.on('error', () => courier.stream.destroy());
  courier.on('connect', () => courier.cancel(processID, secretKey));
  if (host.startsWith('/')) courier.connect(`${host}/.s.PGSQL.${port}`);
  else courier.connect(port, host);
  return () => courier.stream.destroy();
};
