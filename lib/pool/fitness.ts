import { type Instant, skewMs } from '../core/clock.ts';
import { IDLE_PART } from '../core/options.ts';
import type { Holder } from './holder.ts';
import type { LeasedConnection } from './leased-connection.ts';
import type { CloseReason } from './pool-events.ts';

/** The clocks of a running process stay together; where they have parted by this much, in ms, it was frozen in between. */
const THAW_MS = 500;

/** What may be done with an open connection, by what this process itself knows: no question is asked here. */
export class Fitness {
  readonly #holder: Holder;
  readonly #marginMs: number;
  readonly #checkAfterMs: number;
  readonly #maxUses: number;

  constructor(holder: Holder) {
    const { dangerMarginMs, checkAfterIdleMs, maxUses } = holder.config;
    this.#holder = holder;
    this.#marginMs = dangerMarginMs;
    this.#checkAfterMs = checkAfterIdleMs;
    this.#maxUses = maxUses === 0 ? Number.POSITIVE_INFINITY : maxUses;
  }

  /** It can be lent as it is: open, protected, lately answered, and not too old. */
  isWarm(connection: LeasedConnection<unknown>, now: Instant): boolean {
    const { driver, lease } = connection;
    if (!driver.isOpen || !lease.isUsable(this.#marginMs, now)) return false;
    // Within one coarse reading of the clocks the rest stays as it was.
    if (connection.judgedAt === now) return true;
    if (this.#isOld(connection, now) || this.needsCheck(connection, now)) return false;
    connection.judgedAt = now;
    return true;
  }

  /** Nobody knows whether the server still has it: it has not answered for a while, or the process was frozen since. */
  needsCheck({ answeredAt, lease, isUnsure }: LeasedConnection<unknown>, now: Instant): boolean {
    if (isUnsure) return true;
    const silentMs = this.#holder.clock.elapsedMs(answeredAt, now);
    if (silentMs >= this.#checkAfterMs || silentMs >= IDLE_PART * lease.idleMs) return true;
    return skewMs(answeredAt, now) >= THAW_MS;
  }

  /** It comes back now; its borrower may have sent nothing for long, or was frozen with it, and it may have died meanwhile. */
  mayHaveDied({ lentAt }: LeasedConnection<unknown>, now: Instant): boolean {
    if (lentAt === now) return false;
    return this.#holder.clock.elapsedMs(lentAt, now) >= this.#checkAfterMs || skewMs(lentAt, now) >= THAW_MS;
  }

  /** Why nobody may have it any more. */
  whyOver(connection: LeasedConnection<unknown>, now: Instant): CloseReason | undefined {
    const { driver, lease, answeredAt, uses } = connection;
    if (lease.loss !== undefined) return lease.loss === 'revoked' ? 'revoked' : 'lost';
    if (!driver.isOpen) return 'broken';
    if (uses >= this.#maxUses) return 'uses';
    if (connection.judgedAt === now) return undefined;
    if (this.#isOld(connection, now)) return 'lifetime';
    // The server must not be first.
    return this.#holder.clock.elapsedMs(answeredAt, now) >= IDLE_PART * lease.idleMs ? 'idle' : undefined;
  }

  /** Ms until it is over, or unused for so long that it is not worth its place; `mayGo`: the process has more than it must keep. */
  idleForMs(connection: LeasedConnection<unknown>, mayGo: boolean, now: Instant): number {
    const { clock, config } = this.#holder;
    const { lifetimeMs, openedAt, answeredAt, lastUsedAt, lease } = connection;
    return Math.min(
      lifetimeMs - clock.elapsedMs(openedAt, now),
      IDLE_PART * lease.idleMs - clock.elapsedMs(answeredAt, now),
      mayGo ? config.idleTimeoutMs - clock.elapsedMs(lastUsedAt, now) : Number.POSITIVE_INFINITY,
    );
  }

  /** The same for one that somebody has: at the earliest, should it come back now. What is over by then is closed without a timer. */
  takenForMs({ lifetimeMs, openedAt, lease }: LeasedConnection<unknown>, now: Instant): number {
    const { clock, config } = this.#holder;
    const leftMs = lifetimeMs - clock.elapsedMs(openedAt, now);
    const unusedMs = Math.min(config.idleTimeoutMs, IDLE_PART * lease.idleMs);
    return leftMs > 0 ? Math.min(leftMs, unusedMs) : unusedMs;
  }

  #isOld({ openedAt, lifetimeMs }: LeasedConnection<unknown>, now: Instant): boolean {
    return this.#holder.clock.elapsedMs(openedAt, now) >= lifetimeMs;
  }
}
