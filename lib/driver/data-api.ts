import { type Clock, systemClock } from '../core/clock.ts';
import { type Random, systemRandom } from '../core/random.ts';
import { Caller, type CallRetry } from './data-api/caller.ts';
import type { DataApiClient } from './data-api/client.ts';
import { DataApiConnection } from './data-api/connection.ts';
import { DATA_API_EXCEPTIONS } from './data-api/exceptions.ts';
import { IdleSockets } from './data-api/idle-sockets.ts';
import type { RdsDataModule, Sender } from './data-api/module.ts';
import { sendingOnce } from './data-api/once.ts';
import { ServerIdentity } from './data-api/server-identity.ts';
import { busyList, connectionList, type SessionList } from './data-api/sessions.ts';
import { type DataApiOptions, parseSettings, type Settings } from './data-api/settings.ts';
import { Slot } from './data-api/slot.ts';
import type { Driver } from './driver.ts';

export type { CallRetry } from './data-api/caller.ts';
export type { DataApiClient, ExecuteOptions } from './data-api/client.ts';
export { sqlStateOf } from './data-api/fate.ts';
export type { RdsDataModule } from './data-api/module.ts';
export { type Parameters, type ParameterValue, toParameters, typed } from './data-api/parameters.ts';
export type { Column, DataApiResult } from './data-api/result.ts';
export type { DataApiOptions } from './data-api/settings.ts';
export type { RunOptions } from './data-api/slot.ts';

export interface DataApiDriverOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  /** Told before what was turned away is repeated. */
  readonly onRetry?: (retry: CallRetry) => void;
}

/**
 * The driver for Aurora PostgreSQL through the RDS Data API. A connection of the pool is the right to one unit of work: a
 * statement in flight or an open transaction. The service has connections of its own, as many as units run at once.
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem of the options.
 */
export const dataApiDriver = (
  module: RdsDataModule,
  options: DataApiOptions,
  parts: DataApiDriverOptions = {},
): Driver<DataApiClient> => {
  const settings = parseSettings(module, options);
  return driverOver({ module, settings, list: busyList, ...clientOf(module, options, parts) }, parts);
};

export interface DataApiControlOptions extends DataApiOptions {
  /** Whose connections are ended and looked for. Default: those of the secret's own role. */
  readonly role?: string;
}

/**
 * The sweeper's way to the database without a connection of its own: lists and ends the connections that a driver of the engine
 * (`postgresDriver`) has opened under leases. For leases of `dataApiDriver` that driver is the control itself.
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem of the options.
 */
export const dataApiControl = (
  module: RdsDataModule,
  { role, ...options }: DataApiControlOptions,
  parts: DataApiDriverOptions = {},
): Driver<DataApiClient> => {
  const settings = parseSettings(module, options);
  const list = connectionList(role);
  return driverOver({ module, settings, list, ...clientOf(module, options, parts) }, parts);
};

const clientOf = (
  module: RdsDataModule,
  { client }: DataApiOptions,
  { clock = systemClock }: DataApiDriverOptions,
) => {
  const sockets = new IdleSockets(clock);
  const sender = new module.RDSDataClient(sendingOnce(sockets.within(client))) as unknown as Sender;
  return { sender, sockets };
};

export interface DataApiParts {
  readonly module: RdsDataModule;
  readonly sender: Sender;
  readonly sockets: IdleSockets;
  readonly settings: Settings;
  readonly list: SessionList;
}

/** For the facade, which is a client itself. */
export const driverOver = (
  { module, sender, sockets, settings, list }: DataApiParts,
  { clock = systemClock, random = systemRandom, onRetry }: DataApiDriverOptions = {},
): Driver<DataApiClient> => {
  const caller = new Caller({ module, sender, sockets, clock, random, onRetry });
  const identity = new ServerIdentity(caller, settings, clock);
  return {
    engine: 'data-api',
    exceptions: DATA_API_EXCEPTIONS,
    open: async (request) => {
      const server = await identity.ask(request);
      if (typeof server !== 'string') return server;
      const slot = new Slot({ caller, settings, clock, request });
      const session = `${server}.${sessionName(random)}`;
      const connection = new DataApiConnection({ slot, list, clock, identity, server, session });
      return { kind: 'open', connection };
    },
  };
};

const SESSION_DIGITS = 10;

/** Process 0, which no backend is: a slot is nobody at the database until something runs in it. */
const sessionName = (random: Random): string =>
  `0.${BigInt(`0x${Buffer.from(random.id()).toString('hex')}`)
    .toString(36)
    .slice(-SESSION_DIGITS)}`;
