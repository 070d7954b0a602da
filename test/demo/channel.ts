import type { Plan } from './plan.ts';
import type { Tick } from './tick.ts';

/** What the demo says to a process of its fleet. */
export type ToProcess =
  | { readonly kind: 'begin'; readonly plan: Plan }
  | { readonly kind: 'end' }
  | { readonly kind: 'answer'; readonly call: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly call: number; readonly message: string };

/** What a process of the fleet says to the demo. */
export type FromProcess =
  | { readonly kind: 'ready' }
  | { readonly kind: 'tick'; readonly tick: Tick }
  | { readonly kind: 'ended' }
  | RegistryCall;

export interface RegistryCall {
  readonly kind: 'call';
  readonly call: number;
  readonly method: string;
  readonly args: readonly unknown[];
}
