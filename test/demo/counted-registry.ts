import type { Registry } from '../../lib/registry/registry.ts';

/** The same registry; every call is counted, whether it is awaited by an invocation or made beside it. */
export const countedRegistry = (registry: Registry, count: () => void): Registry =>
  new Proxy(registry, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function' || name === 'listen') return value;
      return (...args: readonly unknown[]): unknown => {
        count();
        return Reflect.apply(value, target, args);
      };
    },
  });
