import type { Cluster, Redis } from 'ioredis';
import { assertAsk, assertItems, assertResource, assertSettings } from '../../core/assert.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { encodeSettings, type ResourceSettings } from '../../core/lease.ts';
import type { Registry } from '../registry.ts';
import type { ScriptClient } from './batch.ts';
import { namespaceTag, rememberedKeys } from './keys.ts';
import {
  readConfigure,
  readGrant,
  readPark,
  readRenew,
  readReport,
  readSweep,
  readWords,
} from './replies.ts';
import { ScriptRunner } from './script-runner.ts';
import { embeddedScripts, type ScriptName, type ScriptSet } from './scripts.ts';

export interface RedisRegistryOptions {
  /** Two stages that share a Redis or a database need two namespaces. Default: 'leasehold'. */
  readonly namespace?: string;
  /** How long one call may take, in ms. Default: 1,000. The call may have had its effect all the same; the pool repeats it with the same id. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

const DEFAULT_NAMESPACE = 'leasehold';
const DEFAULT_TIMEOUT_MS = 1_000;

/**
 * The registry in Redis or Valkey: one script, one round trip a call. `client` is the user's own ioredis client (5 or 6,
 * `Redis` or `Cluster`; `lambdaRedisOptions` suit it); it is neither configured nor closed here.
 */
export const redisRegistry = (client: Redis | Cluster, options: RedisRegistryOptions = {}): Registry =>
  scriptedRegistry(client as ScriptClient, embeddedScripts, options);

/** The same with the scripts given: tests run them over a clock that they set. */
export const scriptedRegistry = (
  client: ScriptClient,
  scripts: ScriptSet,
  options: RedisRegistryOptions,
): Registry => {
  const namespace = namespaceTag(options.namespace ?? DEFAULT_NAMESPACE);
  const runner = new ScriptRunner(
    client,
    options.clock ?? systemClock,
    options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
  );
  const keysOf = rememberedKeys(namespace);
  const textOf = rememberedSettings();
  const run = (name: ScriptName, resource: string, ...args: (string | number)[]): Promise<unknown> =>
    runner.run(scripts[name], keysOf(resource), args.map(String));

  return {
    namespace,

    async grant(request) {
      assertAsk(request);
      const { resource, leaseId, again, stamp, holder, group, wait, settings } = request;
      const flags = [Number(again), stamp, holder, group, Number(wait)];
      return readGrant(await run('grant', resource, leaseId, ...flags, textOf(settings)));
    },

    async renew(resource, holder, items) {
      assertItems(resource, holder, items);
      const args = items.flatMap((item) => [
        item.id,
        item.fence,
        item.turn,
        item.session ?? '-',
        Number(item.idle),
      ]);
      return readRenew(await run('renew', resource, holder, ...args), items.length);
    },

    async park(resource, holder, items) {
      assertItems(resource, holder, items);
      const args = items.flatMap((item) => [item.id, item.fence, item.turn, item.session ?? '-']);
      return readPark(await run('park', resource, holder, ...args), items.length);
    },

    async release(resource, holder, items) {
      assertItems(resource, holder, items);
      const args = items.flatMap((item) => [item.id, item.fence, item.outcome]);
      return readWords(await run('release', resource, holder, ...args), items.length, 'released', 'unknown');
    },

    async abandon(resource, holder, items) {
      assertItems(resource, holder, items);
      const args = items.flatMap((item) => [item.id, item.fence, item.session ?? '-']);
      return readWords(await run('abandon', resource, holder, ...args), items.length, 'abandoned', 'unknown');
    },

    async settle(resource, by, items) {
      assertItems(resource, undefined, by === undefined ? [] : [by]);
      assertItems(resource, undefined, items);
      const args = items.flatMap((item) =>
        item.kind === 'absent'
          ? [item.id, item.kind, Number(item.seen), item.server]
          : [item.id, item.kind, 0, '-'],
      );
      const reply = await run('settle', resource, by?.id ?? '-', by?.fence ?? 0, ...args);
      return readWords(reply, items.length, 'settled', 'kept', 'unknown');
    },

    async sweep(resource, duties) {
      assertResource(resource);
      return readSweep(await run('sweep', resource, duties));
    },

    async configure(resource, settings, isNew) {
      assertResource(resource);
      assertSettings(settings);
      return readConfigure(await run('configure', resource, encodeSettings(settings), Number(isNew)));
    },

    async inspect(resource, entries = 0) {
      assertResource(resource);
      return readReport(await run('inspect', resource, entries));
    },

    async forget(resource) {
      assertResource(resource);
      readWords(await run('forget', resource), 0);
    },
  };
};

/** A pool asks with the same settings for ever: they are written once. */
const rememberedSettings = (): ((settings: ResourceSettings) => string) => {
  const known = new WeakMap<ResourceSettings, string>();
  return (settings) => {
    const text = known.get(settings) ?? encodeSettings(settings);
    known.set(settings, text);
    return text;
  };
};

/**
 * ioredis options that suit a frozen and thawed process, without the commands that serverless Redis services refuse. A lost
 * reply is then one failed call, not a command sent twice, and a dead socket is replaced at once.
 */
export const lambdaRedisOptions = {
  lazyConnect: true,
  maxRetriesPerRequest: 0,
  enableReadyCheck: false,
  disableClientInfo: true,
  connectTimeout: 1_000,
  retryStrategy: (attempt: number): number => (attempt <= 1 ? 0 : Math.min(50 * attempt, 1_000)),
} as const;
