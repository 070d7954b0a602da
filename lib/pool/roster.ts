import type { LeasedConnection, Place } from './leased-connection.ts';

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

  /** All, those that are being opened or closed included. */
  get size(): number {
    return this.opening + this.open + this.count('closing');
  }

  /** Those that are open and meant to stay so. */
  get open(): number {
    return this.count('idle') + this.count('lent') + this.count('busy');
  }

  count(place: Place): number {
    return this.#places[place].length;
  }

  at(place: Place): readonly LeasedConnection<Connection>[] {
    return [...this.#places[place]];
  }

  /** The connection that became idle last: the warmest one stays warm, the others may lapse. */
  newestIdle(): LeasedConnection<Connection> | undefined {
    const { idle } = this.#places;
    return idle[idle.length - 1];
  }

  add(connection: LeasedConnection<Connection>): void {
    this.#places[connection.place].push(connection);
  }

  /** `move` of the newest idle connection to a borrower: every use begins with it. */
  lendNewest(): void {
    const { idle, lent } = this.#places;
    const connection = idle.pop();
    if (connection === undefined) return;
    connection.place = 'lent';
    lent.push(connection);
  }

  move(connection: LeasedConnection<Connection>, place: Place): void {
    this.remove(connection);
    connection.place = place;
    this.#places[place].push(connection);
  }

  remove(connection: LeasedConnection<Connection>): void {
    const from = this.#places[connection.place];
    const last = from.length - 1;
    // Nearly always: the newest idle one is lent, and the one that was lent last comes back first.
    if (from[last] === connection) {
      from.pop();
      return;
    }
    const index = from.lastIndexOf(connection);
    if (index < 0) throw new Error(`The connection is not ${connection.place}.`);
    from.splice(index, 1);
  }
}
