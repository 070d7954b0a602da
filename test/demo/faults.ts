import { setTimeout as pause } from 'node:timers/promises';
import type { Judge } from './engine/engine.ts';
import type { Fleet } from './fleet.ts';
import type { Member } from './member.ts';
import type { SlotWatch } from './slot-watch.ts';

const FIRST_MS = 1_000;
const STEP_MS = 1_300;
/** Beyond both deadlines. */
const FREEZE_MARGIN_MS = 400;
/** What happens after the last fault must still be seen. */
const AFTERMATH_MS = 1_500;

export interface FaultParts {
  readonly fleet: Fleet;
  readonly judge: Judge;
  readonly slots: SlotWatch;
  readonly signal: AbortSignal;
  /** Protection and idle time together: then the registry has given the lease up for good. */
  readonly deadlinesMs: number;
  readonly totalMs: number;
  /** Sets a process to work that replaces a killed one. */
  employ(member: Member): void;
  say(text: string): void;
}

export interface FaultResult {
  readonly killed: number;
  readonly frozen: number;
  /** Of the thawed processes: orders under leases from before the freeze (there must be none), and under new ones. */
  readonly ordersOnLostLeases: number;
  readonly ordersAfterThaw: number;
}

interface Thaw {
  readonly process: string;
  readonly at: string;
}

/** Kills and freezes whole processes in turn while the load goes on. */
export class Faults {
  readonly #parts: FaultParts;
  readonly #startedAt = performance.now();
  readonly #thaws: Thaw[] = [];
  #killed = 0;
  #frozen = 0;

  constructor(parts: FaultParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { fleet, deadlinesMs, totalMs, signal } = this.#parts;
    const freezeMs = deadlinesMs + FREEZE_MARGIN_MS;
    const thaws: Promise<void>[] = [];
    for (let step = 0; ; step += 1) {
      await this.#until(FIRST_MS + step * STEP_MS);
      const leftMs = totalMs - (performance.now() - this.#startedAt) - AFTERMATH_MS;
      if (leftMs < deadlinesMs / 2) break;
      const place = step % fleet.members.length;
      if (step % 2 === 1) await this.#kill(place);
      else if (leftMs > freezeMs) thaws.push(this.#freeze(place, freezeMs));
    }
    signal.throwIfAborted();
    await Promise.all(thaws);
  }

  async judge(): Promise<FaultResult> {
    const orders = await Promise.all(
      this.#thaws.map(({ process, at }) => this.#parts.judge.ordersSince(process, at)),
    );
    return {
      killed: this.#killed,
      frozen: this.#frozen,
      ordersOnLostLeases: orders.reduce((sum, { onOld }) => sum + onOld, 0),
      ordersAfterThaw: orders.reduce((sum, { onNew }) => sum + onNew, 0),
    };
  }

  async #until(atMs: number): Promise<void> {
    const waitMs = Math.max(0, atMs - (performance.now() - this.#startedAt));
    await pause(waitMs, undefined, { signal: this.#parts.signal });
  }

  async #kill(place: number): Promise<void> {
    const { fleet, slots, employ, say } = this.#parts;
    const victim = fleet.members[place];
    if (victim === undefined || victim.isFrozen) return;
    slots.watch(victim.name);
    this.#killed += 1;
    say(`killed ${victim.name} with its ${victim.environments} environments (kill -9)`);
    const heir = await fleet.replace(place);
    employ(heir);
  }

  async #freeze(place: number, freezeMs: number): Promise<void> {
    const { fleet, judge, slots, signal, say } = this.#parts;
    const victim = fleet.members[place];
    if (victim === undefined || victim.isFrozen) return;
    slots.watch(victim.name);
    victim.freeze();
    this.#frozen += 1;
    say(`froze ${victim.name} with its ${victim.environments} environments (SIGSTOP)`);
    await pause(freezeMs, undefined, { signal });
    this.#thaws.push({ process: victim.name, at: await judge.now() });
    victim.thaw();
    say(`thawed ${victim.name}`);
  }
}
