import type { Cluster, Redis } from 'ioredis';
import {
  assertAsk,
  assertCensus,
  assertElection,
  assertItems,
  assertOperation,
  assertResource,
  assertSettings,
} from '../../core/assert.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { configError } from '../../core/config.ts';
import { encodeSettings } from '../../core/lease.ts';
import type { Registry } from '../registry.ts';
import {
  grantArguments,
  NONE,
  operateArguments,
  releaseArguments,
  renewArguments,
  settleArguments,
} from './arguments.ts';
import type { ScriptClient } from './batch.ts';
import { connectingAgain } from './given-up.ts';
import { namespaceTag, rememberedKeys, wakeChannelOf } from './keys.ts';
import { PrimaryWatch, type WatchedClient } from './primary-watch.ts';
import { acknowledgedBy, type PipelineClient } from './replica-wait.ts';
import {
  readConfigure,
  readGrant,
  readPark,
  readRelease,
  readRenew,
  readSweep,
  readWord,
  readWords,
} from './replies.ts';
import { readReport } from './report-reply.ts';
import { type Before, ScriptRunner } from './script-runner.ts';
import { embeddedScripts, type ScriptName, type ScriptSet } from './scripts.ts';
import { type HearingClient, WakeChannel } from './wake-channel.ts';

export {
  type ElastiCacheAccess,
  elastiCacheNodeOptions,
  elastiCacheOptions,
  lambdaClusterOptions,
  lambdaRedisOptions,
  sentinelOptions,
} from './client-options.ts';
export { keepAuthenticated } from './keep-authenticated.ts';

export interface RedisRegistryOptions {
  /** Two stages that share a Redis or a database need two namespaces. Default: 'leasehold'. */
  readonly namespace?: string;
  /** How long one call may take, in ms. Default: 1,000. The call may have had its effect all the same; the pool repeats it with the same id. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
  /** A grant counts only when so many replicas have acknowledged it (`WAIT`), so that a failover cannot forget it; not with `Cluster`. Default: 0. */
  readonly replicas?: number;
  /** How long a grant waits for them, in ms, and with it whatever else is sent on the same client. Below `timeoutMs`. Default: 100. */
  readonly replicaTimeoutMs?: number;
  /**
   * Whether another primary than before, which may lack the last steps, makes a resource learn what is open. Turn it off where a
   * proxy answers INFO from any server, as serverless services do; one that refuses INFO in scripts is not watched anyway. Default: true.
   */
  readonly watchPrimary?: boolean;
}

const DEFAULT_NAMESPACE = 'leasehold';
const DEFAULT_TIMEOUT_MS = 1_000;
const DEFAULT_REPLICA_TIMEOUT_MS = 100;

/**
 * The registry in Redis or Valkey: one script, one round trip a call. `client` is the user's own ioredis client (5 or 6,
 * `Redis` or `Cluster`; `lambdaRedisOptions` suit it); it is neither configured nor closed here.
 */
