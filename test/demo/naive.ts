import pg from 'pg';
import { type Environment, isRefusal } from './environment.ts';
import { placeOrder } from './order.ts';
import { FUNCTION_TIMEOUT_MS, type Plan } from './plan.ts';
import type { TickCounter } from './tick.ts';

/** As people do it today: a client in a module variable, opened at the cold start and kept as long as the environment lives. */
export class NaiveEnvironment implements Environment {
  readonly #plan: Plan;
  readonly #counter: TickCounter;
  #client: pg.Client | undefined;

  constructor(plan: Plan, counter: TickCounter) {
    this.#plan = plan;
    this.#counter = counter;
  }

  async invoke(): Promise<void> {
    this.#client ??= await this.#connect();
    await placeOrder(this.#client, this.#plan.process);
  }

  async close(): Promise<void> {
    await this.#client?.end();
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#plan.databaseUrl,
      connectionTimeoutMillis: FUNCTION_TIMEOUT_MS,
    });
    client.on('error', () => {
      this.#client = undefined;
    });
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (isRefusal(error)) this.#counter.refuse();
      throw error;
    }
  }
}
