import { sleep } from '../core/clock.ts';
import type { SessionFound } from '../core/duty.ts';
import { labelPrefix } from '../core/label.ts';
import { LIMITS } from '../core/limits.ts';
import type { ReportEntry } from '../core/report.ts';
import type { DriverConnection, SessionCount } from '../driver/driver.ts';
import { sessionsFound } from '../pool/census.ts';
import type { Holder } from '../pool/holder.ts';
import type { SettleItem } from '../registry/registry.ts';

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
  /** Unprotected leases whose sessions are not there: they are revoking now. */
  readonly vacated: number;
}

/** Between two looks, in ms: an ended session takes a few milliseconds to leave the server's list. */
const BETWEEN_LOOKS_MS = 100;
/** No census duty: this is a registry that has its memory. */
const NO_TOKEN = 0;

/**
 * Compares the database's own list with what the registry knows, and puts right what two looks in a row show: a labelled
 * session that the registry did not know is a lease again (only a revocation ends sessions, and this one will expire), and
 * a lease that nobody has renewed and whose session is gone is revoking. Sessions that no lease accounts for are counted. At most a
 * page of either: the next survey goes on with the rest.
 */
export const survey = async (
  holder: Holder,
  connection: DriverConnection<unknown>,
): Promise<Survey | undefined> => {
  const { registry, clock, config } = holder;
  const prefix = labelPrefix(config.resource, registry.namespace);
  const look = (): Promise<SessionCount> => connection.census(prefix, config.operationTimeoutMs);
  const first = await look();
  // Those that nobody has renewed for longest come first.
  const known = await registry.inspect(config.resource, LIMITS.pageMax);
  if (known === undefined || known.learningMs > 0) return undefined;
  const strangers = await unknownOf(holder, sessionsFound(prefix, first.sessions));
  const vacant = known.entries.filter((entry) => isVacant(first, entry));
  let last = first;
  if (strangers.length + vacant.length > 0) {
    await sleep(clock, BETWEEN_LOOKS_MS);
    last = await look();
  }
  const orphans = strangers.filter(({ session }) => isThere(last, session)).slice(0, LIMITS.pageMax);
  const { foreign } = last;
  const census = { epoch: known.epoch, token: NO_TOKEN };
  const word = await registry.adopt(config.resource, census, orphans, { foreign });
  if (word === 'refused') return undefined;
  const vacated = await vacate(
    holder,
    vacant.filter((entry) => isVacant(last, entry)),
  );
  return { sessions: last.sessions.length, foreign, adopted: orphans.length, vacated };
};

/** Those that the registry has no lease for, by pages; no more than a page of them. */
const unknownOf = async (
  { registry, config }: Holder,
  found: readonly SessionFound[],
): Promise<SessionFound[]> => {
  const unknown: SessionFound[] = [];
  for (let at = 0; at < found.length && unknown.length < LIMITS.pageMax; at += LIMITS.pageMax) {
    const page = found.slice(at, at + LIMITS.pageMax);
    const report = await registry.inspect(
      config.resource,
      page.map(({ id }) => id),
    );
    const ids = new Set(report?.entries.map(({ lease }) => lease.id));
    unknown.push(...page.filter(({ id }) => !ids.has(id)));
  }
  return unknown;
};

const vacate = async ({ registry, config }: Holder, entries: readonly ReportEntry[]): Promise<number> => {
  if (entries.length === 0) return 0;
  const items = entries.map(({ lease }): SettleItem => ({ ...lease, kind: 'vacant' }));
  const words = await registry.settle(config.resource, undefined, items);
  return words.filter((word) => word === 'kept').length;
};

/** The holder of a protected lease is there and will notice; one whose session was never told may be connecting. */
const isVacant = (seen: SessionCount, { state, session }: ReportEntry): boolean =>
  state === 'revocable' && session !== undefined && !isThere(seen, session);

const isThere = ({ sessions }: SessionCount, session: string): boolean =>
  sessions.some((each) => each.session === session);
