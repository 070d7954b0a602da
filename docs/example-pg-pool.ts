import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { Redis } from 'ioredis';
import { withLeases } from 'leasehold/lambda';
import { leasedPgPool } from 'leasehold/pg-pool';
import { lambdaRedisOptions, redisRegistry } from 'leasehold/redis';
import pg from 'pg';

const { DATABASE_URL: connectionString = '', REDIS_URL = '' } = process.env;
const registry = redisRegistry(new Redis(REDIS_URL, lambdaRedisOptions));

// was: new pg.Pool({ connectionString })
const pool = leasedPgPool(pg, { connectionString, lease: { resource: 'orders', capacity: 80, registry } });
const db = drizzle(pool);

export const handler = withLeases(pool, async (event: { id: string }) => {
  const { rows } = await db.execute(sql`select * from orders where id = ${event.id}`);
  return rows[0];
});
