import * as rdsData from '@aws-sdk/client-rds-data';
import { Redis } from 'ioredis';
import { type DataApiOptions, dataApiDriver } from '../../lib/driver/data-api.ts';
import { createPool } from '../../lib/index.ts';
import { lambdaRedisOptions, redisRegistry } from '../../lib/registry/redis/redis-registry.ts';

/** What the process is told, as JSON in DATA_API_HOLDER. */
export interface DataApiHolderSettings {
  readonly redisUrl: string;
  readonly namespace: string;
  readonly dataApi: DataApiOptions;
  readonly options: {
    readonly resource: string;
    readonly capacity: number;
    readonly [name: string]: string | number;
  };
  /** Sent in a transaction; another one a second later, then the commit. */
  readonly statement: string;
}

const settings = JSON.parse(process.env['DATA_API_HOLDER'] ?? '{}') as DataApiHolderSettings;
const registry = redisRegistry(new Redis(settings.redisUrl, lambdaRedisOptions), {
  namespace: settings.namespace,
});
const driver = dataApiDriver(rdsData, settings.dataApi);
const pool = createPool({ ...settings.options, registry, driver });

/** A process of its own that has a transaction open, and can be killed or frozen in it. */
const outcome = await pool
  .use((client) =>
    client.transaction(async (tx) => {
      await tx.execute(settings.statement);
      process.stdout.write('open\n');
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      await tx.execute(settings.statement);
    }),
  )
  .then(
    () => 'committed',
    (error: { code?: string; name: string }) => error.code ?? error.name,
  );
process.stdout.write(`${outcome}\n`);
process.exit(0);
