import { assertAsk, assertItems, assertResource, assertSettings } from '../core/assert.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import { encodeSettings, type ResourceSettings } from '../core/lease.ts';
import { MemoryResource } from './memory-resource.ts';
import type { Registry, SweepReply } from './registry.ts';

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
  const clockMs = (): number => Math.floor(clock.read().wallMs);

  const enter = (name: string): MemoryResource | undefined => {
    const resource = resources.get(name);
    resource?.enter(clockMs());
    return resource;
  };
  const create = (name: string, settings: ResourceSettings): MemoryResource => {
    const resource = new MemoryResource(settings, clockMs());
    resources.set(name, resource);
    return resource;
  };

  return {
    namespace: options.namespace ?? 'memory',

    async grant(request) {
      assertAsk(request);
      const resource = enter(request.resource) ?? create(request.resource, request.settings);
      const settingsDiffer = encodeSettings(resource.settings) !== encodeSettings(request.settings);
      const reply = resource.grant(request);
      return settingsDiffer && 'pressure' in reply ? { ...reply, settingsDiffer } : reply;
    },

    async renew(name, holder, items) {
      assertItems(name, holder, items);
      return enter(name)?.renew(holder, items) ?? { outcomes: items.map(() => LOST), ...CALM };
    },

    async park(name, holder, items) {
      assertItems(name, holder, items);
      return enter(name)?.park(holder, items) ?? { outcomes: items.map(() => LOST), pressure: false };
    },

    async release(name, holder, items) {
      assertItems(name, holder, items);
      return enter(name)?.release(holder, items) ?? items.map(() => 'unknown');
    },

    async abandon(name, holder, items) {
      assertItems(name, holder, items);
      return enter(name)?.abandon(holder, items) ?? items.map(() => 'unknown');
    },

    async settle(name, by, items) {
      assertItems(name, undefined, by === undefined ? [] : [by]);
      assertItems(name, undefined, items);
      return enter(name)?.settle(by, items) ?? items.map(() => 'unknown');
    },

    async sweep(name, duties) {
      assertResource(name);
      return enter(name)?.sweep(duties) ?? NOTHING_TO_SWEEP;
    },

    async configure(name, settings, isNew) {
      assertResource(name);
      assertSettings(settings);
      const known = enter(name);
      const resource = known ?? create(name, settings);
      resource.configure(settings, isNew);
      const kind = known === undefined ? 'created' : 'exists';
      return { kind, settings: resource.settings, learningMs: resource.learningMs };
    },

    async inspect(name, entries = 0) {
      assertResource(name);
      return enter(name)?.report(entries);
    },

    async forget(name) {
      assertResource(name);
      resources.delete(name);
    },
  };
};

const LOST = { kind: 'lost', reason: 'unknown' } as const;
const CALM = { pressure: false, renewAfterMs: 0, dutyMs: 0, duties: [] } as const;
const NOTHING_TO_SWEEP: SweepReply = { expired: 0, held: 0, revoking: 0, dutyMs: 0, duties: [] };
