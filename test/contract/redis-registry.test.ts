import { redisHarness } from '../support/registry-harness.ts';
import { freshNamespace, redisUrl } from '../support/servers.ts';
import { describeRegistry } from './registry.contract.ts';

for (const version of [6, 5] as const) {
  describeRegistry(`Redis, ioredis ${version}`, () => redisHarness(redisUrl(), freshNamespace(), version));
}
