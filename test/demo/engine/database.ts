import { startDataApiDatabase } from './data-api-database.ts';
import type { Database, DatabaseNeeds, EngineName } from './engine.ts';
import { startMariadbDatabase } from './mariadb-database.ts';
import { startPostgresDatabase } from './postgres-database.ts';

const STARTS: Readonly<Record<EngineName, (needs: DatabaseNeeds) => Promise<Database>>> = {
  postgres: startPostgresDatabase,
  mariadb: startMariadbDatabase,
  'data-api': startDataApiDatabase,
};

/** Starts the engine's own server; nothing of it is left when that fails. */
export const startDatabase = (name: EngineName, needs: DatabaseNeeds): Promise<Database> =>
  STARTS[name](needs);
