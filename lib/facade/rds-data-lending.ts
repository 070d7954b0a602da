import { serviceDelayMs } from '../core/backoff.ts';
import { type Clock, sleep, systemClock } from '../core/clock.ts';
import { type Random, systemRandom } from '../core/random.ts';
import type { DataApiClient } from '../driver/data-api/client.ts';
import { isUnanswered } from '../driver/data-api/fate.ts';
import type { Input, Operation, Output } from '../driver/data-api/module.ts';
import type { RunOptions } from '../driver/data-api/slot.ts';
import type { Driver } from '../driver/driver.ts';
import { currentDeadline } from '../pool/invocation.ts';
import { type AcquireOptions, Pool } from '../pool/pool.ts';
import type { ParsedRdsDataConfig } from './rds-data-config.ts';
import { RdsDataLoan } from './rds-data-loan.ts';

type Answer = Promise<Output<Operation>>;

/** Begins that may go unanswered before the caller hears of it; each is made under a lease of its own. */
const BEGINS_MAX = 3;
/** Failed transactions that are remembered, so that the rollback which follows a failed commit is answered. */
const ENDED_MAX = 100;

export interface LendingParts {
  readonly driver: Driver<DataApiClient>;
  /** What goes out without a lease. */
  send(operation: Operation, input: object): Answer;
  /** The service's word for a transaction that is not there. */
  notFound(id: string): Error;
}

/** Which lease each command of the SDK stands on: a transaction's from its begin to its end, a statement's while it runs. */
export class RdsDataLending {
  readonly leases: Pool<DataApiClient>;
  readonly #parts: LendingParts;
  readonly #config: ParsedRdsDataConfig;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #open = new Map<string, RdsDataLoan>();
  readonly #ended = new Set<string>();

  constructor(config: ParsedRdsDataConfig, parts: LendingParts) {
    this.#config = config;
    this.#parts = parts;
    this.#clock = config.lease.clock ?? systemClock;
    this.#random = config.lease.random ?? systemRandom;
    this.leases = new Pool({ ...config.lease, driver: parts.driver });
  }

  send(operation: Operation, input: Readonly<Record<string, unknown>>, options: AcquireOptions): Answer {
    const id = input['transactionId'];
    if (operation === 'BeginTransaction') return this.#begin(input, options);
    if (typeof id === 'string') return this.#within(operation, id, input);
    if (this.#config.leasePerStatement)
      return this.leases.use((client) => this.#run(client, operation, input), options);
    return this.#parts.send(operation, input);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.#end(id)));
    await this.leases.close();
  }

  /** A begin whose answer was lost has written nothing: it is made again, under another lease, for its own one may be in use. */
  async #begin(input: object, options: AcquireOptions): Answer {
    for (let attempt = 1; ; attempt += 1) {
      const lent = await this.leases.acquire(options);
      try {
        const output = (await this.#run(
          lent.connection,
          'BeginTransaction',
          input,
        )) as Output<'BeginTransaction'>;
        const id = output.transactionId ?? '';
        const { transactionIdleMs } = this.#config.settings;
        const onIdle = (): void => void this.#end(id);
        this.#open.set(id, new RdsDataLoan(lent, this.#clock, transactionIdleMs, onIdle));
        return output;
      } catch (error) {
        await lent.giveBack().catch(() => undefined);
        if (attempt >= BEGINS_MAX || !isUnanswered(error)) throw error;
        const delayMs = serviceDelayMs(attempt, this.#random.fraction());
        const reason = 'BeginTransaction: no answer';
        this.leases.events.emit('retry', { operation: 'call', attempt, delayMs, elapsedMs: 0, reason });
        await sleep(this.#clock, delayMs, options.signal);
      }
    }
  }

  async #within(operation: Operation, id: string, input: object): Answer {
    const loan = this.#open.get(id);
    if (loan === undefined) {
      if (operation !== 'RollbackTransaction' || !this.#ended.delete(id)) throw this.#parts.notFound(id);
      // Libraries roll back after a commit that has failed; their caller should hear why it did.
      return { transactionStatus: 'Rollback Complete', $metadata: {} };
    }
    try {
      return await loan.use((client) => this.#run(client, operation, input));
    } catch (error) {
      if (loan.isOver) this.#remember(id);
      throw error;
    } finally {
      if (loan.isOver) await this.#end(id);
    }
  }

  #run(client: DataApiClient, operation: Operation, input: object): Answer {
    return client.run(operation, input as Partial<Input<Operation>>, this.#patience);
  }

  /** Never past the end of the invocation. */
  get #patience(): RunOptions {
    const leftMs = currentDeadline()?.remainingMs() ?? Number.POSITIVE_INFINITY;
    return { retryForMs: Math.min(this.#config.settings.retryForMs, leftMs) };
  }

  async #end(id: string): Promise<void> {
    const loan = this.#open.get(id);
    this.#open.delete(id);
    await loan?.end();
  }

  #remember(id: string): void {
    this.#ended.add(id);
    if (this.#ended.size <= ENDED_MAX) return;
    const [oldest] = this.#ended;
    if (oldest !== undefined) this.#ended.delete(oldest);
  }
}
