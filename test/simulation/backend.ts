import type { Attempt } from './attempt.ts';

/** The client's end of a session. */
export interface Peer {
  /** The server has ended the session: what the client will see of it. */
  serverEnded(reason: string): void;
}

/** One session at the server. */
export interface Backend {
  readonly attempt: Attempt;
  readonly label: string;
  readonly server: string;
  readonly session: string;
  readonly bornAtMs: number;
  readonly idleMs: number;
  lastActiveMs: number;
  /** A statement runs until then. */
  busyUntilMs: number;
  /** It was told to end, or its client is known to be gone: it ends as soon as it can. */
  isEnding: boolean;
  peer: Peer | undefined;
}
