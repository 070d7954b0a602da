import type { Cluster, Redis } from 'ioredis';
import { type Clock, systemClock, type Timer } from '../../core/clock.ts';

export interface KeepAuthenticatedOptions {
  readonly username: string;
  /** Makes an IAM token. */
  readonly token: () => Promise<string>;
  /** Ms between two logins. Default: 6 hours, half of what the service allows. */
  readonly everyMs?: number;
  /** Told of a login that failed; the next one is at its time. Default: nobody. */
  readonly onError?: (error: unknown) => void;
  readonly clock?: Clock;
}

const DEFAULT_EVERY_MS = 6 * 3_600_000;

/**
 * Logs the open connections of a client in again, because ElastiCache and MemoryDB cut a connection 12 hours after an IAM
 * token was last shown (AWS, "Authenticating with IAM"). Without it nothing breaks but the connection, which is opened anew. It
 * keeps no process alive; what was frozen for longer is cut and opened anew as well.
 *
 * @returns ends it.
 */
export const keepAuthenticated = (
  client: Redis | Cluster,
  { username, token, everyMs = DEFAULT_EVERY_MS, onError, clock = systemClock }: KeepAuthenticatedOptions,
): Disposable => {
  let timer: Timer | undefined;
  let isOver = false;
  const again = async (): Promise<void> => {
    try {
      const open = connectionsOf(client).filter(({ status }) => status === 'ready');
      if (open.length > 0) {
        const fresh = await token();
        await Promise.all(open.map((connection) => connection.auth(username, fresh)));
      }
    } catch (error) {
      onError?.(error);
    }
    start();
  };
  const start = (): void => {
    if (!isOver) timer = clock.setBackgroundTimer(everyMs, () => void again());
  };
  start();
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      timer?.cancel();
    },
  };
};

const connectionsOf = (client: Redis | Cluster): readonly Redis[] =>
  client.isCluster ? (client as Cluster).nodes('all') : [client as Redis];
