import { startPostgres } from '../../support/postgres.ts';
import type { Database, DatabaseNeeds } from './engine.ts';
import { FULL_LOG_SETTINGS, LOG_SETTINGS, PostgresJudge } from './postgres-judge.ts';

export const startPostgresDatabase = async ({
  maxConnections,
  isLogFull,
}: DatabaseNeeds): Promise<Database> => {
  const server = await startPostgres({
    maxConnections,
    settings: [...LOG_SETTINGS, ...(isLogFull ? FULL_LOG_SETTINGS : [])],
  });
  try {
    const judge = await PostgresJudge.connect(server);
    return {
      title: 'PostgreSQL',
      judge,
      createRole: async (name, connectionLimit) => {
        const { url } = await server.createRole(name, connectionLimit);
        await judge.admit(name);
        return url;
      },
      stop: () => server.stop(),
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
};
