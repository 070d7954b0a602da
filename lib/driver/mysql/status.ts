import type { Packet } from './module.ts';

const IN_TRANSACTION = 0x0001;
const AUTOCOMMIT = 0x0002;

const OK = 0x00;
const EOF = 0xfe;
const ERROR = 0xff;
/** For a message that is too short for what it should say: nothing is known, and so the worst is. */
const MISSING = 0;
/** Longer ones are rows that begin alike. */
const EOF_MAX_BYTES = 9;

/**
 * This server takes no writes any more: --read-only, a read-only transaction, InnoDB in read-only mode. Whoever had the
 * primary has a replica now.
 */
const READ_ONLY: ReadonlySet<number> = new Set([1290, 1792, 1836]);

/** What the server has said of its session's state, with the last message of each command. */
export class ServerStatus {
  /** As of the last answer: a BEGIN that is still in flight does not count yet. After an error it is what it was before. */
  isInTransaction = false;
  /** A statement was refused because the server takes no writes. */
  isReadOnly = false;

  read({ buffer, end }: Packet, from: number): void {
    const first = buffer[from];
    const wordAt = (at: number): number => (at + 2 <= end ? buffer.readUInt16LE(at) : MISSING);
    if (first === ERROR) this.isReadOnly ||= READ_ONLY.has(wordAt(from + 1));
    else if (first === EOF && end - from < EOF_MAX_BYTES) this.#note(wordAt(from + 3));
    else if (first === OK) this.#note(wordAt(afterNumber(buffer, afterNumber(buffer, from + 1))));
  }

  /** Without autocommit every statement begins a transaction, also one that shows no sign of it. */
  #note(flags: number): void {
    this.isInTransaction = (flags & IN_TRANSACTION) !== 0 || (flags & AUTOCOMMIT) === 0;
  }
}

/** Numbers of the protocol take one byte, or as many as their first byte says. */
const WIDTHS: ReadonlyMap<number | undefined, number> = new Map([
  [0xfc, 3],
  [0xfd, 4],
  [0xfe, 9],
]);

const afterNumber = (buffer: Buffer, at: number): number => at + (WIDTHS.get(buffer[at]) ?? 1);
