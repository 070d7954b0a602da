import type { Instant, Timer } from '../core/clock.ts';
import type { Background } from './background.ts';
import type { Closer } from './closer.ts';
import type { Fitness } from './fitness.ts';
import type { Holder } from './holder.ts';
import type { LeasedConnection } from './leased-connection.ts';
import type { Renewer } from './renewer.ts';
import type { Roster } from './roster.ts';
import type { Supply } from './supply.ts';

export interface UpkeepParts<Connection> {
  readonly holder: Holder;
  readonly roster: Roster<Connection>;
  readonly fitness: Fitness;
  readonly closer: Closer<Connection>;
  readonly renewer: Renewer<Connection>;
  readonly supply: Supply<Connection>;
  readonly background: Background;
  /** The process is frozen between its invocations: a round is made when one begins, never by a timer. */
  readonly isFrozenBetween: boolean;
  /** Opens what is missing to the minimum, if that may be. */
  keepMinimum(): void;
  /** Who waits may be sent for anew. */
  serve(): void;
}

/** Timers are not set for less than this, in ms: what is due sooner can wait so long. */
const SOONEST_MS = 10;

/**
 * Looks after the connections that nobody uses: closes those whose time is over, and asks the others now and then whether they
 * are alive. Its timers keep no process alive; whoever takes a connection looks at the same facts himself.
 */
export class Upkeep<Connection> {
  readonly #parts: UpkeepParts<Connection>;
  #timer: Timer | undefined;
  #roundAt: Instant;
  #isInRound = false;
  #isOver = false;

  constructor(parts: UpkeepParts<Connection>) {
    this.#parts = parts;
    this.#roundAt = parts.holder.clock.read();
  }

  /** A connection has become idle: it will be seen to in time. */
  watch(): void {
    if (!this.#isOver) this.#timer ??= this.#startTimer();
  }

  /** A connection has been opened: its life may end before whatever was due next. */
  watchAnew(): void {
    this.#cancel();
    this.watch();
  }

  /** What is open now gives way within `overMs`, the oldest first and never all at once, each when nobody has it. */
  renewConnections(overMs: number): void {
    const { holder, roster } = this.#parts;
    const now = holder.clock.read();
    const ageMs = ({ openedAt }: LeasedConnection<Connection>): number =>
      holder.clock.elapsedMs(openedAt, now);
    const open = [...roster.at('idle'), ...roster.at('lent'), ...roster.at('busy')];
    open.sort((one, two) => ageMs(two) - ageMs(one));
    for (const [at, connection] of open.entries()) {
      const leftMs = (overMs * (at + holder.random.fraction())) / open.length;
      connection.lifetimeMs = Math.min(connection.lifetimeMs, ageMs(connection) + leftMs);
    }
    if (open.length > 0) this.watchAnew();
    holder.events.emit('renewingConnections', { count: open.length, overMs });
  }

  /** For good: what is opened late is not watched. */
  stop(): void {
    this.#isOver = true;
    this.#cancel();
  }

  #cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** An invocation begins. */
  atInvocation(): void {
    if (this.#parts.roster.count('idle') === 0) return;
    this.#closeWhatIsOver();
    if (this.#parts.isFrozenBetween && this.#roundInMs <= 0) this.#startRound();
  }

  #startTimer(): Timer | undefined {
    const { holder, roster, fitness, isFrozenBetween } = this.#parts;
    const now = holder.clock.read();
    const mayGo = roster.open > holder.config.min;
    const dueMs = [
      ...roster.at('idle').map((connection) => fitness.idleForMs(connection, mayGo, now)),
      ...[...roster.at('lent'), ...roster.at('busy')].map((it) => fitness.takenForMs(it, now)),
    ];
    if (dueMs.length === 0 && holder.config.min === 0) return undefined;
    if (!isFrozenBetween) dueMs.push(this.#roundInMs);
    return holder.clock.setBackgroundTimer(Math.max(SOONEST_MS, Math.min(...dueMs)), () => this.#onTimer());
  }

  #onTimer(): void {
    this.#closeWhatIsOver();
    if (!this.#parts.isFrozenBetween) {
      if (this.#roundInMs <= 0) this.#startRound();
      this.#parts.keepMinimum();
    }
    this.#timer = this.#startTimer();
  }

  #closeWhatIsOver(): void {
    const { holder, roster, fitness, closer } = this.#parts;
    const now = holder.clock.read();
    for (const connection of roster.at('idle')) {
      const mayGo = roster.open > holder.config.min;
      const isUnused = fitness.idleForMs(connection, mayGo, now) <= 0;
      const reason = fitness.whyOver(connection, now) ?? (isUnused ? 'idle' : undefined);
      if (reason !== undefined) closer.close(connection, reason);
    }
  }

  get #roundInMs(): number {
    const { clock, config } = this.#parts.holder;
    const intervalMs = config.healthCheckIntervalMs;
    return intervalMs === 0 ? Number.POSITIVE_INFINITY : intervalMs - clock.elapsedMs(this.#roundAt);
  }

  #startRound(): void {
    const { holder, roster, background } = this.#parts;
    this.#roundAt = holder.clock.read();
    // What is protected for nobody's use would be kept from those who wait.
    if (this.#isInRound || holder.pressure || roster.count('idle') === 0) return;
    this.#isInRound = true;
    const round = this.#round(roster.at('idle')).finally(() => {
      this.#isInRound = false;
    });
    background.add(round);
  }

  /** One renewal for all, then each is asked; and what nobody has taken meanwhile is anybody's again who needs a place. */
  async #round(idle: readonly LeasedConnection<Connection>[]): Promise<void> {
    const { holder, renewer, supply, isFrozenBetween, serve, keepMinimum } = this.#parts;
    renewer.renewAll(idle);
    const verdicts = await Promise.all(
      idle.map((connection) => supply.examine(connection).finally(() => serve())),
    );
    const healthy = verdicts.filter((verdict) => verdict === undefined).length;
    const unasked = verdicts.filter((verdict) => verdict === 'unasked').length;
    holder.events.emit('healthChecked', { healthy, closed: idle.length - healthy - unasked });
    // In an invocation it is about to be used.
    if (isFrozenBetween) return;
    keepMinimum();
    const isUnused = ({ place, lease }: LeasedConnection<Connection>): boolean =>
      place === 'idle' && lease.remainingMs() > 0;
    await renewer.park(idle.filter(isUnused));
  }
}
