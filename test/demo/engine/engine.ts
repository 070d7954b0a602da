import type { Driver } from '../../../lib/driver/driver.ts';

/** The databases that the demo can put a fleet in front of. */
export const ENGINES = ['postgres', 'mariadb', 'data-api'] as const;
export type EngineName = (typeof ENGINES)[number];

/** What the database has to allow, and what is wanted of it. */
export interface DatabaseNeeds {
  /** The role's own limit is to be the only one that is ever reached. */
  readonly maxConnections: number;
  /** Every connection is to be in the log. */
  readonly isLogFull: boolean;
}

/** A real database of the demo's own, and the judge beside it. */
export interface Database {
  /** How a person calls it. */
  readonly title: string;
  readonly judge: Judge;
  /** A role for one phase; the database itself refuses its (limit + 1)-th connection. Resolves with what a client connects to. */
  createRole(name: string, connectionLimit: number): Promise<string>;
  stop(): Promise<void>;
}

/** What the database itself says, asked by an administrator, who is outside every role's limit. */
export interface Judge {
  /** Open connections of the role now. */
  backends(role: string): Promise<number>;
  /** Connections that the server says it has refused to the role, whether or not any client lived to see it. */
  refusals(role: string): Promise<number>;
  /** The server's own time, as text: no other clock is compared with it. */
  now(): Promise<string>;
  /** Orders that a process placed after `since`: under the leases that it had used before, and under others. */
  ordersSince(process: string, since: string): Promise<OrderCount>;
  /** A server that drops half-made logins within this time. */
  setAuthenticationTimeout(seconds: number): Promise<void>;
  /** Writes the server's log to this file. */
  keepLog(file: string): Promise<void>;
  leave(): Promise<void>;
}

export interface OrderCount {
  readonly onOld: number;
  readonly onNew: number;
}

/** A process's way to the database: with the engine's own client, naively, and with leasehold's driver. */
export interface EngineClient<Client> {
  /** Rejects with the client's own error. `onGone`: an open connection has ended by itself. */
  connect(address: string, timeoutMs: number, onGone: () => void): Promise<Client>;
  disconnect(client: Client): Promise<void>;
  /** Too many connections of the role, the database or the server. */
  isRefusal(error: unknown): boolean;
  driver(address: string): Driver<Client>;
  /** What an invocation does at the database: three short statements, about 10 ms. */
  placeOrder(client: Client, process: string): Promise<void>;
}
