import type { Driver } from '../../../lib/driver/driver.ts';
import type { EngineName } from './engine.ts';
import { postgresClient } from './postgres-client.ts';

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

const CLIENTS: Readonly<Record<EngineName, EngineClient<never>>> = {
  postgres: postgresClient as EngineClient<never>,
};

/** Nothing of the demo looks into a client: it only hands on what it was given. */
export const engineClient = (name: EngineName): EngineClient<unknown> =>
  CLIENTS[name] as unknown as EngineClient<unknown>;
