import type { Cluster, Redis } from 'ioredis';
import {
  assertAsk,
  assertItems,
  assertOperation,
  assertResource,
  assertSettings,
} from '../../core/assert.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { encodeSettings } from '../../core/lease.ts';
import type { Registry } from '../registry.ts';
import { grantArguments, NONE, operateArguments, renewArguments } from './arguments.ts';
import { keysOf, namespaceTag, wakeChannelOf } from './keys.ts';
import {
  readConfigure,
  readGrant,
  readPark,
  readRelease,
  readRenew,
  readReport,
  readSweep,
  readWord,
  readWords,
} from './replies.ts';
import { type ScriptClient, ScriptRunner } from './script-runner.ts';
import { embeddedScripts, type ScriptName, type ScriptSet } from './scripts.ts';
import { type HearingClient, WakeChannel } from './wake-channel.ts';

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
  scriptedRegistry(client as ScriptClient & HearingClient, embeddedScripts, options);

/** The same with the scripts given: tests run them over a clock that they set. */
export const scriptedRegistry = (
  client: ScriptClient & HearingClient,
  scripts: ScriptSet,
  options: RedisRegistryOptions,
): Registry => {
  const namespace = namespaceTag(options.namespace ?? DEFAULT_NAMESPACE);
  const clock = options.clock ?? systemClock;
  const runner = new ScriptRunner(client, clock, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  const wakes = new WakeChannel(client, clock);
  const run = (name: ScriptName, resource: string, ...args: (string | number)[]): Promise<unknown> =>
    runner.run(scripts[name], keysOf(resource, namespace), args.map(String));

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
      const args = items.flatMap((item) => [item.id, item.fence, item.outcome]);
      return readRelease(await run('release', resource, holder, ...args), items.length);
    },

    async abandon(resource, holder, items) {
      assertItems(resource, holder, items);
      const args = items.flatMap((item) => [item.id, item.fence, item.session ?? NONE, item.outcome]);
      return readWords(await run('abandon', resource, holder, ...args), items.length, 'abandoned', 'unknown');
    },

    async settle(resource, by, items) {
      assertItems(resource, undefined, by === undefined ? [] : [by]);
      assertItems(resource, undefined, items);
      const args = items.flatMap((item) =>
        item.kind === 'absent'
          ? [item.id, item.kind, Number(item.seen), item.server]
          : [item.id, item.kind, 0, NONE],
      );
      const reply = await run('settle', resource, by?.id ?? NONE, by?.fence ?? 0, ...args);
      return readWords(reply, items.length, 'settled', 'kept', 'unknown');
    },

    async sweep(resource, duties) {
      assertResource(resource);
      return readSweep(await run('sweep', resource, duties));
    },

    async adopt(resource, { epoch, token }, sessions, last) {
      assertItems(resource, undefined, sessions);
      const found = sessions.flatMap(({ id, fence, session }) => [id, fence, session]);
      const end = [Number(last !== undefined), last?.foreign ?? 0];
      const reply = await run('adopt', resource, epoch, token, ...end, ...found);
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
      assertResource(resource);
      return readReport(await run('inspect', resource, entries));
    },

    async forget(resource) {
      assertResource(resource);
      readWords(await run('forget', resource), 0);
    },
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
