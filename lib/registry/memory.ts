import {
  assertAsk,
  assertCensus,
  assertElection,
  assertItems,
  assertOperation,
  assertResource,
  assertSettings,
} from '../core/assert.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import type { ResourceSettings } from '../core/lease.ts';
import { adopt, operate } from './memory-learning.ts';
import { MemoryResource } from './memory-resource.ts';
import type { Registry, RenewItem, SweepReply } from './registry.ts';

export interface MemoryRegistryOptions {
  readonly clock?: Clock;
  readonly namespace?: string;
}

/**
 * A registry in this process's memory: the reference implementation, the one for a single process, and the one for tests.
 * It coordinates nobody outside its process.
 */
export const memoryRegistry = (options: MemoryRegistryOptions = {}): Registry => {
  const clock = options.clock ?? systemClock;
  const resources = new Map<string, MemoryResource>();
  const ears = new Map<string, Set<(leaseId: string) => void>>();
  const clockMs = (): number => Math.floor(clock.read().wallMs);

  const create = (name: string, settings: ResourceSettings): MemoryResource => {
    const resource = new MemoryResource(settings, clockMs());
    resources.set(name, resource);
    return resource;
  };
  const wake = (name: string, { book }: MemoryResource): void => {
    for (const { holder, leaseId } of book.wakes.splice(0)) {
      for (const hear of [...(ears.get(`${name} ${holder}`) ?? [])]) queueMicrotask(() => hear(leaseId));
    }
  };
  /** One transition: time first, then the work, then whoever can be served by what it freed. */
  const run = <Reply>(name: string, resource: MemoryResource, work: (it: MemoryResource) => Reply): Reply => {
    resource.book.enter(clockMs());
    const reply = work(resource);
    resource.book.leave();
    wake(name, resource);
    return reply;
  };
  const onKnown = <Reply>(name: string, work: (it: MemoryResource) => Reply): Reply | undefined => {
    const resource = resources.get(name);
    return resource === undefined ? undefined : run(name, resource, work);
  };
  const onAny = <Reply>(
    name: string,
    settings: ResourceSettings,
    work: (it: MemoryResource) => Reply,
  ): Reply => run(name, resources.get(name) ?? create(name, settings), work);

  return {
    namespace: options.namespace ?? 'memory',

    async grant(request) {
      assertAsk(request);
      return onAny(request.resource, request.settings, (it) => it.grant(request));
    },

    async renew(name, holder, items) {
      assertItems(name, holder, items);
      const comesBack = items.find(
        ({ again, session }) => again !== undefined && session !== undefined,
      )?.again;
      if (comesBack !== undefined) return onAny(name, comesBack.settings, (it) => it.renew(holder, items));
      return onKnown(name, (it) => it.renew(holder, items)) ?? forgotten(items);
    },

    async park(name, holder, items) {
      assertItems(name, holder, items);
      return (
        onKnown(name, (it) => it.park(holder, items)) ?? { outcomes: items.map(() => LOST), pressure: false }
      );
    },

    async release(name, holder, items) {
      assertItems(name, holder, items);
      return onKnown(name, (it) => it.release(holder, items)) ?? items.map(() => 'unknown');
    },

    async abandon(name, holder, items) {
      assertItems(name, holder, items);
      return onKnown(name, (it) => it.abandon(holder, items)) ?? items.map(() => 'unknown');
    },

    async settle(name, by, items) {
      assertItems(name, undefined, by === undefined ? [] : [by]);
      assertItems(name, undefined, items);
      return onKnown(name, (it) => it.settle(by, items)) ?? items.map(() => 'unknown');
    },

    async sweep(name, duties, election) {
      assertElection(name, election);
      return onKnown(name, (it) => it.sweep(duties, election)) ?? NOTHING_TO_SWEEP;
    },

    async adopt(name, census, sessions, last) {
      assertCensus(census, last);
      assertItems(name, undefined, sessions);
      return onKnown(name, ({ book }) => adopt(book, census, sessions, last)) ?? 'refused';
    },

    async operate(name, operation) {
      assertResource(name);
      assertOperation(operation);
      return onKnown(name, ({ book }) => operate(book, operation)) ?? 'unknown';
    },

    async configure(name, settings, isNew) {
      assertResource(name);
      assertSettings(settings);
      const kind = resources.has(name) ? 'exists' : 'created';
      return onAny(name, settings, ({ book }) => {
        book.raiseConnectBound(settings.connectBoundMs);
        if (isNew) book.control.endLearning();
        return { kind, settings: book.settings, learningMs: book.control.learningMs(book.now) };
      });
    },

    async inspect(name, entries = 0) {
      const ids = typeof entries === 'number' ? [] : entries;
      assertItems(
        name,
        undefined,
        ids.map((id) => ({ id })),
      );
      return onKnown(name, (it) => it.report(entries));
    },

    async forget(name) {
      assertResource(name);
      resources.delete(name);
    },

    listen(name, holder, onWake) {
      const key = `${name} ${holder}`;
      const listeners = ears.get(key) ?? new Set();
      ears.set(key, listeners.add(onWake));
      const stop = (): void => {
        listeners.delete(onWake);
        if (listeners.size === 0) ears.delete(key);
      };
      return { isReady: true, [Symbol.dispose]: stop };
    },
  };
};

const LOST = { kind: 'lost', reason: 'unknown' } as const;
/** Without memory the registry learns from those who come back. */
const forgotten = (items: readonly RenewItem[]) => ({
  outcomes: items.map(() => ({ kind: 'forgotten' }) as const),
  pressure: false,
  renewAfterMs: 0,
  dutyMs: 0,
  duties: [],
});
const NOTHING_TO_SWEEP: SweepReply = {
  isElected: true,
  expired: 0,
  held: 0,
  revoking: 0,
  dutyMs: 0,
  duties: [],
};
