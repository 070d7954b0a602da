import * as rdsData from '@aws-sdk/client-rds-data';
import { afterAll } from '@jest/globals';
import { DATA_API_EXCEPTIONS } from '../../lib/driver/data-api/exceptions.ts';
import { dataApiDriver } from '../../lib/driver/data-api.ts';
import { CLUSTER, type DataApiServer, startDataApiServer } from '../support/data-api-server.ts';
import { freshRole, postgresAdmin } from '../support/servers.ts';
import { describeDriver } from './driver.contract.ts';

const servers: DataApiServer[] = [];
afterAll(async () => {
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
});

describeDriver('dataApiDriver', {
  exceptions: DATA_API_EXCEPTIONS,
  setUp: async (limit) => {
    const admin = postgresAdmin();
    const { host, port } = admin;
    const [role, foreign] = [await freshRole(limit), await freshRole(5)];
    const server = await startDataApiServer({ host, port });
    servers.push(server);
    const local = { host: '127.0.0.1', port: server.port };
    const driver = (address: typeof local, secretArn: string) =>
      dataApiDriver(rdsData, {
        resourceArn: CLUSTER,
        secretArn,
        retryForMs: 0,
        client: {
          endpoint: `http://${address.host}:${address.port}`,
          region: 'eu-west-1',
          credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
        },
      });
    return {
      address: local,
      password: role.password,
      driver: ({ address = local, password = role.password } = {}) =>
        driver(address, server.secret({ ...role, password })),
      foreignDriver: () => driver(local, server.secret(foreign)),
      run: async (client, statement) => {
        if (statement === 'BEGIN') return client.begin();
        const { rows } = await client.execute(statement);
        return Object.values(rows[0] ?? {})[0];
      },
      labels: async () => {
        const rows = await admin.query<{ label: string }>(
          'SELECT application_name AS label FROM pg_stat_activity WHERE usename = ANY ($1) ORDER BY 1',
          [[role.user, foreign.user]],
        );
        return rows.map(({ label }) => label);
      },
      hold: () => {
        throw new Error('There is nothing to hold.');
      },
      kill: async (label) => {
        await admin.query(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND application_name = $2',
          [role.user, label],
        );
      },
      statements: {
        value: (n) => `SELECT ${n}`,
        begin: 'BEGIN',
        fail: 'SELECT 1 / 0',
        sleep: (ms) => `SELECT pg_sleep(${ms / 1_000})::text`,
      },
    };
  },
});
