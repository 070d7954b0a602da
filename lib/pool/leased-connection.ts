import type { Instant } from '../core/clock.ts';
import type { DriverConnection } from '../driver/driver.ts';
import type { HeldLease } from './held-lease.ts';
import type { Traces } from './lent.ts';

/** Where an open connection is. `busy`: asked about, checked, or at a duty; nobody else may have it meanwhile. */
export type Place = 'idle' | 'lent' | 'busy' | 'closing';

/** An open connection, the lease that it is open under, and what has become of it in this process. */
export class LeasedConnection<Connection> {
  readonly lease: HeldLease;
  readonly driver: DriverConnection<Connection>;
  readonly openedAt: Instant;
  /** Ms after which it is lent no more. */
  lifetimeMs: number;
  /** When a borrower last had it. */
  lastUsedAt: Instant;
  /** When the server last answered on it: its idle timeout counts from then. */
  answeredAt: Instant;
  /** A borrower had it for so long that nobody knows whether the server still has it. */
  isUnsure = false;
  /** When it was last lent. */
  lentAt: Instant;
  /** The same by the wall clock alone, as it is counted. */
  lentWallMs: number;
  /** When its holder last asked whether the fleet wants its place. */
  turnSince: Instant;
  /** The reading at which it was last found neither old nor silent. */
  judgedAt: Instant | undefined;
  /** Where its last borrower had it, while leaks are looked for. */
  lastTrace: Traces | undefined;
  /** How often it has been lent. */
  uses = 0;
  /** Only `Roster.move` writes it. */
  place: Place = 'busy';

  constructor(lease: HeldLease, driver: DriverConnection<Connection>, now: Instant, lifetimeMs: number) {
    this.lease = lease;
    this.driver = driver;
    this.openedAt = now;
    this.lifetimeMs = lifetimeMs;
    this.lastUsedAt = now;
    this.answeredAt = now;
    this.lentAt = now;
    this.lentWallMs = now.wallMs;
    this.turnSince = now;
  }
}

/** The most, as a part, that is taken off a lifetime: connections that were opened together do not all end together. */
const LIFETIME_SPREAD = 0.25;

/** `maxMs` 0: no limit. `fraction`: from 0 to 1, drawn for each connection. */
export const lifetimeOf = (maxMs: number, fraction: number): number =>
  maxMs === 0 ? Number.POSITIVE_INFINITY : maxMs * (1 - LIFETIME_SPREAD * fraction);
