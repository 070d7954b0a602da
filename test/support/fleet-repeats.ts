import { LeaseholdError } from '../../lib/core/errors.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { pause } from './eventually.ts';

type Method = Exclude<keyof Registry, 'namespace'>;

/** One call as it was made. */
export interface RecordedCall {
  readonly method: Method;
  /** The same request arrives once more, however late. */
  repeat(): Promise<unknown>;
}

const calling = (
  inner: Registry,
  change: (method: Method, call: () => Promise<unknown>) => Promise<unknown>,
) =>
  new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...values: unknown[]) => change(name as Method, () => value.apply(target, values));
    },
  });

/** A registry that remembers its requests, so that a test can deliver one a second time. */
export const recordingRegistry =
  (calls: RecordedCall[]) =>
  (inner: Registry): Registry =>
    calling(inner, (method, call) => {
      calls.push({ method, repeat: call });
      return call();
    });

/** A network that holds back the first request of one kind: its sender hears nothing, and it arrives after `delayMs`. */
export const overtakenRegistry =
  (held: Method, delayMs: number, arrived: () => void) =>
  (inner: Registry): Registry => {
    let isFirst = true;
    return calling(inner, (method, call) => {
      if (method !== held || !isFirst) return call();
      isFirst = false;
      void pause(delayMs).then(call).finally(arrived);
      return Promise.reject(new LeaseholdError('REGISTRY_UNREACHABLE', 'The request is held back.'));
    });
  };
