import { redact, withoutSecrets } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import { isLogged, type LogLevel, type RecordLevel } from '../core/log-level.ts';
import type { PoolEvents } from './pool-events.ts';

type Write = (message: string, fields: Readonly<Record<string, unknown>>) => unknown;

/**
 * What is used of a logger: Powertools' `Logger` and `console` have this shape, others need four lines (pino takes the
 * fields first). Its failures are dropped.
 */
export type PoolLogger = { readonly [Level in RecordLevel]: Write };

interface Row<Event> {
  /** The loudest that the event can be. */
  readonly level: RecordLevel;
  /** How loud this one is, where that depends. */
  readonly levelOf?: (event: Event) => RecordLevel;
  readonly message: string;
}

/** One row an event: what nobody has thought about does not compile. */
const ROWS: { readonly [Name in keyof PoolEvents]: Row<PoolEvents[Name]> } = {
  acquired: { level: 'debug', message: 'Lent a connection' },
  acquireFailed: { level: 'warn', message: 'A caller got no connection' },
  returned: { level: 'debug', message: 'Took a connection back' },
  leaseGranted: { level: 'debug', message: 'Got a lease' },
  leaseDenied: { level: 'warn', message: 'The registry grants no lease' },
  waiting: { level: 'warn', message: 'Waiting for a connection' },
  leaseForgotten: { level: 'warn', message: 'The registry had lost its memory of a lease' },
  leaseKept: { level: 'warn', message: 'A connection stays in use without protection' },
  // Idle ones are revoked every day, for others need their place.
  leaseLost: {
    level: 'warn',
    levelOf: ({ inUse }) => (inUse ? 'warn' : 'info'),
    message: 'A lease has ended',
  },
  connectionOpened: { level: 'info', message: 'Opened a connection' },
  connectionFailed: { level: 'warn', message: 'Could not open a connection' },
  connectionClosed: { level: 'info', message: 'Closed a connection' },
  renewingConnections: { level: 'info', message: 'Replacing the open connections' },
  transactionLeftOpen: { level: 'warn', message: 'A connection came back with an open transaction' },
  leftLent: { level: 'warn', message: 'An invocation ended without giving connections back' },
  leakSuspected: { level: 'warn', message: 'A connection has been lent for long' },
  healthChecked: { level: 'debug', message: 'Checked idle connections' },
  dutyDone: { level: 'info', message: 'Ended sessions of revoked leases' },
  censusDone: { level: 'info', message: "Read the database's session list" },
  censusFailed: { level: 'warn', message: "Could not read or tell the database's session list" },
  censusRefused: { level: 'info', message: 'The database has no room for a census; trying again' },
  capacityTooHigh: { level: 'warn', message: 'The database has less room than the capacity promises' },
  capacityFollowed: { level: 'info', message: 'Resized to what the database has room for' },
  dutyDenied: { level: 'warn', message: 'May not end the session of a revoked lease' },
  settingsDiffer: { level: 'warn', message: 'The registry keeps other settings than this pool has' },
  registryFailed: { level: 'warn', message: 'The registry, or work for it, failed' },
  // A connect that fails is the database's trouble, and somebody waits for it; everything else is asked again within a second.
  retry: {
    level: 'warn',
    levelOf: ({ operation }) => (operation === 'connect' ? 'warn' : 'info'),
    message: 'Trying again',
  },
};

/** Writes the pool's events to a logger. What `logLevel` leaves out is not listened for, so that it costs nothing. */
export const logEvents = (
  events: Events<PoolEvents>,
  logger: PoolLogger,
  { logLevel, resource, group }: { logLevel: LogLevel; resource: string; group: string },
): void => {
  const listen = <Name extends keyof PoolEvents>(name: Name): void => {
    const { level, levelOf, message }: Row<PoolEvents[Name]> = ROWS[name];
    if (!isLogged(level, logLevel)) return;
    events.on(name, (event) => {
      const own = levelOf?.(event) ?? level;
      if (isLogged(own, logLevel))
        write(logger, own, message, { event: name, resource, group, ...plain(event) });
    });
  };
  for (const name of Object.keys(ROWS) as (keyof PoolEvents)[]) listen(name);
};

/** `Events` drops what a listener throws; the promise of an asynchronous logger must not end the process either. */
const write = (logger: PoolLogger, level: RecordLevel, ...record: Parameters<Write>): void => {
  const written = logger[level](...record);
  if (written instanceof Promise) written.catch(() => undefined);
};

/** The fields of an event as every logger can write them: whole numbers, no error objects, no secrets. */
const plain = (event: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(event)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, plainField(name, value)]),
  );

const plainField = (name: string, value: unknown): unknown => {
  if (name === 'error') return plainError(value);
  if (typeof value === 'number') return Math.round(value);
  return typeof value === 'string' ? redact(value) : value;
};

const plainError = (cause: unknown): Readonly<Record<string, string>> => {
  const error = withoutSecrets(cause);
  const code: unknown = Reflect.get(error, 'code');
  const { name, message } = error;
  return { name, ...(typeof code === 'string' ? { code } : {}), message: redact(message) };
};
