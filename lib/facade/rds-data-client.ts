import type { RDSDataClient, RDSDataClientConfig } from '@aws-sdk/client-rds-data';
import { systemClock } from '../core/clock.ts';
import { LeaseholdError } from '../core/errors.ts';
import type { DataApiClient } from '../driver/data-api/client.ts';
import { IdleSockets } from '../driver/data-api/idle-sockets.ts';
import {
  makeCommand,
  OPERATIONS,
  type Operation,
  type Output,
  type RdsDataModule,
  type Sender,
} from '../driver/data-api/module.ts';
import { sendingOnce } from '../driver/data-api/once.ts';
import { Requests } from '../driver/data-api/requests.ts';
import { busyList } from '../driver/data-api/sessions.ts';
import { driverOver } from '../driver/data-api.ts';
import type { Pool } from '../pool/pool.ts';
import { type LeasedRdsDataConfig, type ParsedRdsDataConfig, parseRdsDataConfig } from './rds-data-config.ts';
import { RdsDataLending } from './rds-data-lending.ts';

export type { LeasedRdsDataConfig } from './rds-data-config.ts';

/** The SDK's client, each of whose transactions and statements is leased. */
export type LeasedRdsDataClient = RDSDataClient & {
  /** The pool behind it: its `status`, its `events`, and `close` with a bound. */
  readonly leases: Pool<DataApiClient>;
};

type RawClientClass = new (config: RDSDataClientConfig) => Sender & { destroy(): void };
type RawClient = InstanceType<LeasedClientClass>;
type LeasedClientClass = new (parsed: ParsedRdsDataConfig) => object;
type Callback = (error: unknown, output?: unknown) => void;

/**
 * In the place of `new RDSDataClient(config)`: a real instance of the user's own class that takes its commands (ExecuteStatement,
 * BatchExecuteStatement, and the three of a transaction), and that Drizzle's `aws-data-api` driver takes. A transaction holds
 * a lease from before its begin until its end was answered, or known; a statement outside while it runs.
 *
 * Rejects with the service's own errors and with a LeaseholdError: what `pool.use` rejects with; CONNECTION_LOST where a call went
 * unanswered. Nothing is sent twice that may have been executed; a begin that went unanswered is made again, under another lease.
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem of the options at once; opens nothing.
 */
export const leasedRdsDataClient = (
  module: RdsDataModule,
  config: LeasedRdsDataConfig,
): LeasedRdsDataClient => {
  const parsed = parseRdsDataConfig(module, config);
  const Leased = leasedClass(module);
  return new Leased(parsed) as RawClient as LeasedRdsDataClient;
};

const leasedClass = (module: RdsDataModule): LeasedClientClass => {
  const Parent = module.RDSDataClient as unknown as RawClientClass;

  class LeasedClient extends Parent {
    readonly #lending: RdsDataLending;
    readonly #settings: ParsedRdsDataConfig['settings'];

    constructor(parsed: ParsedRdsDataConfig) {
      const { clock = systemClock, random } = parsed.lease;
      const sockets = new IdleSockets(clock);
      super(sendingOnce(sockets.within(parsed.client)));
      const { settings } = parsed;
      const sender: Sender = { send: (command, options) => super.send(command, options) };
      const parts = { module, sender, sockets, settings, list: busyList };
      const driver = driverOver(parts, {
        clock,
        ...(random === undefined ? {} : { random }),
        onRetry: (retry) => this.leases.events.emit('retry', { operation: 'call', ...retry }),
      });
      // Named, or whoever looks for a lease's session would have to wait for its end.
      const unleased = new Requests(settings, 'lh-unleased:statement');
      this.#settings = settings;
      this.#lending = new RdsDataLending(parsed, {
        driver,
        send: (operation, input) =>
          sender.send(makeCommand(module, operation, unleased.statement(input)), {
            abortSignal: new AbortController().signal,
          }) as Promise<Output<Operation>>,
        notFound: (id) => notFound(module, id),
      });
    }

    get leases(): Pool<DataApiClient> {
      return this.#lending.leases;
    }

    /** As the SDK has it: with or without options, a promise or a callback. An `abortSignal` ends the wait for a lease. */
    override send(command: unknown, options?: unknown, callback?: unknown): Promise<unknown> {
      const told = typeof options === 'function' ? options : callback;
      const answer = this.#send(command, options);
      if (typeof told !== 'function') return answer;
      const tell = told as Callback;
      // What it throws is dropped, as the SDK does.
      answer.then((output) => tell(null, output), tell).catch(() => undefined);
      return undefined as unknown as Promise<unknown>;
    }

    /** Ends what is open first; `leases.close()` can be awaited. */
    override destroy(): void {
      void this.#lending.close().then(() => super.destroy());
    }

    async #send(command: unknown, options: unknown): Promise<unknown> {
      const operation = operationOf(module, command);
      if (operation === undefined) throw unfit('only statements and transactions are sent through a lease');
      // A copy: prepared statements of libraries change the input while an earlier call still waits for its lease.
      const input = { ...Object(Reflect.get(Object(command), 'input')) } as Record<string, unknown>;
      for (const name of ['resourceArn', 'secretArn'] as const) {
        if (input[name] !== undefined && input[name] !== this.#settings[name])
          throw unfit(`its ${name} is another one than the leased database’s`);
      }
      const signal: unknown = Reflect.get(Object(options), 'abortSignal');
      return this.#lending.send(operation, input, signal instanceof AbortSignal ? { signal } : {});
    }
  }

  // Libraries look at the name, and minifiers change it.
  Object.defineProperty(LeasedClient, 'name', { value: 'RDSDataClient' });
  return LeasedClient;
};

/** By its class, or by the operation's own schema where the module was loaded twice. */
const operationOf = (module: RdsDataModule, command: unknown): Operation | undefined => {
  const schema: unknown = Reflect.get(Object(command), 'schema');
  const name: unknown = Array.isArray(schema) ? schema[2] : undefined;
  return OPERATIONS.find((each) => command instanceof module[`${each}Command`] || name === each);
};

const unfit = (why: string): LeaseholdError =>
  new LeaseholdError('CONFIG_INVALID', `This command cannot be sent here: ${why}.`, {
    details: { problems: [why] },
  });

const notFound = (module: RdsDataModule, id: string): Error => {
  const message = `Transaction ${id} is not found: it is over, or another client has begun it.`;
  const Known: unknown = Reflect.get(module, 'TransactionNotFoundException');
  if (typeof Known !== 'function') return new Error(message);
  return new (Known as new (options: object) => Error)({ message, $metadata: { httpStatusCode: 404 } });
};
