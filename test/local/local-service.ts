import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PostgresAdmin } from '../support/postgres.ts';
import { runtimeClient } from '../support/runtime-client.ts';
import { admin } from './admin.ts';
import { HttpFront } from './http-front.ts';
import type { Scaling } from './lambda-function.ts';
import type { Listen } from './local-event.ts';
import { LocalLambda } from './local-lambda.ts';
import { OrdersDatabase } from './orders-database.ts';
import type { Outcome } from './outcome.ts';
import { type PackagedService, readPackagedService, unpackService } from './packaged-service.ts';
import { packageService } from './packaging.ts';
import { Schedule } from './schedule.ts';

/** What runs: the package and the program of its runtime. */
export interface Program {
  readonly service: PackagedService;
  readonly runtime: string;
}

/** Packages the service into `folder`, and builds the runtime where that was not done. */
export const makeProgram = async (folder: string): Promise<Program> => {
  const runtime = await runtimeClient();
  await packageService(folder);
  await unpackService(folder);
  return { service: await readPackagedService(folder), runtime };
};

export interface ServicePlan {
  readonly program: Program;
  readonly postgres: PostgresAdmin;
  readonly redisUrl: string;
  readonly capacity: number;
  /** 0: any that is free. */
  readonly port: number;
  /** 0: only when somebody invokes the sweeper. */
  readonly sweepEveryMs: number;
  readonly scaling: Scaling;
  readonly startsAtOnce: number;
  /** More variables for every function. */
  readonly env: Readonly<Record<string, string>>;
  readonly listen: Listen;
}

/** The whole service on this machine: database, functions, schedule and HTTP API. */
export class LocalService implements AsyncDisposable {
  readonly lambda: LocalLambda;
  readonly front: HttpFront;
  readonly database: OrdersDatabase;
  readonly namespace: string;
  readonly #schedule: Schedule | undefined;

  private constructor(
    lambda: LocalLambda,
    front: HttpFront,
    database: OrdersDatabase,
    namespace: string,
    schedule: Schedule | undefined,
  ) {
    this.lambda = lambda;
    this.front = front;
    this.database = database;
    this.namespace = namespace;
    this.#schedule = schedule;
  }

  static async start(plan: ServicePlan): Promise<LocalService> {
    const { program, capacity, scaling, startsAtOnce, listen } = plan;
    const name = `orders_${randomBytes(4).toString('hex')}`;
    const database = await OrdersDatabase.create(plan.postgres, name, capacity);
    const lambda = new LocalLambda({
      program: program.runtime,
      service: program.service,
      env: { ...variables(plan, database, name), ...plan.env },
      envOf: { sweeper: { LEASEHOLD_CONTROL_URL: database.controlUrl } },
      scaling,
      startsAtOnce,
      listen,
    });
    try {
      demandAnswer(await lambda.invoke('sweeper', { isNew: true }));
      const front = await HttpFront.listen(plan.port, {
        routes: program.service.routes,
        invoke: (key, event) => lambda.invoke(key, event),
        admin: admin(lambda),
        listen,
      });
      const schedule =
        plan.sweepEveryMs === 0
          ? undefined
          : new Schedule(lambda.function('sweeper'), plan.sweepEveryMs, listen);
      return new LocalService(lambda, front, database, name, schedule);
    } catch (error) {
      await lambda.close();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#schedule?.close();
    await this.front.close();
    await this.lambda.close();
  }
}

const variables = ({ redisUrl, capacity }: ServicePlan, { role }: OrdersDatabase, namespace: string) => ({
  REDIS_URL: redisUrl,
  REDIS_MODE: 'single',
  DATABASE_URL: role.url,
  DATABASE_AUTH: 'url',
  LEASEHOLD_NAMESPACE: namespace,
  LEASEHOLD_RESOURCE: 'orders',
  LEASEHOLD_CAPACITY: String(capacity),
  // There is no such file but on Lambda.
  NODE_EXTRA_CA_CERTS: '',
});

/** The deploy's first step, which nothing works without. */
const demandAnswer = (outcome: Outcome): void => {
  if (outcome.kind === 'answered') return;
  const reason =
    outcome.kind === 'failed' ? `${outcome.error.errorType}: ${outcome.error.errorMessage}` : 'throttled';
  throw new Error(`The sweeper could not configure the resource as new. ${reason}`);
};

/** A folder for one package, and its end. */
export const makePackageFolder = async (): Promise<{ folder: string; remove: () => Promise<void> }> => {
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-package-'));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
};
