import { settingsOf } from '../../lib/core/config.ts';
import type { Driver, DriverConnection } from '../../lib/driver/driver.ts';
import { createPool, type Pool } from '../../lib/index.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';

const connection: DriverConnection<object> = {
  client: {},
  server: 's',
  session: 's.1.1',
  isOpen: true,
  isClean: true,
  onEnd: () => undefined,
  check: async () => true,
  reset: async () => ({ isFit: true, wasInTransaction: false }),
  keepAlive: () => undefined,
  close: async () => ({ endSeen: true }),
  end: async () => [],
  look: async () => [],
  census: async () => ({ sessions: [], foreign: 0 }),
};

const driver: Driver<object> = { engine: 'none', open: async () => ({ kind: 'open', connection }) };

export interface NoopPool {
  readonly pool: Pool<object>;
  /** Calls of the registry since the pool became warm. */
  registryCalls(): number;
}

/** A pool with a warm lease and a connection that does nothing: what is measured is our own. */
export const noopPool = async (): Promise<NoopPool> => {
  const registry = memoryRegistry();
  let calls = 0;
  const counted = new Proxy(registry, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        calls += 1;
        return Reflect.apply(member, target, args);
      };
    },
  });
  const pool = createPool({ resource: 'bench', capacity: 100, protectMs: 60_000, registry: counted, driver });
  await registry.configure('bench', settingsOf(pool.config), true);
  await pool.use(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 10));
  calls = 0;
  return { pool, registryCalls: () => calls };
};
