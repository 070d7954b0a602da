/**
 * A process that borrows connections, runs a statement on each, says so, and never gives them back: to be killed or stopped
 * by its parent. Its settings come in one variable.
 */
import { Redis } from 'ioredis';
import pg from 'pg';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { createPool } from '../../lib/index.ts';
import { lambdaRedisOptions, redisRegistry } from '../../lib/registry/redis/redis-registry.ts';

export interface HolderSettings {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly namespace: string;
  readonly connections: number;
  /** Started and not waited for. */
  readonly statement: string;
  readonly options: {
    readonly resource: string;
    readonly capacity: number;
    readonly [name: string]: string | number;
  };
}

const { redisUrl, databaseUrl, namespace, connections, statement, options } = JSON.parse(
  process.env['LEASEHOLD_HOLDER'] ?? '',
) as HolderSettings;

const pool = createPool({
  ...options,
  registry: redisRegistry(new Redis(redisUrl, lambdaRedisOptions), { namespace }),
  driver: postgresDriver(pg, { connectionString: databaseUrl }),
});

for (let count = 0; count < connections; count += 1) {
  const { connection } = await pool.acquire();
  await connection.query('SELECT 1');
  void connection.query(statement);
}
// Its session is bound with the first renewal, a moment after it has opened.
setTimeout(() => process.stdout.write('holding\n'), 100);
setInterval(() => undefined, 1_000);
