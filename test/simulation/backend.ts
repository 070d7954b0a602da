import type { Machine } from './machine.ts';

/** The client's end of a session. */
export interface Peer {
  /** The server has ended the session: what the client will see of it. */
  serverEnded(reason: string): void;
}

/** One connect, as the server and the laws see it. */
export interface Handshake {
  readonly label: string;
  readonly leaseId: string;
  readonly machine: Machine;
  readonly timeoutMs: number;
  readonly idleMs: number;
  /** True time after which its session may not appear any more. */
  readonly boundAtMs: number;
  /** The forward steps of the registry's clock before it, for the laws. */
  stepsMs: number;
  /** Nothing has been decided yet. */
  readonly mayStillOpen: boolean;
  serverReplaced(): void;
}

/** One session at the server. */
export interface Backend {
  readonly attempt: Handshake;
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
