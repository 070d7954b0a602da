import pg from 'pg';
import type { PoolEvents } from '../../lib/pool/pool-events.ts';

const EVERY_MS = 10;

/**
 * The database as the judge: how many backends of one role it really has, looked at all the time, and how many connects it
 * refused because the role's limit was reached, as its clients heard it.
 */
export class Judge implements AsyncDisposable {
  /** The most backends that any look has seen. */
  peak = 0;
  looks = 0;
  /** What the database said when it refused. */
  readonly refusals: string[] = [];
  readonly #client: pg.Client;
  readonly #user: string;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isOver = false;

  static async start(adminUrl: string, user: string): Promise<Judge> {
    const client = new pg.Client({ connectionString: adminUrl, application_name: 'test-judge' });
    client.on('error', () => undefined);
    await client.connect();
    const judge = new Judge(client, user);
    judge.#goOn();
    return judge;
  }

  private constructor(client: pg.Client, user: string) {
    this.#client = client;
    this.#user = user;
  }

  /** Any event of any pool; only a database's refusal counts. */
  hear(name: string, event: unknown): void {
    if (name !== 'connectionFailed') return;
    const { failure, error } = event as PoolEvents['connectionFailed'];
    if (failure === 'refused') this.refusals.push(error.message);
  }

  /** Backends of the role at this moment. */
  async backends(): Promise<number> {
    const { rows } = await this.#client.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = $1',
      [this.#user],
    );
    return rows[0]?.n ?? 0;
  }

  /** The session labels of the role's backends. */
  async labels(): Promise<string[]> {
    const { rows } = await this.#client.query<{ label: string }>(
      'SELECT application_name AS label FROM pg_stat_activity WHERE usename = $1 ORDER BY 1',
      [this.#user],
    );
    return rows.map(({ label }) => label);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    await this.#looking;
    await this.#client.end().catch(() => undefined);
  }

  #goOn(): void {
    if (this.#isOver) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => this.#goOn());
    }, EVERY_MS);
  }

  async #look(): Promise<void> {
    const seen = await this.backends().catch(() => 0);
    this.looks += 1;
    this.peak = Math.max(this.peak, seen);
  }
}
