import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type mysql from 'mysql2';
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

export interface KeptMysqlConnection {
  readonly config: mysql.ConnectionOptions;
  readonly label: string;
  readonly isWanted: boolean;
}

const PG_PROGRAM = fileURLToPath(new URL('./kept-connection-child.ts', import.meta.url));
const MYSQL_PROGRAM = fileURLToPath(new URL('./kept-mysql-child.ts', import.meta.url));

/** A process that opens a connection, says whether it wants to be kept alive by it, and does nothing more. */
export const holdInChild = (kept: KeptConnection): ChildProcess => run(PG_PROGRAM, kept);

/** The same over mysql2. */
export const holdMysqlInChild = (kept: KeptMysqlConnection): ChildProcess => run(MYSQL_PROGRAM, kept);

const run = (program: string, kept: object): ChildProcess =>
  spawn(process.execPath, [program], {
    env: { ...process.env, LEASEHOLD_KEPT: JSON.stringify(kept) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
