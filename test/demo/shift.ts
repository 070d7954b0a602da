import { setTimeout as pause } from 'node:timers/promises';
import type { Registry } from '../../lib/registry/registry.ts';
import type { Environment } from './environment.ts';
import { LeasedEnvironment } from './leased.ts';
import { pausesMs } from './load.ts';
import { NaiveEnvironment } from './naive.ts';
import { FUNCTION_TIMEOUT_MS, type Plan } from './plan.ts';
import type { TickCounter } from './tick.ts';

/** The environments of one process during one phase, and the load on them. */
export class Shift {
  readonly #environments: readonly Environment[];
  readonly #counter: TickCounter;
  readonly #over = new AbortController();
  readonly #running: Promise<unknown>;

  constructor(plan: Plan, shared: Registry, counter: TickCounter) {
    const { leases } = plan;
    this.#counter = counter;
    this.#environments = Array.from({ length: plan.environments }, () =>
      leases === undefined
        ? new NaiveEnvironment(plan, counter)
        : new LeasedEnvironment(plan, leases, shared, counter),
    );
    this.#running = Promise.all(
      this.#environments.map((environment) => this.#live(environment, plan.periodMs)),
    );
  }

  /** No invocation is begun any more; what is under way is cut short where it only waits. */
  async end(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#environments.map((environment) => environment.close().catch(() => undefined)));
    await this.#running;
  }

  async #live(environment: Environment, periodMs: number): Promise<void> {
    const { signal } = this.#over;
    for (const ms of pausesMs(periodMs, Math.random)) {
      await pause(ms, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.#invoke(environment);
    }
  }

  async #invoke(environment: Environment): Promise<void> {
    const startedAt = performance.now();
    try {
      await environment.invoke();
      const latencyMs = performance.now() - startedAt;
      // Frozen in the middle, for instance: the platform would have ended it.
      if (latencyMs > FUNCTION_TIMEOUT_MS) this.#counter.fail('TIMED_OUT');
      else this.#counter.complete(latencyMs);
    } catch (error) {
      // What the end of the phase cut short says nothing.
      if (!this.#over.signal.aborted) this.#counter.fail(causeOf(error));
    }
  }
}

const causeOf = (error: unknown): string => {
  const code: unknown = Reflect.get(Object(error), 'code');
  return typeof code === 'string' ? code : error instanceof Error ? error.message : String(error);
};
