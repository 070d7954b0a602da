import { sleep } from '../core/clock.ts';
import type { SessionFound } from '../core/duty.ts';
import { labelPrefix } from '../core/label.ts';
import { LIMITS } from '../core/limits.ts';
import type { DriverConnection, SessionCount } from '../driver/driver.ts';
import { sessionsFound } from '../pool/census.ts';
import type { Holder } from '../pool/holder.ts';

/** What the database's own list has shown. */
export interface SessionsSeen {
  /** Sessions that a lease's label names. */
  readonly sessions: number;
  /** Sessions of the leased role that no lease accounts for. */
  readonly foreign: number;
}

export interface Survey extends SessionsSeen {
  /** Sessions whose leases the registry did not know: they are leases again. */
  readonly adopted: number;
}

/** Between two looks, in ms: an ended session takes a few milliseconds to leave the server's list. */
const BETWEEN_LOOKS_MS = 100;
/** No census duty: this is a registry that has its memory. */
const NO_TOKEN = 0;

/**
 * Compares the database's own list with what the registry knows, and tells it what it does not: how many sessions no lease
 * accounts for (they come and go), and labelled ones that it did not know and that a LATER look still shows. Those are adopted,
 * never ended: only a revocation ends sessions. Beyond a page of leases unknown ones cannot be told from known ones.
 */
export const survey = async (
  holder: Holder,
  connection: DriverConnection<unknown>,
): Promise<Survey | undefined> => {
  const { registry, clock, config } = holder;
  const prefix = labelPrefix(config.resource, registry.namespace);
  const look = (): Promise<SessionCount> => connection.census(prefix, config.operationTimeoutMs);
  const first = await look();
  const known = await registry.inspect(config.resource, LIMITS.pageMax);
  if (known === undefined || known.learningMs > 0) return undefined;
  const isComplete = known.held + known.revoking <= known.entries.length;
  const ids = new Set(known.entries.map(({ lease }) => lease.id));
  const strangers = isComplete ? sessionsFound(prefix, first.sessions).filter(({ id }) => !ids.has(id)) : [];
  let last = first;
  if (strangers.length > 0) {
    await sleep(clock, BETWEEN_LOOKS_MS);
    last = await look();
  }
  const orphans = strangers.filter((stranger) => isThere(last, stranger)).slice(0, LIMITS.pageMax);
  const { foreign } = last;
  const word = await registry.adopt(config.resource, { epoch: known.epoch, token: NO_TOKEN }, orphans, {
    foreign,
  });
  if (word === 'refused') return undefined;
  return { sessions: last.sessions.length, foreign, adopted: orphans.length };
};

const isThere = ({ sessions }: SessionCount, { session }: SessionFound): boolean =>
  sessions.some((each) => each.session === session);
