import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';

export interface KeptConnection {
  readonly config: pg.ClientConfig;
  readonly label: string;
  readonly isWanted: boolean;
  /** The key of a TLS that needs no certificate, in hex: with it the connection is made through TLS. */
  readonly tlsKey?: string;
  /** The connection goes through a stream that has no `ref` and no `unref`. */
  readonly isPlainDuplex?: boolean;
}

const PROGRAM = fileURLToPath(new URL('./kept-connection-child.ts', import.meta.url));

/** A process that opens a connection, says whether it wants to be kept alive by it, and does nothing more. */
export const holdInChild = (kept: KeptConnection): ChildProcess =>
  spawn(process.execPath, [PROGRAM], {
    env: { ...process.env, LEASEHOLD_KEPT: JSON.stringify(kept) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
