import type { RDSDataClientConfig } from '@aws-sdk/client-rds-data';
import { configError } from '../core/config.ts';
import { show } from '../core/problem.ts';
import type { DataApiClient } from '../driver/data-api/client.ts';
import type { RdsDataModule } from '../driver/data-api/module.ts';
import {
  type DataApiOptions,
  parseSettings,
  type Settings,
  settingsProblems,
} from '../driver/data-api/settings.ts';
import { parseOptions } from '../pool/pool-options.ts';
import { attempted, driverProblems, type LeaseOptionsOf, NO_DRIVER } from './leased-config.ts';

/** What `new RDSDataClient` takes, its retries aside; the database; and the lease, as for `createPool`. */
export interface LeasedRdsDataConfig extends RDSDataClientConfig {
  readonly dataApi: Omit<DataApiOptions, 'client'> & {
    /**
     * A lease also for each statement outside a transaction. Default: true, for it takes a connection of the service as well
     * while it runs. False: such statements are sent at once, and the capacity must leave room for them.
     */
    readonly leasePerStatement?: boolean;
  };
  readonly lease: LeaseOptionsOf<DataApiClient>;
}

export interface ParsedRdsDataConfig {
  readonly client: RDSDataClientConfig;
  readonly settings: Settings;
  readonly leasePerStatement: boolean;
  /** Without their driver. */
  readonly lease: LeaseOptionsOf<DataApiClient>;
}

/** @throws LeaseholdError CONFIG_INVALID with every problem at once. */
export const parseRdsDataConfig = (
  module: RdsDataModule,
  config: LeasedRdsDataConfig,
): ParsedRdsDataConfig => {
  const { dataApi, lease, ...client } = Object(config) as LeasedRdsDataConfig;
  const { leasePerStatement = true, ...options } = Object(dataApi) as LeasedRdsDataConfig['dataApi'];
  const problems = [
    ...settingsProblems(module, { ...options, client }).map(renamed),
    ...(typeof leasePerStatement === 'boolean'
      ? []
      : [`dataApi.leasePerStatement: ${show(leasePerStatement)} is not true or false`]),
    ...leaseProblems(lease),
  ];
  if (problems.length > 0) throw configError(problems);
  return { client, settings: parseSettings(module, { ...options, client }), leasePerStatement, lease };
};

/** By the names that the user wrote. */
const renamed = (problem: string): string => {
  if (problem.startsWith('client.')) return problem.slice('client.'.length);
  return /^\w+:/.test(problem) ? `dataApi.${problem}` : problem;
};

const leaseProblems = (lease: unknown): readonly string[] => {
  if (Object(lease) !== lease) return ['lease: is missing; it is { resource, capacity, registry, … }'];
  const problems: string[] = [];
  const isRead = attempted(
    () => parseOptions({ ...Object(lease), driver: NO_DRIVER }),
    (problem) => problems.push(`lease.${problem}`),
  );
  return isRead === undefined ? problems : driverProblems(Object(lease));
};
