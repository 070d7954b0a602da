import * as rdsData from '@aws-sdk/client-rds-data';
import pg from 'pg';
import { dataApiControl } from '../lib/driver/data-api.ts';
import type { Driver } from '../lib/driver/driver.ts';
import { postgresDriver } from '../lib/driver/postgres.ts';
import { userOf } from './database.ts';
import type { ControlSettings } from './settings.ts';

/** The sweeper's way to the leased role's sessions outside the capacity. `databaseUrl`: the leased role's. */
export const openControl = (control: ControlSettings, databaseUrl: string): Driver<unknown> => {
  const role = userOf(databaseUrl);
  if (control.kind === 'url') return postgresDriver(pg, { connectionString: control.url }, { role });
  const { clusterArn, secretArn, database, region } = control;
  return dataApiControl(rdsData, { resourceArn: clusterArn, secretArn, database, role, client: { region } });
};
