import type { SeededRandom } from '../support/seeded-random.ts';
import type { Machine } from './machine.ts';
import type { Timeline } from './timeline.ts';

/** How often what happens to a message, between 0 and 1. */
export interface NetworkFaults {
  readonly dropRequest: number;
  readonly dropReply: number;
  readonly duplicate: number;
  readonly late: number;
  /** A late message is late by at most this, in ms. */
  readonly lateMaxMs: number;
}

export const CALM_NETWORK: NetworkFaults = {
  dropRequest: 0,
  dropReply: 0,
  duplicate: 0,
  late: 0,
  lateMaxMs: 0,
};

const TRIP_MIN_MS = 0.2;
const TRIP_SPAN_MS = 1.5;

/** Every message of the simulation passes here. */
export class Network {
  faults: NetworkFaults;
  readonly #timeline: Timeline;
  readonly #random: SeededRandom;
  readonly #cut = new Set<Machine>();

  constructor(timeline: Timeline, random: SeededRandom, faults: NetworkFaults) {
    this.#timeline = timeline;
    this.#random = random;
    this.faults = faults;
  }

  /** No message passes between this machine and the registry. */
  cut(machine: Machine): void {
    this.#cut.add(machine);
  }

  heal(machine?: Machine): void {
    if (machine === undefined) this.#cut.clear();
    else this.#cut.delete(machine);
  }

  /** Without faults: what a reliable connection adds. */
  tripMs(): number {
    return TRIP_MIN_MS + TRIP_SPAN_MS * this.#random.fraction();
  }

  /** With what the faults add to a message that does arrive. */
  delayMs(): number {
    const { late, lateMaxMs } = this.faults;
    return (
      this.tripMs() + (late > 0 && this.#random.chance(late) ? lateMaxMs * this.#random.fraction() ** 2 : 0)
    );
  }

  /** The request arrives: not at all, once, or twice. */
  request(from: Machine, arrive: () => void): void {
    const { dropRequest, duplicate } = this.faults;
    if (this.#cut.has(from) || this.#random.chance(dropRequest)) return;
    this.#timeline.after(this.delayMs(), arrive);
    if (duplicate > 0 && this.#random.chance(duplicate))
      this.#timeline.after(this.delayMs() + this.delayMs(), arrive);
  }

  reply(to: Machine, arrive: () => void): void {
    if (this.#cut.has(to) || this.#random.chance(this.faults.dropReply)) return;
    this.#timeline.after(this.delayMs(), () => to.receive(arrive));
  }
}
