import type { ResourceSettings } from './lease.ts';

type ConnectRate = Pick<ResourceSettings, 'connectsPerSecond' | 'connectBurst'>;

/** Connect rates of engines that have a hard one: spread one into the options of `createPool`. */
export const CONNECT_RATES = {
  /** Aurora DSQL takes 100 new connections a second with a burst of 1,000 (AWS, "Cluster quotas and database limits in Amazon Aurora DSQL"). */
  auroraDsql: { connectsPerSecond: 100, connectBurst: 1_000 },
} as const satisfies Readonly<Record<string, ConnectRate>>;
