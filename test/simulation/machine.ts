import type { Clock, Instant, Timer } from '../../lib/core/clock.ts';
import type { Timeline } from './timeline.ts';

export interface MachineClock {
  /** Ms its clocks show for one real second, over 1,000. */
  readonly rate: number;
  readonly wallMs: number;
}

/** What hangs on a machine and ends with it: the sockets to the database. */
export interface Socket {
  /** The machine is gone. `isSeen`: its kernel, or the network, told the other side. */
  machineGone(isSeen: boolean): void;
}

/** Rounding of additions: no timer is armed anew for less. */
const EARLY_MS = 1e-6;
const TIMER_MIN_MS = 1;

class MachineTimer implements Timer {
  readonly #machine: Machine;
  readonly #dueMs: number;
  readonly #callback: () => void;
  #armed: Timer | undefined;
  #isCancelled = false;

  constructor(machine: Machine, dueMs: number, callback: () => void) {
    this.#machine = machine;
    this.#dueMs = dueMs;
    this.#callback = callback;
    this.arm();
  }

  arm(): void {
    const { timeline, rate, monotonicMs } = this.#machine;
    this.#armed = timeline.after((this.#dueMs - monotonicMs) / rate, () => this.fire());
  }

  /** The monotonic clock may have stood still meanwhile: then it is not yet time. */
  fire(): void {
    if (this.#isCancelled || this.#machine.isGone) return;
    if (this.#machine.isFrozen) this.#machine.hold(this);
    else if (this.#machine.monotonicMs < this.#dueMs - EARLY_MS) this.arm();
    else if (this.#machine.freezesNow()) this.#machine.hold(this);
    else this.#callback();
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#armed?.cancel();
  }
}

/**
 * One execution environment's machine: its two clocks, its timers and what the network brings. Frozen, it runs nothing:
 * timers and incoming data are held; thawed, it sees the data first and the timers after it, as Node's event loop does.
 */
export class Machine implements Clock {
  readonly name: string;
  readonly timeline: Timeline;
  readonly rate: number;
  readonly sockets = new Set<Socket>();
  isFrozen = false;
  isGone = false;
  /** Asked before anything runs: freeze here? */
  shouldFreeze: (() => boolean) | undefined;
  /** When it was last thawed. */
  thawedAtMs = Number.NEGATIVE_INFINITY;
  #wallMs: number;
  #lostMs = 0;
  #frozenAtMs = 0;
  #doesMonotonicStop = false;
  #heldData: (() => void)[] = [];
  #heldTimers: MachineTimer[] = [];

  constructor(name: string, timeline: Timeline, { rate, wallMs }: MachineClock) {
    this.name = name;
    this.timeline = timeline;
    this.rate = rate;
    this.#wallMs = wallMs;
  }

  wallMs(): number {
    return this.#wallMs + this.timeline.nowMs * this.rate;
  }

  get monotonicMs(): number {
    const seenMs = this.isFrozen && this.#doesMonotonicStop ? this.#frozenAtMs : this.timeline.nowMs;
    return (seenMs - this.#lostMs) * this.rate;
  }

  read(): Instant {
    return { monotonicMs: this.monotonicMs, wallMs: this.#wallMs + this.timeline.nowMs * this.rate };
  }

  elapsedMs(since: Instant, until: Instant = this.read()): number {
    return Math.max(0, until.monotonicMs - since.monotonicMs, until.wallMs - since.wallMs);
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return new MachineTimer(this, this.monotonicMs + Math.max(TIMER_MIN_MS, delayMs), callback);
  }

  setBackgroundTimer(delayMs: number, callback: () => void): Timer {
    return this.setTimer(delayMs, callback);
  }

  stepWall(ms: number): void {
    this.#wallMs += ms;
  }

  /** Data arrives from the network. */
  receive(callback: () => void): void {
    if (this.isGone) return;
    if (this.isFrozen || this.freezesNow()) this.#heldData.push(callback);
    else callback();
  }

  hold(timer: MachineTimer): void {
    this.#heldTimers.push(timer);
  }

  /** Between any two steps the machine may be frozen. */
  freezesNow(): boolean {
    return this.shouldFreeze?.() === true;
  }

  freeze(doesMonotonicStop: boolean): void {
    if (this.isFrozen || this.isGone) return;
    this.isFrozen = true;
    this.#doesMonotonicStop = doesMonotonicStop;
    this.#frozenAtMs = this.timeline.nowMs;
  }

  thaw(): void {
    if (!this.isFrozen || this.isGone) return;
    const { nowMs } = this.timeline;
    if (this.#doesMonotonicStop) this.#lostMs += nowMs - this.#frozenAtMs;
    this.isFrozen = false;
    this.thawedAtMs = nowMs;
    const [data, timers] = [this.#heldData, this.#heldTimers];
    this.#heldData = [];
    this.#heldTimers = [];
    for (const callback of data) this.timeline.at(nowMs, () => this.receive(callback));
    for (const timer of timers) this.timeline.at(nowMs, () => timer.fire());
  }

  /** Nothing runs here any more. */
  crash(isSeen: boolean): void {
    if (this.isGone) return;
    this.isGone = true;
    this.#heldData = [];
    this.#heldTimers = [];
    for (const socket of [...this.sockets]) socket.machineGone(isSeen);
    this.sockets.clear();
  }
}
