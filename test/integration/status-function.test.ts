import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { registryWiring } from '../../functions/registry-wiring.ts';
import { handler } from '../../functions/status.ts';
import type { StatusView } from '../../functions/status-view.ts';
import { settingsOf } from '../../lib/core/config.ts';
import { httpEvent } from '../support/lambda.ts';
import type { PostgresRole } from '../support/postgres.ts';
import { freshNamespace, freshRole, postgresAdmin, redisUrl } from '../support/servers.ts';

let role: PostgresRole;
let env: Record<string, string>;

beforeAll(async () => {
  role = await freshRole(4);
  env = {
    AWS_LAMBDA_FUNCTION_NAME: 'status',
    REDIS_URL: redisUrl(),
    LEASEHOLD_RESOURCE: 'orders',
    LEASEHOLD_CAPACITY: '4',
    LEASEHOLD_MIN: '1',
    LEASEHOLD_NAMESPACE: freshNamespace(),
  };
  // A run of tests has variables of its own (a seed, a server), and a function refuses what it does not know.
  for (const name of Object.keys(process.env)) if (name.startsWith('LEASEHOLD_')) delete process.env[name];
  Object.assign(process.env, env);
});

afterAll(async () => {
  await registryWiring().close();
  for (const name of Object.keys(env)) delete process.env[name];
});

const status = async (): Promise<StatusView> => {
  const { statusCode, body = '' } = await handler(httpEvent('GET /status'));
  expect(statusCode).toBe(200);
  return JSON.parse(body) as StatusView;
};

/** The sessions of the role. */
const sessions = async (): Promise<unknown> =>
  (
    await postgresAdmin().query<{ count: unknown }>(
      'SELECT count(*)::int AS count FROM pg_stat_activity WHERE usename = $1',
      [role.user],
    )
  )[0]?.count;

test('the status function, as Lambda calls it, tells the fleet from Redis, and is no client of the database', async () => {
  expect(await status()).toMatchObject({ resource: 'orders', isKnown: false });
  const { registry, config } = registryWiring();
  const settings = settingsOf(config);
  await registry.configure('orders', settings, true);
  const request = { leaseId: 'Ab3dEf0000000000', again: false, stamp: 0, holder: 'Xy12ab0000000000' };
  await registry.grant({ ...request, resource: 'orders', group: 'checkout', wait: false, settings });
  expect(await status()).toMatchObject({
    namespace: registry.namespace,
    isKnown: true,
    settings,
    counts: { capacity: 4, held: 1, protected: 1 },
    groups: [{ name: 'checkout', taken: 1 }],
    holders: { list: [{ holder: 'Xy12ab', group: 'checkout', protected: 1 }], isCut: false },
    sweep: null,
  });
  expect(await sessions()).toBe(0);
});
