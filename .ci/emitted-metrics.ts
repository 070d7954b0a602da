/** Every metric that the code writes, with the dimensions that it comes with. */
import { FAILOVER_METRICS } from '../functions/failover.ts';
import { FLEET_METRICS, GROUP_METRICS } from '../functions/fleet-metrics.ts';
import { CAUSE_DIMENSIONS, POOL_METRICS } from '../lib/lambda/pool-metrics.ts';

/** The names of the dimensions that a metric is written with, in order of the alphabet. */
export type DimensionSets = readonly (readonly string[])[];

const SERVICE = 'service';

const withDimensions = (
  names: readonly string[],
  ...dimensions: readonly string[]
): [string, DimensionSets][] => names.map((name) => [name, [[SERVICE, ...dimensions].toSorted()]]);

/** By name. Powertools adds `service` to all of them. */
export const emittedMetrics = (): ReadonlyMap<string, DimensionSets> => {
  const entries = [
    ...withDimensions(Object.keys({ ...POOL_METRICS, ...FLEET_METRICS, ...FAILOVER_METRICS })),
    ...withDimensions(Object.keys(GROUP_METRICS), 'group'),
    ...Object.entries(CAUSE_DIMENSIONS).flatMap(([name, dimension]) => withDimensions([name], dimension)),
  ];
  const all = new Map<string, DimensionSets>();
  for (const [name, sets] of entries) all.set(name, [...(all.get(name) ?? []), ...sets]);
  return all;
};
