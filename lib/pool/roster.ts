import type { Instant } from '../core/clock.ts';
import type { DriverConnection } from '../driver/driver.ts';
import type { HeldLease } from './held-lease.ts';

/** Where an open connection is. `busy`: asked about, checked, or at a duty; nobody else may have it meanwhile. */
export type Place = 'idle' | 'lent' | 'busy' | 'closing';

export interface LeasedConnection<Connection> {
  readonly lease: HeldLease;
  readonly driver: DriverConnection<Connection>;
  /** When it was last used: the server's idle timeout counts from then. */
  lastUsedAt: Instant;
  /** When it was last lent. */
  lentAt: Instant;
  /** When its holder last asked whether the fleet wants its place. */
  turnSince: Instant;
  /** Only `Roster.move` writes it. */
  place: Place;
}

/**
 * Which connection is where. Every connection is in exactly one place, and `move` is the only way from one to another.
 * Attempts that are not yet connections are counted, so that the sum never exceeds the pool's maximum.
 */
export class Roster<Connection> {
  opening = 0;
  readonly #places: Readonly<Record<Place, LeasedConnection<Connection>[]>> = {
    idle: [],
    lent: [],
    busy: [],
    closing: [],
  };

  get size(): number {
    return (
      this.opening + this.count('idle') + this.count('lent') + this.count('busy') + this.count('closing')
    );
  }

  count(place: Place): number {
    return this.#places[place].length;
  }

  at(place: Place): readonly LeasedConnection<Connection>[] {
    return [...this.#places[place]];
  }

  /** The connection that became idle last: the warmest one stays warm, the others may lapse. */
  newestIdle(): LeasedConnection<Connection> | undefined {
    return this.#places.idle.at(-1);
  }

  add(connection: LeasedConnection<Connection>): void {
    this.#places[connection.place].push(connection);
  }

  move(connection: LeasedConnection<Connection>, place: Place): void {
    this.remove(connection);
    connection.place = place;
    this.#places[place].push(connection);
  }

  remove(connection: LeasedConnection<Connection>): void {
    const from = this.#places[connection.place];
    const index = from.lastIndexOf(connection);
    if (index < 0) throw new Error(`The connection is not ${connection.place}.`);
    from.splice(index, 1);
  }
}
