import type { DriverExceptions } from '../driver.ts';

const NO_SESSION =
  'Between statements and transactions nothing of this connection is at the database, so there is nothing to refuse, end, count or show.';

/** What a connection that is none cannot promise, and what holds instead. */
export const DATA_API_EXCEPTIONS: DriverExceptions = {
  session: NO_SESSION,
  'label-from-birth':
    'A transaction has its label from its first statement on, which the driver sends; until then whoever looks proves nobody gone. A statement shows its lease from its birth, in a comment.',
  'shared-label': NO_SESSION,
  'idle-in-ms': `${NO_SESSION} A transaction is let go after idleMs, counted in ms.`,
  'idle-end-seen': 'There is no connection over which an end could be told; the next call is.',
  'killed-end-frees': 'There is no connection over which an end could be told; the next call is.',
  'stop-on-close':
    'Stopping a statement would take a second place at the service. Its place counts until it is proven gone, 45 s at most.',
  'gate-in-the-tick':
    'Signing a request takes several ticks. The gate is asked after it, right before the request goes out, so later than it could be.',
  'statement-timeout':
    'Only a transaction has settings of its own. A statement outside is bound by the service, to 45 s.',
  'census-of-all-roles': `${NO_SESSION} Transactions of other roles are listed.`,
};
