import type pg from 'pg';

/**
 * The service keeps its connections for the next unit of work, if it is told to. Then a role has as many as there ever ran at once,
 * and the next one is refused exactly when one more runs than it may have.
 */
export class DataApiShelf {
  readonly #isKeeping: boolean;
  readonly #free = new Map<string, pg.Client[]>();
  readonly #ended = new WeakSet<pg.Client>();

  constructor(isKeeping: boolean) {
    this.#isKeeping = isKeeping;
  }

  /** A new one. */
  watch(client: pg.Client): void {
    client.once('end', () => this.#ended.add(client));
  }

  take({ user = '', database = '' }: pg.ClientConfig): pg.Client | undefined {
    const free = this.#free.get(`${user} ${database}`) ?? [];
    for (let client = free.pop(); client !== undefined; client = free.pop())
      if (!this.#ended.has(client)) return client;
    return undefined;
  }

  /** Keeps it, or resolves when the server has let go of it. */
  async put(client: pg.Client): Promise<void> {
    const isFit = client.getTransactionStatus() === 'I' && !this.#ended.has(client);
    if (!this.#isKeeping || !isFit) return client.end().catch(() => undefined);
    const key = `${client.user} ${client.database}`;
    this.#free.set(key, [...(this.#free.get(key) ?? []), client]);
  }

  async clear(): Promise<void> {
    const clients = [...this.#free.values()].flat();
    this.#free.clear();
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
  }
}
