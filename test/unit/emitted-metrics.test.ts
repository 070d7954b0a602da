import { Metrics } from '@aws-lambda-powertools/metrics';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { emittedMetrics } from '../../.ci/emitted-metrics.ts';
import { poolMetrics } from '../../lib/lambda/with-leases.ts';
import { PoolWorld } from '../support/pool-world.ts';

/** One line of CloudWatch's embedded metric format. */
interface Blob {
  readonly _aws: {
    readonly CloudWatchMetrics: readonly {
      readonly Namespace: string;
      readonly Dimensions: readonly (readonly string[])[];
      readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
    }[];
  };
}

let written: jest.SpiedFunction<typeof process.stdout.write>;
beforeEach(() => {
  written = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
});
afterEach(() => written.mockRestore());

/** `name dimension,dimension` of everything that Powertools has written. */
const seen = (): Set<string> =>
  new Set(
    written.mock.calls
      .map(([line]) => String(line))
      .filter((line) => line.includes('"_aws"'))
      .flatMap((line) => (JSON.parse(line) as Blob)._aws.CloudWatchMetrics)
      .flatMap(({ Dimensions, Metrics: all }) =>
        Dimensions.flatMap((set) => all.map(({ Name }) => `${Name} ${set.toSorted().join()}`)),
      ),
  );

test('what alarms are checked against is what Powertools writes of a pool: names and dimensions', async () => {
  const world = new PoolWorld(1);
  const pool = await world.start({ max: 1 });
  const metrics = new Metrics({ namespace: 'leasehold', serviceName: 'orders' });
  using recorder = poolMetrics(pool, metrics);
  await world.until(pool.use(() => undefined));
  await world.registry.operate('orders', { kind: 'pause', forMs: 0 });
  const other = world.pool({ max: 1 });
  using others = poolMetrics(other, metrics);
  await world.until(other.use(() => undefined, { timeoutMs: 1_800 }).catch(() => undefined));
  recorder.record();
  others.record();
  metrics.publishStoredMetrics();
  const known = [...emittedMetrics()].flatMap(([name, sets]) => sets.map((set) => `${name} ${set.join()}`));
  expect([...seen()].filter((each) => !known.includes(each))).toEqual([]);
  // Some of each kind were there.
  expect(seen()).toContain('PoolSize service');
  expect(seen()).toContain('AcquireFailed service');
  expect(seen()).toContain('AcquireFailed code,service');
  expect(seen()).toContain('LongWaits because,service');
});
