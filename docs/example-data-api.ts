import * as rdsData from '@aws-sdk/client-rds-data';
import { drizzle } from 'drizzle-orm/aws-data-api/pg';
import { Redis } from 'ioredis';
import { createPool } from 'leasehold';
import { dataApiDriver } from 'leasehold/data-api';
import { withLeases } from 'leasehold/lambda';
import { leasedRdsDataClient } from 'leasehold/rds-data-client';
import { lambdaRedisOptions, redisRegistry } from 'leasehold/redis';

const { CLUSTER_ARN = '', SECRET_ARN = '', REDIS_URL = '' } = process.env;
const database = { resourceArn: CLUSTER_ARN, secretArn: SECRET_ARN, database: 'shop' };
const registry = redisRegistry(new Redis(REDIS_URL, lambdaRedisOptions));

// With the pool: a client that takes plain values and gives plain rows.
const pool = createPool({
  resource: 'orders',
  capacity: 80,
  registry,
  driver: dataApiDriver(rdsData, database),
});

export const pay = withLeases(pool, (event: { id: string; cents: number }) =>
  pool.use((client) =>
    client.transaction(async (tx) => {
      const { rows } = await tx.execute<{ total: number }>(
        'select total from orders where id = :id for update',
        {
          id: event.id,
        },
      );
      await tx.execute('insert into payments (order_id, cents) values (:id, :cents)', event);
      return rows[0];
    }),
  ),
);

// In the place of the SDK's client: for Drizzle, or for code that has one.
const client = leasedRdsDataClient(rdsData, {
  dataApi: database,
  lease: { resource: 'orders', capacity: 80, registry, max: 2 },
});
export const db = drizzle(client, database);
