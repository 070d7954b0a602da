import type { Registry } from '../../lib/registry/registry.ts';
import type { FromProcess, RegistryCall, ToProcess } from './channel.ts';

/** Every method of the port, and nothing else: the compiler knows if one is missing. */
const METHODS = {
  grant: true,
  renew: true,
  park: true,
  release: true,
  abandon: true,
  settle: true,
  sweep: true,
  configure: true,
  inspect: true,
  forget: true,
  adopt: true,
  operate: true,
} as const satisfies Record<Exclude<keyof Registry, 'namespace' | 'listen'>, true>;

type Method = keyof typeof METHODS;

const isMethod = (name: string): name is Method => Object.hasOwn(METHODS, name);

interface PendingCall {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** The registry of another process, over the message channel to it. One call is one message there and one back. */
export class ChannelRegistry {
  readonly registry: Registry;
  readonly #pending = new Map<number, PendingCall>();
  readonly #send: (message: FromProcess) => void;
  #calls = 0;

  constructor(namespace: string, send: (message: FromProcess) => void) {
    this.#send = send;
    const methods = Object.keys(METHODS).map((method) => [
      method,
      (...args: readonly unknown[]) => this.#call(method, args),
    ]);
    this.registry = { namespace, ...Object.fromEntries(methods) } as Registry;
  }

  /** Hands an answer to whoever asked. */
  settle(message: Extract<ToProcess, { kind: 'answer' | 'failure' }>): void {
    const pending = this.#pending.get(message.call);
    this.#pending.delete(message.call);
    if (message.kind === 'answer') pending?.resolve(message.value);
    else pending?.reject(new Error(message.message));
  }

  #call(method: string, args: readonly unknown[]): Promise<unknown> {
    this.#calls += 1;
    const call = this.#calls;
    return new Promise((resolve, reject) => {
      this.#pending.set(call, { resolve, reject });
      this.#send({ kind: 'call', call, method, args });
    });
  }
}

/** The other end: makes the call on the registry that this process holds. */
export const answerCall = async (
  registry: Registry,
  { call, method, args }: RegistryCall,
): Promise<ToProcess> => {
  try {
    if (!isMethod(method)) throw new Error(`The registry has no method ${method}.`);
    const value: unknown = await Reflect.apply(registry[method], registry, args);
    return { kind: 'answer', call, value };
  } catch (error) {
    return { kind: 'failure', call, message: error instanceof Error ? error.message : String(error) };
  }
};
