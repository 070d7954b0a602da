import * as rdsData from '@aws-sdk/client-rds-data';
import {
  type DataApiClient,
  type DataApiOptions,
  dataApiDriver,
  sqlStateOf,
} from '../../../lib/driver/data-api.ts';
import type { DriverConnection } from '../../../lib/driver/driver.ts';
import { CLUSTER } from '../../support/data-api-server.ts';
import type { EngineClient } from './engine.ts';

/** How the service says that the database has no connection left for it. */
const REFUSALS: ReadonlySet<unknown> = new Set(['53300', '53400']);

const WORK_SECONDS = 0.006;

/** The address is the service's, and names the secret. */
const optionsOf = (address: string): DataApiOptions => {
  const { origin, searchParams } = new URL(address);
  return {
    resourceArn: CLUSTER,
    secretArn: searchParams.get('secret') ?? '',
    client: {
      endpoint: origin,
      region: 'eu-west-1',
      credentials: { accessKeyId: 'demo', secretAccessKey: 'demo' },
    },
  };
};

const connections = new WeakMap<DataApiClient, DriverConnection<DataApiClient>>();

export const dataApiClient: EngineClient<DataApiClient> = {
  // The same client, under no lease, and a refusal is not tried again.
  connect: async (address, timeoutMs, onGone) => {
    const driver = dataApiDriver(rdsData, { ...optionsOf(address), retryForMs: 0 });
    const opened = await driver.open({ label: 'naive', idleMs: 60_000, timeoutMs, gate: () => undefined });
    if (opened.kind !== 'open') throw opened.error;
    const { connection } = opened;
    connection.onEnd(onGone);
    connections.set(connection.client, connection);
    return connection.client;
  },
  disconnect: async (client) => {
    await connections.get(client)?.close(1_000);
  },
  isRefusal: (error) => REFUSALS.has(sqlStateOf(error)),
  driver: (address) => dataApiDriver(rdsData, optionsOf(address)),
  placeOrder: (client, process) =>
    client.transaction(async (tx) => {
      await tx.execute('INSERT INTO orders (process) VALUES (:process)', { process });
      await tx.execute('SELECT id FROM orders ORDER BY id DESC LIMIT 10');
      await tx.execute('SELECT pg_sleep(:seconds)::text', { seconds: WORK_SECONDS });
    }),
};
