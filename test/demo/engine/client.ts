import { dataApiClient } from './data-api-client.ts';
import type { EngineClient, EngineName } from './engine.ts';
import { mariadbClient } from './mariadb-client.ts';
import { postgresClient } from './postgres-client.ts';

const CLIENTS: Readonly<Record<EngineName, EngineClient<never>>> = {
  postgres: postgresClient as EngineClient<never>,
  mariadb: mariadbClient as EngineClient<never>,
  'data-api': dataApiClient as EngineClient<never>,
};

/** Nothing of the demo looks into a client: it only hands on what it was given. */
export const engineClient = (name: EngineName): EngineClient<unknown> =>
  CLIENTS[name] as unknown as EngineClient<unknown>;
