/** What of an ioredis client (5 or 6, `Redis`) is used. */
export interface EndingClient {
  on(event: 'connecting' | 'close' | 'end', listener: () => void): unknown;
  readonly status: string;
  connect(): Promise<void>;
}

/**
 * ioredis takes a connect that was called off for the end of its client, and never connects again. Under Sentinel it calls one
 * off by itself: where a failover is announced just while it looks for the primary. So a client that ended without having been
 * closed connects again, with the next call: what is returned is called before each. One that its owner has ended stays so.
 */
export const connectingAgain = (client: EndingClient): (() => void) => {
  let wasClosed = false;
  let hasGivenUp = false;
  client.on('connecting', () => {
    wasClosed = false;
  });
  // A connection that is lost, or ended by its owner, is closed first.
  client.on('close', () => {
    wasClosed = true;
  });
  client.on('end', () => {
    hasGivenUp = !wasClosed && !isEndedByOwner(client);
  });
  return () => {
    if (!hasGivenUp || client.status !== 'end') return;
    hasGivenUp = false;
    client.connect().catch(() => undefined);
  };
};

/** ioredis's own note of a `disconnect`, which it keeps where there was no connection to close. */
const isEndedByOwner = (client: object): boolean =>
  (client as { manuallyClosing?: boolean }).manuallyClosing === true;
