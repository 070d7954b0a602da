import { startDataApiServer } from '../../support/data-api-server.ts';
import { startPostgres } from '../../support/postgres.ts';
import type { Database, DatabaseNeeds } from './engine.ts';
import { FULL_LOG_SETTINGS, LOG_SETTINGS, PostgresJudge } from './postgres-judge.ts';

/** Three minutes would outlast the demo: what a killed process had open is rolled back sooner. */
const TRANSACTION_IDLE_MS = 2_000;

/** The local Data API over a PostgreSQL, which judges as always: one connection for each statement and transaction. */
export const startDataApiDatabase = async ({
  maxConnections,
  isLogFull,
}: DatabaseNeeds): Promise<Database> => {
  const server = await startPostgres({
    maxConnections,
    settings: [...LOG_SETTINGS, ...(isLogFull ? FULL_LOG_SETTINGS : [])],
  });
  try {
    const service = await startDataApiServer({ host: server.host, port: server.port }, true);
    service.limits = { ...service.limits, transactionIdleMs: TRANSACTION_IDLE_MS };
    const judge = await PostgresJudge.connect(server);
    return {
      title: 'the Data API over PostgreSQL',
      judge,
      createRole: async (name, connectionLimit) => {
        const role = await server.createRole(name, connectionLimit);
        await judge.admit(name);
        return `${service.endpoint}/?${new URLSearchParams({ secret: service.secret(role) })}`;
      },
      stop: async () => {
        await service[Symbol.asyncDispose]();
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
};
