import type { Clock, Timer } from '../core/clock.ts';
import { IDLE_PART } from '../core/options.ts';
import type { LeasedConnection, Roster } from './roster.ts';

/** Where the process is not frozen, unused connections are closed before the server would end them. */
export class IdleWatch<Connection> {
  readonly #clock: Clock;
  readonly #roster: Roster<Connection>;
  readonly #onUnused: (connection: LeasedConnection<Connection>) => void;
  #timer: Timer | undefined;

  constructor(
    clock: Clock,
    roster: Roster<Connection>,
    onUnused: (connection: LeasedConnection<Connection>) => void,
  ) {
    this.#clock = clock;
    this.#roster = roster;
    this.#onUnused = onUnused;
  }

  start(idleMs: number): void {
    this.#timer ??= this.#clock.setBackgroundTimer(IDLE_PART * idleMs, () => {
      this.#timer = undefined;
      for (const connection of this.#roster.at('idle')) {
        const unusedMs = this.#clock.elapsedMs(connection.lastUsedAt);
        if (unusedMs >= IDLE_PART * connection.lease.idleMs) this.#onUnused(connection);
      }
      const [next] = this.#roster.at('idle');
      if (next !== undefined) this.start(next.lease.idleMs);
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
