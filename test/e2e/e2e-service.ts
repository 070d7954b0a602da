import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { SweepReport } from '../../lib/sweeper/sweeper.ts';
import type { ExecutionEnvironment } from '../local/execution-environment.ts';
import type { LocalEvent } from '../local/local-event.ts';
import { LocalService } from '../local/local-service.ts';
import { e2eProgram } from '../support/e2e-program.ts';
import { eventually } from '../support/eventually.ts';
import { postgresAdmin, redisUrl } from '../support/servers.ts';

/** A refusal by the database in a line of a log; not a measured number that has these digits somewhere. */
export const REFUSAL = /["'[ ]53300|too many connections/;

export interface E2eOptions {
  readonly capacity?: number;
  readonly environmentsMax?: number;
  readonly maxConcurrency?: number;
  /** Instead of the packaged one of the orders API. */
  readonly timeoutMs?: number;
  readonly protectMs?: number;
  readonly idleMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly body: { readonly id?: string; readonly message?: string };
  readonly retryAfter: string | null;
  /** What API Gateway would keep to itself. */
  readonly localError: string | null;
}

/** Longer than any test: nobody is reaped in one. */
const REAP_MS = 600_000;
const LINE_MS = 29_000;
const STARTS_AT_ONCE = 4;

/** The packaged service under test, and what has happened in it. */
export class E2eService implements AsyncDisposable {
  readonly events: LocalEvent[] = [];
  readonly service: LocalService;

  private constructor(service: LocalService, events: LocalEvent[]) {
    this.service = service;
    this.events = events;
  }

  static async start(options: E2eOptions = {}): Promise<E2eService> {
    const { capacity = 4, environmentsMax = 4, maxConcurrency = 1, timeoutMs } = options;
    const { protectMs = 4_000, idleMs = 4_000 } = options;
    const program = await e2eProgram();
    const functions = program.service.functions.map((each) =>
      each.key === 'orders' && timeoutMs !== undefined ? { ...each, timeoutMs } : each,
    );
    const events: LocalEvent[] = [];
    const service = await LocalService.start({
      program: { ...program, service: { ...program.service, functions } },
      postgres: postgresAdmin(),
      redisUrl: redisUrl(),
      capacity,
      port: 0,
      sweepEveryMs: 0,
      scaling: { environmentsMax, idleMs: REAP_MS, maxConcurrency, lineMs: LINE_MS },
      startsAtOnce: STARTS_AT_ONCE,
      env: {
        LEASEHOLD_PROTECT_MS: String(protectMs),
        LEASEHOLD_IDLE_MS: String(idleMs),
      },
      listen: (event) => events.push(event),
    });
    return new E2eService(service, events);
  }

  get database() {
    return this.service.database;
  }

  /** Of the orders API. */
  get environments(): readonly ExecutionEnvironment[] {
    return this.service.lambda.function('orders').environments;
  }

  count(kind: LocalEvent['kind']): number {
    return this.events.filter((event) => event.kind === kind).length;
  }

  /** What the functions have written that says so. */
  linesWith(pattern: RegExp): string[] {
    return this.events.flatMap((event) =>
      event.kind === 'line' && pattern.test(event.text) ? [event.text] : [],
    );
  }

  /** Sent again with the same key it makes no second order. */
  async post(customer: string, key: string = randomUUID()): Promise<Answer> {
    return this.#answer('/orders', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ customer, items: [{ sku: 'tea', quantity: 1 }] }),
    });
  }

  async get(id: string): Promise<Answer> {
    return this.#answer(`/orders/${id}`, {});
  }

  /** One run of the sweeper, invoked as a function. */
  async sweep(): Promise<SweepReport> {
    const outcome = await this.service.lambda.invoke('sweeper', {});
    if (outcome.kind === 'answered') return JSON.parse(outcome.payload) as SweepReport;
    throw new Error(`The sweeper did not answer: ${JSON.stringify(outcome)}`);
  }

  /** Sweeps until the registry counts nothing more, and resolves with all reports. */
  async sweepUntilEmpty(timeoutMs: number): Promise<SweepReport[]> {
    const reports: SweepReport[] = [];
    await eventually(
      async () => {
        const report = await this.sweep();
        reports.push(report);
        return report.isKnown && report.held === 0 && report.revoking === 0;
      },
      { what: 'every slot', timeoutMs, everyMs: 250 },
    );
    return reports;
  }

  /** Every environment that has a process has answered and is stopped, as the kernel says itself. */
  async untilFrozen(): Promise<void> {
    const isAtRest = async ({ isFrozen, pid }: ExecutionEnvironment): Promise<boolean> =>
      pid === undefined || (isFrozen && (await stateOf(pid)) === 'T');
    await eventually(async () => (await Promise.all(this.environments.map(isAtRest))).every(Boolean), {
      what: 'the freeze',
      timeoutMs: 20_000,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service[Symbol.asyncDispose]();
  }

  async #answer(path: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(this.service.front.url + path, init);
    return {
      status: response.status,
      body: (await response.json()) as Answer['body'],
      retryAfter: response.headers.get('retry-after'),
      localError: response.headers.get('x-local-error'),
    };
  }
}

/** `T` is stopped, `Z` dead and not yet asked for; nothing: gone. */
export const stateOf = async (pid: number | undefined): Promise<string | undefined> => {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return /\) (\w)/.exec(line)?.[1];
};
