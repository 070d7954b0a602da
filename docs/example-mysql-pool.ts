import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/mysql2';
import { Redis } from 'ioredis';
import { withLeases } from 'leasehold/lambda';
import { leasedMysqlPool } from 'leasehold/mysql-pool';
import { lambdaRedisOptions, redisRegistry } from 'leasehold/redis';
import mysql from 'mysql2/promise';

const { DATABASE_URL: uri = '', REDIS_URL = '' } = process.env;
const registry = redisRegistry(new Redis(REDIS_URL, lambdaRedisOptions));

// was: mysql.createPool({ uri })
const pool = leasedMysqlPool(mysql, { uri, lease: { resource: 'orders', capacity: 80, registry } });
const db = drizzle(pool);

export const handler = withLeases(pool, async (event: { id: string }) => {
  const [rows] = await db.execute(sql`select * from orders where id = ${event.id}`);
  return rows;
});
