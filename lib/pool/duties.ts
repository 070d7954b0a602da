import { type Clock, type Instant, sleep, type Timer } from '../core/clock.ts';
import type { Duty } from '../core/duty.ts';
import { sessionLabel } from '../core/label.ts';
import type { LeaseRef } from '../core/lease.ts';
import type { DriverConnection, SessionTarget } from '../driver/driver.ts';
import type { SettleItem } from '../registry/registry.ts';
import type { Holder } from './holder.ts';

/** Pauses between looks, in ms: an ended backend takes a few milliseconds to leave the server's list. */
const LOOK_PAUSES_MS = [0, 2, 5, 10, 20] as const;

/** The lease through whose connection a look is made; none through an administrator's. */
export interface Looker {
  readonly ref: LeaseRef;
}

interface Task {
  readonly duty: Duty;
  readonly target: SessionTarget;
  readonly arrivedAt: Instant;
  /** Ms from the arrival after which the duty belongs to somebody else. */
  readonly ownedForMs: number;
  /** The END statement has found the session: from then on its absence is proof, bound or not. */
  seen: boolean;
}

/**
 * The sessions of revoked leases that this holder was asked to end. `work` runs on a connection that nobody has borrowed;
 * a duty for which none is free in time lapses and goes to somebody else. Nothing here ever fails a caller.
 */
export class Duties {
  readonly #holder: Holder;
  readonly #onDue: () => void;
  #tasks: Task[] = [];
  #timer: Timer | undefined;

  /** `onDue`: a look that had to wait may be made now. Where nobody comes back, the overlap would stay and block the headroom. */
  constructor(holder: Holder, onDue: () => void) {
    this.#holder = holder;
    this.#onDue = onDue;
  }

  get isEmpty(): boolean {
    return this.#tasks.length === 0;
  }

  /** `sentAt`: when the request was sent; its age on arrival is taken off the time this holder may own the duty. */
  take(duties: readonly Duty[], dutyMs: number, sentAt: Instant): void {
    const { registry, config, clock } = this.#holder;
    const arrivedAt = clock.read();
    const travelMs = clock.elapsedMs(sentAt);
    for (const duty of duties) {
      const label = sessionLabel(config.resource, registry.namespace, duty.lease);
      const target = duty.session === undefined ? { label } : { label, session: duty.session };
      const ownedForMs = Math.max(0, duty.lookAfterMs + dutyMs - travelMs);
      this.#tasks.push({ duty, target, arrivedAt, ownedForMs, seen: false });
    }
  }

  /** Ends, looks for and settles what can be; what needs a later look stays for the next time. */
  async work(connection: DriverConnection<unknown>, by: Looker | undefined): Promise<void> {
    const { clock } = this.#holder;
    this.#tasks = this.#tasks.filter((task) => clock.elapsedMs(task.arrivedAt) < task.ownedForMs);
    const tasks = this.#tasks;
    if (tasks.length === 0) return;
    this.#tasks = [];
    try {
      const left = await this.#endAndLook(connection, by, tasks);
      this.#tasks.push(...left);
      this.#watch();
    } catch (error) {
      this.#holder.events.emit('registryFailed', { operation: 'duty', error });
    }
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #watch(): void {
    const { clock } = this.#holder;
    const waits = this.#tasks.map(({ duty, arrivedAt }) => duty.lookAfterMs - clock.elapsedMs(arrivedAt));
    if (waits.length === 0) return;
    this.#timer?.cancel();
    this.#timer = clock.setBackgroundTimer(Math.max(1, ...waits), this.#onDue);
  }

  async #endAndLook(
    connection: DriverConnection<unknown>,
    by: Looker | undefined,
    tasks: Task[],
  ): Promise<Task[]> {
    const { config, clock, events } = this.#holder;
    const outcomes = await connection.end(targetsOf(tasks), config.operationTimeoutMs);
    const denied = tasks.filter((_, at) => outcomes[at] === 'denied');
    for (const task of denied) events.emit('dutyDenied', { lease: task.duty.lease.id });
    let open = tasks.filter((task) => !denied.includes(task));
    for (const task of open) if (outcomes[tasks.indexOf(task)] === 'seen') task.seen = true;

    const gone: Task[] = [];
    for (const pauseMs of LOOK_PAUSES_MS) {
      if (open.length === 0) break;
      await pause(clock, pauseMs);
      // The moment of the look is its START: what it does not show was gone then.
      const provable = open.filter((task) => isProvable(clock, task));
      const present = await connection.look(targetsOf(open), config.operationTimeoutMs);
      const absent = open.filter((task, at) => present[at] === false && provable.includes(task));
      gone.push(...absent);
      open = open.filter((task) => !absent.includes(task));
      if (open.every((task) => !isProvable(clock, task))) break;
    }
    await this.#settle(connection, by, gone, denied);
    return open;
  }

  async #settle(
    connection: DriverConnection<unknown>,
    by: Looker | undefined,
    gone: Task[],
    denied: Task[],
  ): Promise<void> {
    const { registry, config, events } = this.#holder;
    const items: SettleItem[] = [
      ...gone.map(
        ({ duty, seen }) => ({ id: duty.lease.id, kind: 'absent', seen, server: connection.server }) as const,
      ),
      ...denied.map(({ duty }) => ({ id: duty.lease.id, kind: 'cannot' }) as const),
    ];
    if (items.length === 0) return;
    const words = await registry.settle(config.resource, by?.ref, items);
    const count = (kind: string): number => words.filter((word) => word === kind).length;
    // `unknown`: the victim itself has seen the end, and was quicker.
    events.emit('dutyDone', { settled: count('settled') + count('unknown'), kept: count('kept') });
  }
}

const targetsOf = (tasks: readonly Task[]): SessionTarget[] => tasks.map((task) => task.target);

/** Would an absence prove anything now? For a session whose identity is known, or that was seen, always. */
const isProvable = (clock: Clock, { duty, arrivedAt, seen }: Task): boolean =>
  duty.session !== undefined || seen || clock.elapsedMs(arrivedAt) >= duty.lookAfterMs;

const pause = (clock: Clock, ms: number): Promise<void> => (ms === 0 ? Promise.resolve() : sleep(clock, ms));
