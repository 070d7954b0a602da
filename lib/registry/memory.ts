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
  const create = (name: string, settings: ResourceSettings, isNew: boolean): MemoryResource => {
    const resource = new MemoryResource(settings, clockMs(), isNew);
    resources.set(name, resource);
    return resource;
  };

  return {
    namespace: options.namespace ?? 'memory',

    async grant(request) {
      const known = enter(request.resource);
      const resource = known ?? create(request.resource, request.settings, false);
      const settingsDiffer = encodeSettings(resource.settings) !== encodeSettings(request.settings);
      if (settingsDiffer) resource.raiseConnectBound(request.settings.connectBoundMs);
      const reply = resource.grant(request);
      return settingsDiffer && 'pressure' in reply ? { ...reply, settingsDiffer } : reply;
    },

    async renew(name, holder, items) {
      const resource = enter(name);
      if (resource === undefined) return { outcomes: items.map(() => LOST), ...CALM };
      const outcomes = resource.renew(holder, items);
      const duties = outcomes.some((outcome) => outcome.kind === 'held') ? resource.dutiesForRenewal() : [];
      const { dutyMs } = resource.settings;
      return { outcomes, duties, dutyMs, renewAfterMs: resource.renewAfterMs, ...resource.weather };
    },

    async park(name, holder, items) {
      const resource = enter(name);
      if (resource === undefined) return { outcomes: items.map(() => LOST), pressure: false };
      return { outcomes: resource.park(holder, items), ...resource.weather };
    },

    release: async (name, holder, items) => enter(name)?.release(holder, items) ?? items.map(() => 'unknown'),
    abandon: async (name, holder, items) => enter(name)?.abandon(holder, items) ?? items.map(() => 'unknown'),
    settle: async (name, by, items) => enter(name)?.settle(by, items) ?? items.map(() => 'unknown'),
    sweep: async (name, duties) => enter(name)?.sweep(duties) ?? NOTHING_TO_SWEEP,

    async configure(name, settings, isNew) {
      const known = enter(name);
      const resource = known ?? create(name, settings, isNew);
      resource.raiseConnectBound(settings.connectBoundMs);
      if (isNew) resource.endLearning();
      return {
        kind: known === undefined ? 'created' : 'exists',
        settings: resource.settings,
        learningMs: resource.learningMs,
      };
    },

    inspect: async (name, entries = 0) => enter(name)?.report(entries),

    async forget(name) {
      resources.delete(name);
    },
  };
};

const LOST = { kind: 'lost', reason: 'unknown' } as const;
const CALM = { pressure: false, renewAfterMs: 0, dutyMs: 0, duties: [] } as const;
const NOTHING_TO_SWEEP: SweepReply = { expired: 0, held: 0, revoking: 0, dutyMs: 0, duties: [] };
