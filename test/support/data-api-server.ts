import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DataApiFault } from './data-api-fault.ts';
import { DataApiSchedule, type PlannedFault } from './data-api-schedule.ts';
import { DataApiShelf } from './data-api-shelf.ts';
import { type DataApiLimits, DataApiTransactions } from './data-api-transactions.ts';
import { DataApiUnit, type WireInput } from './data-api-unit.ts';

export const CLUSTER = 'arn:aws:rds:eu-west-1:123456789012:cluster:test';

const LIMITS: DataApiLimits = {
  statementMs: 45_000,
  transactionIdleMs: 180_000,
  transactionMaxMs: 86_400_000,
  responseBytes: 1_048_576,
};

export interface DataApiDatabase {
  readonly host: string;
  readonly port: number;
}

export interface SecretValue {
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface ServedCall {
  readonly operation: string;
  readonly sql: string;
  readonly transactionId: string | undefined;
  /** The caller's end of its connection. */
  readonly port: number | undefined;
}

/**
 * The RDS Data API over a real PostgreSQL: its paths, its JSON, its errors and its limits, for the real SDK. One connection for
 * each statement and each transaction, opened when it begins and seen to end before the answer.
 */
export interface DataApiServer extends AsyncDisposable {
  readonly endpoint: string;
  readonly port: number;
  /** What was asked, in order, whether it was executed or not. */
  readonly calls: ServedCall[];
  /** Transactions that are open. */
  readonly openTransactions: number;
  /** Connects that PostgreSQL refused because the role had too many. */
  readonly refusals: number;
  /** Calls that came while another one of the same transaction was under way. */
  readonly concurrentCalls: number;
  limits: DataApiLimits;
  /** The ARN of a new secret. */
  secret(value: SecretValue): string;
  /** Something goes wrong with the next calls that fit. */
  plan(fault: PlannedFault): void;
  /** For so long every call is answered with DatabaseResumingException. */
  resume(forMs: number): void;
}

/** `isKeeping`: its connections stay for the next unit of work; else each is seen to end before the answer. */
export const startDataApiServer = async (
  database: DataApiDatabase,
  isKeeping = false,
): Promise<DataApiServer> => {
  const service = new Service(database, new DataApiShelf(isKeeping));
  const server = createServer((request, response) => service.serve(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return Object.assign(service, {
    port,
    endpoint: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await service.end();
    },
  });
};

type Work = (input: WireInput) => Promise<object>;

class Service {
  readonly calls: ServedCall[] = [];
  limits = LIMITS;
  refusals = 0;
  readonly #database: DataApiDatabase;
  readonly #shelf: DataApiShelf;
  readonly #secrets = new Map<string, SecretValue>();
  readonly #transactions = new DataApiTransactions(() => this.limits);
  readonly #serving = new Set<Promise<void>>();
  readonly #schedule = new DataApiSchedule();
  readonly #operations: Readonly<Record<string, Work>> = {
    Execute: (input) => this.#statement(input, (unit) => unit.execute(input)),
    BatchExecute: (input) => this.#statement(input, (unit) => unit.batch(input), true),
    BeginTransaction: async (input) => ({
      transactionId: await this.#transactions.begin(await this.#open(input)),
    }),
    CommitTransaction: (input) => this.#transactions.end(input.transactionId, 'COMMIT'),
    RollbackTransaction: (input) => this.#transactions.end(input.transactionId, 'ROLLBACK'),
  };

  constructor(database: DataApiDatabase, shelf: DataApiShelf) {
    this.#database = database;
    this.#shelf = shelf;
  }

  get openTransactions(): number {
    return this.#transactions.size;
  }

  get concurrentCalls(): number {
    return this.#transactions.concurrentCalls;
  }

  secret(value: SecretValue): string {
    const arn = `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${randomBytes(6).toString('hex')}`;
    this.#secrets.set(arn, value);
    return arn;
  }

  plan(fault: PlannedFault): void {
    this.#schedule.plan(fault);
  }

  resume(forMs: number): void {
    this.#schedule.resume(forMs);
  }

  async end(): Promise<void> {
    await Promise.all(this.#serving);
    await this.#transactions.endAll();
    await this.#shelf.clear();
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    const serving = this.#serve(request, response).finally(() => this.#serving.delete(serving));
    this.#serving.add(serving);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const operation = (request.url ?? '').slice(1);
    try {
      const input = JSON.parse(await bodyOf(request)) as WireInput;
      const { sql = '', transactionId } = input;
      this.calls.push({ operation, sql, transactionId, port: request.socket.remotePort });
      const body = await this.#answer(operation, input, request);
      if (body === 'cut') request.socket.resetAndDestroy();
      else send(response, 200, body);
    } catch (error) {
      const fault =
        error instanceof DataApiFault
          ? error
          : new DataApiFault('InternalServerErrorException', String(error), 500);
      response.setHeader('x-amzn-errortype', fault.name);
      send(response, fault.status, JSON.stringify({ message: fault.message, ...fault.fields }));
    }
  }

  async #answer(operation: string, input: WireInput, request: IncomingMessage): Promise<string> {
    const work = this.#operations[operation];
    if (request.method !== 'POST' || !work)
      throw new DataApiFault('UnknownOperationException', operation, 404);
    if (!request.headers.authorization?.startsWith('AWS4-HMAC-SHA256 '))
      throw new DataApiFault('MissingAuthenticationTokenException', 'Missing Authentication Token', 403);
    if ((await this.#schedule.before(operation, input.sql)) === 'cut') return 'cut';
    if (input.resourceArn !== CLUSTER)
      throw new DataApiFault('BadRequestException', 'HttpEndpoint is not enabled for the cluster');
    const body = JSON.stringify(await work(input));
    if (Buffer.byteLength(body) > this.limits.responseBytes)
      throw new DataApiFault(
        'BadRequestException',
        'Database returned more than the allowed response size limit',
      );
    return (await this.#schedule.after(operation, input.sql)) === 'cut' ? 'cut' : body;
  }

  async #open({ secretArn = '', database }: WireInput): Promise<DataApiUnit> {
    const secret = this.#secrets.get(secretArn);
    if (!secret) throw new DataApiFault('InvalidSecretException', 'The secret is not valid.');
    try {
      return await DataApiUnit.open(
        { ...this.#database, ...secret, ...(database ? { database } : {}) },
        this.#shelf,
      );
    } catch (error) {
      if (error instanceof Error && error.message.includes('SQLState: 53300')) this.refusals += 1;
      throw error;
    }
  }

  async #statement(
    input: WireInput,
    work: (unit: DataApiUnit) => Promise<object>,
    isBatch = false,
  ): Promise<object> {
    if (input.transactionId !== undefined)
      return this.#transactions.use(input.transactionId, (unit) => this.#bounded(input, unit, work(unit)));
    const unit = await this.#open(input);
    const done = (async () => {
      try {
        if (!isBatch) return await work(unit);
        await unit.command('BEGIN');
        const answer = await work(unit);
        await unit.command('COMMIT');
        return answer;
      } finally {
        await unit.close();
      }
    })();
    return this.#bounded(input, unit, done);
  }

  /** The service's own bound for a call: what runs longer is cancelled, or goes on where the caller wanted that. */
  async #bounded(input: WireInput, unit: DataApiUnit, done: Promise<object>): Promise<object> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), this.limits.statementMs);
    });
    const first = await Promise.race([done, late]).finally(() => clearTimeout(timer));
    if (first !== 'late') return first as object;
    const ending = done.catch(() => undefined);
    if (input.continueAfterTimeout !== true) {
      await unit.cancel();
      await ending;
    }
    throw new DataApiFault('StatementTimeoutException', 'Request timed out', 400, { dbConnectionId: 1 });
  }
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
};

const send = (response: ServerResponse, status: number, body: string): void => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body);
};
