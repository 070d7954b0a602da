import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { Redis } from 'ioredis';
import pg from 'pg';
import { parseConfig, settingsOf } from '../../lib/core/config.ts';
import { lambdaRedisOptions, redisRegistry } from '../../lib/registry/redis/redis-registry.ts';
import { eventually } from '../support/eventually.ts';
import { ExtensionsApi } from '../support/extensions-api.ts';
import { httpEvent } from '../support/lambda.ts';
import type { PostgresRole } from '../support/postgres.ts';
import { freshNamespace, freshRoleAndDatabase, postgresAdmin, redisUrl } from '../support/servers.ts';

const PROGRAM = fileURLToPath(new URL('../support/orders-child.ts', import.meta.url));
const ORDER = { customer: 'Ada the secret', items: [{ sku: 'tea', quantity: 2 }] };
const POST = httpEvent('POST /orders', { body: JSON.stringify(ORDER) });

let role: PostgresRole;
let namespace: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  role = await freshRoleAndDatabase(4);
  const owner = new pg.Client({ connectionString: role.url });
  await owner.connect();
  await owner.query(`CREATE SCHEMA AUTHORIZATION "${role.user}"`);
  await owner.query(await readFile(new URL('../../functions/orders.sql', import.meta.url), 'utf8'));
  await owner.end();
});
beforeEach(async () => {
  // What the test before has killed is gone, and of its leases nobody knows.
  await eventually(async () => (await sessions()) === 0, { what: 'the end of other sessions' });
  namespace = freshNamespace();
  await withRegistry((registry) =>
    registry.configure('orders', settingsOf(parseConfig({ resource: 'orders', capacity: 4 }, [])), true),
  );
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

const withRegistry = async <Result>(
  work: (registry: ReturnType<typeof redisRegistry>) => Promise<Result>,
): Promise<Result> => {
  const redis = new Redis(redisUrl(), lambdaRedisOptions);
  try {
    return await work(redisRegistry(redis, { namespace }));
  } finally {
    redis.disconnect();
  }
};

const rightEnv = (): Record<string, string> => ({
  REDIS_URL: redisUrl(),
  DATABASE_URL: role.url,
  LEASEHOLD_NAMESPACE: namespace,
  LEASEHOLD_RESOURCE: 'orders',
  LEASEHOLD_CAPACITY: '4',
});

/** An execution environment, seen from outside. */
class Environment {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly exit: Promise<unknown[]>;

  constructor(env: Readonly<Record<string, string>>) {
    const { PATH = '' } = process.env;
    const lambda = {
      AWS_LAMBDA_FUNCTION_NAME: 'orders-api',
      AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
      _HANDLER: 'functions/orders.handler',
    };
    this.#child = spawn(process.execPath, [PROGRAM], {
      env: { PATH, ...lambda, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.push(this.#child);
    this.exit = once(this.#child, 'exit');
    if (this.#child.stdout) createInterface(this.#child.stdout).on('line', (line) => this.lines.push(line));
  }

  async loaded(): Promise<this> {
    await eventually(() => this.#words('loaded').length > 0, { what: 'the child', timeoutMs: 20_000 });
    return this;
  }

  async invoke(event: APIGatewayProxyEventV2): Promise<unknown> {
    const before = this.#words('answer', 'failed').length;
    this.#child.stdin?.write(`${JSON.stringify(event)}\n`);
    await eventually(() => this.#words('answer', 'failed').length > before, { timeoutMs: 15_000 });
    return this.#words('answer', 'failed').at(-1)?.value;
  }

  terminate(): void {
    this.#child.kill('SIGTERM');
  }

  #words(...wanted: readonly string[]): { readonly word: string; readonly value: unknown }[] {
    return this.lines
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { readonly word: string; readonly value: unknown })
      .filter(({ word }) => wanted.includes(word));
  }
}

const sessions = async (): Promise<number> =>
  (await postgresAdmin().query('SELECT pid FROM pg_stat_activity WHERE usename = $1', [role.user])).length;

test('asks Lambda for a SIGTERM while it is loaded, and gives everything back at it', async () => {
  await using api = await ExtensionsApi.start();
  const environment = await new Environment({
    ...rightEnv(),
    AWS_LAMBDA_RUNTIME_API: api.address,
  }).loaded();
  expect(api.calls.map(({ path }) => path)).toContain('/2020-01-01/extension/register');
  expect(await sessions()).toBe(0);
  expect(await environment.invoke(POST)).toMatchObject({ statusCode: 201 });
  expect(await sessions()).toBe(1);
  environment.terminate();
  expect(await environment.exit).toEqual([null, 'SIGTERM']);
  await eventually(async () => (await sessions()) === 0);
  expect(await withRegistry((registry) => registry.inspect('orders'))).toMatchObject({
    held: 0,
    revoking: 0,
  });
}, 60_000);

test('a wrong configuration lets it load; every invocation names all that is wrong', async () => {
  await using api = await ExtensionsApi.start();
  const env = { AWS_LAMBDA_RUNTIME_API: api.address, LEASEHOLD_CAPACITY: 'many' };
  const environment = await new Environment(env).loaded();
  for (let turn = 0; turn < 2; turn += 1) {
    const said = await environment.invoke(POST);
    expect(said).toMatch(/REDIS_URL.*DATABASE_URL.*LEASEHOLD_RESOURCE.*LEASEHOLD_CAPACITY/s);
  }
}, 60_000);

test('counts its cold start once', async () => {
  const environment = await new Environment(rightEnv()).loaded();
  await environment.invoke(POST);
  await environment.invoke(POST);
  expect(environment.lines.filter((line) => line.includes('"ColdStart":1'))).toHaveLength(1);
  expect(environment.lines.filter((line) => line.includes('"OrdersPlaced":1'))).toHaveLength(2);
}, 60_000);

interface Subsegment {
  readonly id: string;
  readonly name: string;
  readonly fault?: boolean;
}

/** Where the X-Ray daemon would be. */
class Daemon implements AsyncDisposable {
  readonly segments: Subsegment[] = [];
  text = '';
  readonly #socket: Socket = createSocket('udp4');

  static async start(): Promise<Daemon> {
    const daemon = new Daemon();
    daemon.#socket.on('message', (message) => {
      daemon.text += message.toString();
      const [, segment = ''] = message.toString().split('\n');
      daemon.segments.push(JSON.parse(segment) as Subsegment);
    });
    daemon.#socket.bind(0, '127.0.0.1');
    await once(daemon.#socket, 'listening');
    return daemon;
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }
}

test('traces the use of the database in a subsegment of its own, with nothing of the body', async () => {
  await using daemon = await Daemon.start();
  const environment = await new Environment({
    ...rightEnv(),
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_XRAY_DAEMON_ADDRESS: daemon.address,
    LAMBDA_TASK_ROOT: '/var/task',
    _X_AMZN_TRACE_ID: 'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1',
  }).loaded();
  expect(await environment.invoke(POST)).toMatchObject({ statusCode: 201 });
  // Each is sent when it is over.
  await eventually(() => daemon.segments.length === 2);
  const [database, handler] = daemon.segments;
  expect(database).toMatchObject({ name: '### place order', parent_id: handler?.id });
  expect(handler).toMatchObject({
    name: '## functions/orders.handler',
    annotations: { ColdStart: true, Service: 'leasehold', orderId: expect.stringMatching(/^\d+$/) },
  });
  // What a caller has got wrong is no fault of ours.
  const wrong = httpEvent('POST /orders', { body: '{}' });
  expect(await environment.invoke(wrong)).toMatchObject({ statusCode: 400 });
  await eventually(() => daemon.segments.length === 3);
  for (const { fault } of daemon.segments) expect(fault).toBeUndefined();
  expect(daemon.text).not.toMatch(/Ada|tea|postgresql:/);
  expect(daemon.text).not.toContain(role.password);
}, 60_000);
