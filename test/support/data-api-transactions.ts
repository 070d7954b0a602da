import { randomBytes } from 'node:crypto';
import { DataApiFault } from './data-api-fault.ts';
import type { DataApiUnit } from './data-api-unit.ts';

/** The service's limits; a test may shorten them. */
export interface DataApiLimits {
  readonly statementMs: number;
  readonly transactionIdleMs: number;
  readonly transactionMaxMs: number;
  readonly responseBytes: number;
}

interface Transaction {
  readonly unit: DataApiUnit;
  readonly oldAge: NodeJS.Timeout;
  idle: NodeJS.Timeout | undefined;
  isBusy: boolean;
}

/** The transactions that the service has open; it ends those that are idle or old by itself. */
export class DataApiTransactions {
  concurrentCalls = 0;
  readonly #limits: () => DataApiLimits;
  readonly #open = new Map<string, Transaction>();

  constructor(limits: () => DataApiLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#open.size;
  }

  async begin(unit: DataApiUnit): Promise<string> {
    await unit.command('BEGIN');
    const id = randomBytes(12).toString('base64');
    const oldAge = setTimeout(() => void this.#rollBack(id), this.#limits().transactionMaxMs);
    this.#open.set(id, { unit, oldAge, idle: undefined, isBusy: false });
    this.#watch(id);
    return id;
  }

  async use<Result>(id: string, work: (unit: DataApiUnit) => Promise<Result>): Promise<Result> {
    const transaction = this.#take(id);
    try {
      return await work(transaction.unit);
    } finally {
      transaction.isBusy = false;
      this.#watch(id);
    }
  }

  async end(id = '', command: 'COMMIT' | 'ROLLBACK'): Promise<object> {
    const { unit } = this.#take(id);
    this.#forget(id);
    try {
      await unit.command(command);
    } finally {
      await unit.close();
    }
    return { transactionStatus: command === 'COMMIT' ? 'Transaction Committed' : 'Rollback Complete' };
  }

  async endAll(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.#rollBack(id)));
  }

  #take(id: string): Transaction {
    const transaction = this.#open.get(id);
    if (!transaction)
      throw new DataApiFault('TransactionNotFoundException', `Transaction ${id} Is Not Found`);
    if (transaction.isBusy) {
      this.concurrentCalls += 1;
      throw new DataApiFault('BadRequestException', `Transaction ${id} is used by another call`);
    }
    clearTimeout(transaction.idle);
    transaction.isBusy = true;
    return transaction;
  }

  #watch(id: string): void {
    const transaction = this.#open.get(id);
    if (transaction)
      transaction.idle = setTimeout(() => void this.#rollBack(id), this.#limits().transactionIdleMs);
  }

  async #rollBack(id: string): Promise<void> {
    const transaction = this.#open.get(id);
    this.#forget(id);
    await transaction?.unit.close();
  }

  #forget(id: string): void {
    const transaction = this.#open.get(id);
    clearTimeout(transaction?.idle);
    clearTimeout(transaction?.oldAge);
    this.#open.delete(id);
  }
}
