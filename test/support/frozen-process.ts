import type {
  ConnectionEnd,
  Driver,
  DriverConnection,
  OpenRequest,
  OpenResult,
} from '../../lib/driver/driver.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { FakeClock, type FreezeOptions } from './fake-clock.ts';

/**
 * One process of a fleet with a clock of its own, that can be frozen while the others go on: what it has asked for is done
 * meanwhile, and the answers wait for it. When it thaws its timers come first, then the answers, as in Node's event loop.
 */
export class FrozenProcess<Client> {
  readonly clock: FakeClock;
  readonly registry: Registry;
  readonly driver: Driver<Client>;
  #thawed: Promise<void> | undefined;
  #thaw: () => void = () => undefined;

  constructor(wallMs: number, registry: Registry, driver: Driver<Client>) {
    this.clock = new FakeClock(wallMs);
    this.registry = this.#waiting(registry);
    this.driver = { engine: driver.engine, open: (request) => this.#open(driver, request) };
  }

  get isFrozen(): boolean {
    return this.#thawed !== undefined;
  }

  /** Its clocks make the jump at once: nothing in it looks at them before it thaws. */
  freeze(ms: number, options?: FreezeOptions): void {
    this.clock.freeze(ms, options);
    this.#thawed = new Promise((resolve) => {
      this.#thaw = resolve;
    });
  }

  async thaw(): Promise<void> {
    this.#thawed = undefined;
    this.clock.thaw();
    this.#thaw();
    await this.clock.thawAsync();
  }

  async #after<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work;
    } finally {
      await this.#thawed;
    }
  }

  #waiting<Port extends object>(port: Port): Port {
    return new Proxy(port, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => {
          const result: unknown = Reflect.apply(member, target, args);
          return result instanceof Promise ? this.#after(result) : result;
        };
      },
    });
  }

  async #open(driver: Driver<Client>, request: OpenRequest): Promise<OpenResult<Client>> {
    const result = await this.#after(driver.open(request));
    if (result.kind !== 'open') return result;
    return { kind: 'open', connection: this.#unaware(result.connection) };
  }

  /** Nor does it hear of an end before it thaws. */
  #unaware(connection: DriverConnection<Client>): DriverConnection<Client> {
    const listeners: ((end: ConnectionEnd) => void)[] = [];
    let isEndHeard = false;
    connection.onEnd(async (end) => {
      await this.#thawed;
      isEndHeard = true;
      for (const listener of listeners) listener(end);
    });
    const waiting = this.#waiting(connection);
    return new Proxy(waiting, {
      get: (target, name) => {
        if (name === 'isOpen') return connection.isOpen || !isEndHeard;
        if (name === 'isClean') return connection.isClean;
        if (name === 'onEnd')
          return (listener: (end: ConnectionEnd) => void) => void listeners.push(listener);
        return Reflect.get(target, name);
      },
    });
  }
}