export const redisRegistry = (client: Redis | Cluster, options: RedisRegistryOptions = {}): Registry => {
  const { replicas = 0, replicaTimeoutMs = DEFAULT_REPLICA_TIMEOUT_MS, watchPrimary = true } = options;
  assertReplicas(client, replicas, replicaTimeoutMs, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  const granting =
    replicas > 0 ? acknowledgedBy(client as PipelineClient, replicas, replicaTimeoutMs) : undefined;
  const watch = watchPrimary ? new PrimaryWatch(client as WatchedClient, embeddedScripts.primary) : undefined;
  const connectAgain = connectingAgain(client);
  return scriptedRegistry(client as ScriptClient & HearingClient, embeddedScripts, options, {
    ...(granting && { granting }),
    before: (keys) => {
      connectAgain();
      return watch?.before(keys);
    },
  });
};

const assertReplicas = (
  client: Redis | Cluster,
  replicas: number,
  waitMs: number,
  timeoutMs: number,
): void => {
  const isCount = (value: number): boolean => Number.isInteger(value) && value >= 0;
  const problems: string[] = [];
  if (!isCount(replicas)) problems.push(`replicas is ${replicas}; it has to be a whole number, 0 or more`);
  if (!isCount(waitMs) || waitMs < 1 || waitMs >= timeoutMs)
    problems.push(
      `replicaTimeoutMs is ${waitMs}; it has to be a whole number from 1 to below timeoutMs (${timeoutMs})`,
    );
  if (replicas > 0 && client.isCluster)
    problems.push(
      'replicas cannot be used with Cluster: ioredis follows no redirection for a script with WAIT behind it',
    );
  if (problems.length > 0) throw configError(problems);
};

/** What goes another way than usual. */
interface Ways {
  /** For grants. */
  readonly granting?: ScriptClient;
  readonly before?: Before;
}

/** The same with the scripts given: tests run them over a clock that they set. */
export const scriptedRegistry = (
  client: ScriptClient & HearingClient,
  scripts: ScriptSet,
  options: RedisRegistryOptions,
  { granting, before }: Ways = {},
): Registry => {
  const namespace = namespaceTag(options.namespace ?? DEFAULT_NAMESPACE);
  const { clock = systemClock, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const usual = new ScriptRunner(client, clock, timeoutMs, before);
  // One runner where it can be: it keeps the order of calls, and sends those of one turn together.
  const grants = granting === undefined ? usual : new ScriptRunner(granting, clock, timeoutMs, before);
  const wakes = new WakeChannel(client, clock);
  const keysOf = rememberedKeys(namespace);
  const run = (name: ScriptName, resource: string, ...args: (string | number)[]): Promise<unknown> =>
    (name === 'grant' ? grants : usual).run(scripts[name], keysOf(resource), args.map(String));

  return {
    namespace,

    async grant(request) {
      assertAsk(request);
      const reply = await run('grant', request.resource, ...grantArguments(request));
      return readGrant(reply, request.settings);
    },

    async renew(resource, holder, items) {
      assertItems(resource, holder, items);
      const reply = await run('renew', resource, holder, ...renewArguments(items));
      return readRenew(reply, items.length);
    },

    async park(resource, holder, items) {
      assertItems(resource, holder, items);
      const args = items.flatMap((item) => [item.id, item.fence, item.turn, item.session ?? NONE]);
      return readPark(await run('park', resource, holder, ...args), items.length);
    },

    async release(resource, holder, items) {
      assertItems(resource, holder, items);
      const reply = await run('release', resource, ...releaseArguments(holder, items));
      return readRelease(reply, items.length);
    },

    async abandon(resource, holder, items) {
      assertItems(resource, holder, items);
      const args = items.flatMap((item) => [item.id, item.fence, item.session ?? NONE, item.outcome]);
      return readWords(await run('abandon', resource, holder, ...args), items.length, 'abandoned', 'unknown');
    },

    async settle(resource, by, items) {
      assertItems(resource, undefined, by === undefined ? [] : [by]);
      assertItems(resource, undefined, items);
      const args = items.flatMap(settleArguments);
      const reply = await run('settle', resource, by?.id ?? NONE, by?.fence ?? 0, ...args);
      return readWords(reply, items.length, 'settled', 'kept', 'unknown');
    },

    async sweep(resource, duties, election) {
      assertElection(resource, election);
      const { sweeper = NONE, forMs = 0 } = election ?? {};
      return readSweep(await run('sweep', resource, duties, sweeper, forMs));
    },

    async adopt(resource, census, sessions, last) {
      assertCensus(census, last);
      assertItems(resource, undefined, sessions);
      const found = sessions.flatMap(({ id, fence, session }) => [id, fence, session]);
      const end = [Number(last !== undefined), last?.foreign ?? 0];
      const reply = await run('adopt', resource, census.epoch, census.token, ...end, ...found);
      return readWord(reply, 'adopted', 'refused');
    },

    async operate(resource, operation) {
      assertResource(resource);
      assertOperation(operation);
      const reply = await run('operate', resource, ...operateArguments(operation));
      return readWord(reply, 'done', 'stale', 'refused', 'unknown');
    },

    listen(resource, holder, onWake) {
      assertItems(resource, holder, []);
      return wakes.listen(wakeChannelOf(resource, namespace, holder), onWake);
    },

    async configure(resource, settings, isNew) {
      assertResource(resource);
      assertSettings(settings);
      return readConfigure(await run('configure', resource, encodeSettings(settings), Number(isNew)));
    },

    async inspect(resource, entries = 0) {
      const ids = typeof entries === 'number' ? [] : entries;
      assertItems(
        resource,
        undefined,
        ids.map((id) => ({ id })),
      );
      const limit = typeof entries === 'number' ? entries : 0;
      return readReport(await run('inspect', resource, limit, ...ids));
    },

    async forget(resource) {
      assertResource(resource);
      readWords(await run('forget', resource), 0);
    },
  };
};
