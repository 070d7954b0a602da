import { DataApiFault } from './data-api-fault.ts';
import { pause } from './eventually.ts';

/** What goes wrong with a call. */
export interface PlannedFault {
  /** `Execute`, `BeginTransaction`, …; default: any. */
  readonly operation?: string;
  /** Only statements with this text. */
  readonly sql?: string;
  /** Before it is executed, or after: then nobody hears of it. Default: before. */
  readonly when?: 'before' | 'after';
  /** The connection is reset, or the call answered with this error, or late. */
  readonly fault: 'cut' | { readonly error: string; readonly status?: number } | { readonly delayMs: number };
  /** Default: 1. */
  readonly times?: number;
}

/** What the local service does wrong, and when. */
export class DataApiSchedule {
  #plans: { readonly fault: PlannedFault; left: number }[] = [];
  #resumedAt = 0;

  plan(fault: PlannedFault): void {
    this.#plans.push({ fault, left: fault.times ?? 1 });
  }

  resume(forMs: number): void {
    this.#resumedAt = performance.now() + forMs;
  }

  before(operation: string, sql: string | undefined): Promise<'cut' | undefined> {
    if (performance.now() < this.#resumedAt)
      throw new DataApiFault(
        'DatabaseResumingException',
        'The Aurora DB instance is resuming after being auto-paused.',
      );
    return this.#strike('before', operation, sql);
  }

  after(operation: string, sql: string | undefined): Promise<'cut' | undefined> {
    return this.#strike('after', operation, sql);
  }

  async #strike(when: string, operation: string, sql = ''): Promise<'cut' | undefined> {
    const plan = this.#plans.find(({ fault }) => fits(fault, when, operation, sql));
    if (!plan) return undefined;
    plan.left -= 1;
    if (plan.left === 0) this.#plans = this.#plans.filter((each) => each !== plan);
    const { fault } = plan.fault;
    if (fault === 'cut') return 'cut';
    if ('error' in fault) throw new DataApiFault(fault.error, 'As planned.', fault.status);
    await pause(fault.delayMs);
    return undefined;
  }
}

const fits = (fault: PlannedFault, when: string, operation: string, sql: string): boolean =>
  (fault.when ?? 'before') === when &&
  (fault.operation === undefined || fault.operation === operation) &&
  (fault.sql === undefined || sql.includes(fault.sql));
