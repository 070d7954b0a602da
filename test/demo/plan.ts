import type { EngineName } from './engine/engine.ts';

/** How a process of the fleet reaches the registry. */
export type RegistryAddress =
  | { readonly kind: 'redis'; readonly url: string; readonly namespace: string }
  /** In the demo's own process, over the message channel. */
  | { readonly kind: 'memory'; readonly namespace: string };

/** What a fleet under leases agrees on; short deadlines where faults are to be outlived within seconds. */
export interface LeasePlan {
  readonly resource: string;
  readonly capacity: number;
  readonly protectMs?: number;
  readonly idleMs?: number;
  readonly quantumMs?: number;
}

/** What one process of the fleet does during one phase. */
export interface Plan {
  /** The process's name, in the orders and as the lease group: so the judges can tell whose is what. */
  readonly process: string;
  readonly environments: number;
  readonly engine: EngineName;
  /** What a client of this engine connects to. */
  readonly database: string;
  /** Mean time from one invocation of an environment to its next. */
  readonly periodMs: number;
  /** Undefined: naively, each environment with a client of its own. */
  readonly leases: LeasePlan | undefined;
  readonly registry: RegistryAddress;
}

/** An invocation that takes longer is ended by the platform: the default time-out of a Lambda function. */
export const FUNCTION_TIMEOUT_MS = 3_000;
