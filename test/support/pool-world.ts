import { settingsOf } from '../../lib/core/config.ts';
import type { Random } from '../../lib/core/random.ts';
import { createPool, type Pool, type PoolEvents, type PoolOptions } from '../../lib/index.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import type { Listener, Registry } from '../../lib/registry/registry.ts';
import { FakeClock } from './fake-clock.ts';
import { type FakeClient, FakeDatabase } from './fake-database.ts';

/** A call to the registry as a test sees it: what was asked, and what the test makes of it. */
export type Interfere = (
  operation: keyof Registry,
  call: () => Promise<unknown>,
  args: readonly unknown[],
) => Promise<unknown>;

/** A fleet on one fake clock: a registry whose calls can be counted and spoiled, a database that judges, and pools. */
export class PoolWorld {
  readonly clock = new FakeClock();
  readonly database: FakeDatabase;
  readonly registry: Registry;
  readonly calls: string[] = [];
  readonly events: [keyof PoolEvents, PoolEvents[keyof PoolEvents]][] = [];
  interfere: Interfere = (_, call) => call();
  /** What becomes of a wake-up: a test may lose it, or deliver it later. */
  onWake: (deliver: () => void) => void = (deliver) => deliver();
  /** Told of each listener, so that a test may wake it as it likes. */
  listensBy: (onWake: (leaseId: string) => void) => void = () => undefined;
  /** Listeners hear wake-ups; false while they would still be subscribing. */
  hearsWakes = true;
  /** Listeners that are open. */
  listeners = 0;
  readonly #memory: Registry;
  readonly #capacity: number;
  #ids = 0;

  constructor(capacity: number, backends = capacity) {
    this.#capacity = capacity;
    this.database = new FakeDatabase(this.clock, backends);
    this.#memory = memoryRegistry({ clock: this.clock });
    this.registry = this.#watched(this.#memory);
  }

  /** A pool on a resource that the operator has declared new. */
  async start(options: Partial<PoolOptions<FakeClient>> = {}): Promise<Pool<FakeClient>> {
    const pool = this.pool(options);
    await this.registry.configure('orders', settingsOf(pool.config), true);
    this.calls.length = 0;
    return pool;
  }

  pool(options: Partial<PoolOptions<FakeClient>> = {}): Pool<FakeClient> {
    const pool = createPool({
      resource: 'orders',
      capacity: this.#capacity,
      registry: this.registry,
      driver: this.database.driver,
      clock: this.clock,
      random: this.#random,
      ...options,
    });
    pool.events.onAny((name, event) => this.events.push([name, event]));
    return pool;
  }

  eventsNamed<Name extends keyof PoolEvents>(name: Name): PoolEvents[Name][] {
    return this.events.filter(([it]) => it === name).map(([, event]) => event as PoolEvents[Name]);
  }

  /** Lets time pass until `work` is done. */
  async until<Result>(work: Promise<Result>, maxMs = 60_000, stepMs = 5): Promise<Result> {
    let isDone = false;
    const mark = (): void => {
      isDone = true;
    };
    work.then(mark, mark);
    await this.clock.flush();
    for (let passed = 0; !isDone && passed < maxMs; passed += stepMs) await this.clock.advanceAsync(stepMs);
    if (!isDone) throw new Error(`Not done within ${maxMs} ms of the test's clock.`);
    return work;
  }

  get #random(): Random {
    return {
      fraction: () => 0.5,
      id: () => {
        this.#ids += 1;
        return `id${String(this.#ids).padStart(14, '0')}`;
      },
    };
  }

  #watched(registry: Registry): Registry {
    return new Proxy(registry, {
      get: (target, property) => {
        const name = property as keyof Registry;
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        if (name === 'listen') return this.#listen.bind(this);
        return (...args: unknown[]) => {
          this.calls.push(name);
          return this.interfere(name, () => Promise.resolve(Reflect.apply(member, target, args)), args);
        };
      },
    });
  }

  #listen(resource: string, holder: string, onWake: (leaseId: string) => void): Listener {
    const listener = this.#memory.listen?.(resource, holder, (id) => this.onWake(() => onWake(id)));
    const isReady = (): boolean => this.hearsWakes;
    this.listeners += 1;
    this.listensBy(onWake);
    return {
      get isReady() {
        return isReady();
      },
      [Symbol.dispose]: () => {
        this.listeners -= 1;
        listener?.[Symbol.dispose]();
      },
    };
  }
}
