import type { Clock, Instant } from '../core/clock.ts';
import type { Config } from '../core/config.ts';
import { settingsOf } from '../core/config.ts';
import type { Events } from '../core/events.ts';
import type { InForce, ResourceSettings } from '../core/lease.ts';
import type { Random } from '../core/random.ts';
import type { Registry, Weather } from '../registry/registry.ts';
import type { PoolEvents } from './pool-events.ts';
import { Statistics } from './statistics.ts';

/** So long, in ms, the registry's word that others wait is taken for the present. Under pressure nothing is looked after, nor topped up. */
const PRESSURE_MS = 30_000;

/** What the parts of one pool share: who they are towards the registry, and the world they live in. */
export class Holder {
  readonly config: Config;
  readonly settings: ResourceSettings;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events<PoolEvents>;
  readonly statistics: Statistics;
  #pressureAt: Instant | undefined;
  #inForce: { readonly word: InForce; readonly heardAt: Instant } | undefined;
  #id: string | undefined;

  constructor(config: Config, registry: Registry, clock: Clock, random: Random, events: Events<PoolEvents>) {
    this.config = config;
    this.settings = settingsOf(config);
    this.registry = registry;
    this.clock = clock;
    this.random = random;
    this.events = events;
    this.statistics = new Statistics(events);
  }

  /** What every reply of the registry says about the fleet. */
  hear({ pressure, inForce }: Weather): void {
    this.#pressureAt = pressure ? this.clock.read() : undefined;
    if (inForce !== undefined) this.#inForce = { word: inForce, heardAt: this.clock.read() };
  }

  /** The last that the registry said: somebody waits, or the next newcomer would have to. A word from long ago is none. */
  get pressure(): boolean {
    return this.#pressureAt !== undefined && this.clock.elapsedMs(this.#pressureAt) < PRESSURE_MS;
  }

  /** The last that the registry said about what an operator has changed, as of now: for a registry that has lost its memory. */
  get inForce(): InForce | undefined {
    if (this.#inForce === undefined) return undefined;
    const { word, heardAt } = this.#inForce;
    if (word.control !== 'paused' || word.pausedForMs === 0) return word;
    const pausedForMs = Math.ceil(word.pausedForMs - this.clock.elapsedMs(heardAt));
    return pausedForMs > 0 ? { ...word, pausedForMs } : { ...word, control: 'open', pausedForMs: 0 };
  }

  /** Made at first use, not at load: a snapshot of a loaded module is restored many times. */
  get id(): string {
    this.#id ??= this.random.id();
    return this.#id;
  }
}
