import { engineClient } from './engine/client.ts';
import type { EngineClient } from './engine/engine.ts';
import type { Environment } from './environment.ts';
import { FUNCTION_TIMEOUT_MS, type Plan } from './plan.ts';
import type { TickCounter } from './tick.ts';

/** As people do it today: a client in a module variable, opened at the cold start and kept as long as the environment lives. */
export class NaiveEnvironment implements Environment {
  readonly #plan: Plan;
  readonly #counter: TickCounter;
  readonly #engine: EngineClient<unknown>;
  #client: unknown;

  constructor(plan: Plan, counter: TickCounter) {
    this.#plan = plan;
    this.#counter = counter;
    this.#engine = engineClient(plan.engine);
  }

  async invoke(): Promise<void> {
    try {
      this.#client ??= await this.#connect();
      await this.#engine.placeOrder(this.#client, this.#plan.process);
    } catch (error) {
      // Not every engine connects before there is something to do.
      if (this.#engine.isRefusal(error)) this.#counter.refuse();
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#client !== undefined) await this.#engine.disconnect(this.#client);
  }

  #connect(): Promise<unknown> {
    return this.#engine.connect(this.#plan.database, FUNCTION_TIMEOUT_MS, () => {
      this.#client = undefined;
    });
  }
}
