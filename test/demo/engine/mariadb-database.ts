import { startMariadb } from '../../support/mariadb.ts';
import type { Database, DatabaseNeeds } from './engine.ts';
import { MariadbJudge } from './mariadb-judge.ts';

export const startMariadbDatabase = async ({
  maxConnections,
  isLogFull,
}: DatabaseNeeds): Promise<Database> => {
  const server = await startMariadb({
    maxConnections,
    settings: isLogFull ? ['general-log', 'general-log-file=general.log'] : [],
    own: true,
  });
  try {
    const judge = await MariadbJudge.connect(server);
    return {
      title: 'MariaDB',
      judge,
      createRole: async (name, connectionLimit) => {
        const { url } = await server.createRole(name, connectionLimit);
        return Object.assign(new URL(url), { pathname: `/${await judge.admit(name)}` }).href;
      },
      stop: () => server.stop(),
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
};
