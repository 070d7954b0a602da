import middy from '@middy/core';
import { Redis } from 'ioredis';
import { createPool } from 'leasehold';
import { leasehold } from 'leasehold/middy';
import { postgresDriver } from 'leasehold/postgres';
import { lambdaRedisOptions, redisRegistry } from 'leasehold/redis';
import pg from 'pg';

const { DATABASE_URL = '', REDIS_URL = '' } = process.env;

const pool = createPool({
  resource: 'orders', // one database endpoint
  capacity: 80, // connections of the whole fleet, ever
  registry: redisRegistry(new Redis(REDIS_URL, lambdaRedisOptions)),
  driver: postgresDriver(pg, { connectionString: DATABASE_URL }),
  env: process.env, // on Lambda: one connection here, shares named after the function
});

export const handler = middy<{ id: string }>()
  .use(leasehold(pool, { key: 'db' }))
  .handler(async (event, context) => {
    const { rows } = await context.db.use((client) =>
      client.query('select * from orders where id = $1', [event.id]),
    );
    return rows[0];
  });
