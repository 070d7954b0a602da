import type { Duplex } from 'node:stream';
import type mysql from 'mysql2';

/** The user's own `mysql2` or `mysql2/promise`: what it makes is what a borrower gets. */
export interface MysqlModule<Connection> {
  createConnection(config: mysql.ConnectionOptions): Connection | Promise<Connection>;
  createPool(config: mysql.PoolOptions): unknown;
}

/** A command of the protocol, as `mysql2` queues them; `start` is its own only where there is nothing left to send. */
export interface Command {
  /** Takes the failure or the answer; a command without this property awaits no answer at all. */
  onResult?: ((error: unknown, ...answer: unknown[]) => void) | undefined;
  emit(event: string, ...values: unknown[]): boolean;
  listenerCount(event: string): number;
}

/** One message of the server; its payload lies between `offset` and `end`. */
export interface Packet {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly end: number;
}

/** What this driver uses of a `mysql2` connection beneath either form. `config.ts` checks what is not in its published types. */
export interface RawConnection {
  readonly stream: Duplex;
  readonly config: { readonly user?: string; readonly database?: string };
  /** The command in flight. */
  readonly _command?: Command | null;
  readonly _handshakePacket?: { readonly serverVersion?: string } | null;
  addCommand(command: Command): Command;
  handlePacket(packet?: Packet): void;
  end(callback?: unknown): unknown;
  ping(callback: (error: unknown) => void): unknown;
  reset(callback?: unknown): unknown;
  changeUser(options: unknown, callback?: unknown): unknown;
  emit(event: string, ...values: unknown[]): boolean;
  listenerCount(event: string): number;
  on(event: string, listener: (value: unknown) => void): unknown;
  once(event: string, listener: () => void): unknown;
}

/** What makes a query without sending it; `format` of the user's own never sees ours. */
export interface QueryMaker {
  createQuery(
    options: Readonly<Record<string, unknown>>,
    values: (error: unknown, rows: unknown) => void,
    callback: undefined,
    config: unknown,
  ): Command;
}

/** A connection that has logged in: what the driver works with, and what the borrower gets. */
export interface Dialled {
  readonly raw: RawConnection;
  readonly client: unknown;
}

const isPromiseModule = (module: unknown): boolean =>
  typeof Reflect.get(Object(module), 'PromiseConnection') === 'function';

/** Connects and logs in. Rejects with whatever `mysql2` says first; what it says later is heard and is no crash. */
export const dial = async (
  module: MysqlModule<unknown>,
  config: mysql.ConnectionOptions,
): Promise<Dialled> => {
  const made = module.createConnection(config);
  if (isPromiseModule(module)) {
    const client = await made;
    return { raw: Reflect.get(Object(client), 'connection') as RawConnection, client };
  }
  const raw = made as unknown as RawConnection;
  await new Promise<void>((resolve, reject) => {
    // It stays: behind its yes to the login a server may say at once that it ends, and nobody else listens yet.
    raw.on('error', reject);
    raw.once('connect', () => resolve());
  });
  return { raw, client: raw };
};
