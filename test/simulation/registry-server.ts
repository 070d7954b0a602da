import type { Clock } from '../../lib/core/clock.ts';
import { LeaseholdError } from '../../lib/core/errors.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import type { Machine } from './machine.ts';
import type { Network } from './network.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

/** One call as the server executed it. */
export interface Execution {
  readonly operation: string;
  readonly args: readonly unknown[];
  readonly reply: unknown;
  /** To whom it has offered slots. */
  readonly woken?: readonly string[];
}

/** Hears of every execution, in order, in the step in which it happens. */
export type Witness = (execution: Execution) => void;

interface Logged {
  readonly atMs: number;
  readonly wallMs: number;
  readonly operation: string;
  readonly args: readonly unknown[];
}

/**
 * The registry's server: the real memory registry on a clock of its own, which may step and drift, behind a network. It knows
 * no operation by name, so that whatever the port learns passes through the same faults.
 */
export class RegistryServer {
  readonly rate: number;
  isDown = false;
  operations = 0;
  readonly #timeline: Timeline;
  readonly #network: Network;
  readonly #trace: Trace;
  readonly #witness: Witness;
  readonly #log: Logged[] | undefined;
  /** Who listens: a server that has lost its memory has not lost its subscribers. */
  readonly #ears = new Map<string, Set<(leaseId: string) => void>>();
  readonly #woken: { readonly leaseId: string; readonly ears: Set<(leaseId: string) => void> }[] = [];
  #wallMs: number;
  #registry: Registry;

  constructor(parts: {
    readonly timeline: Timeline;
    readonly network: Network;
    readonly trace: Trace;
    readonly witness: Witness;
    readonly rate: number;
    readonly wallMs: number;
    /** Keep what is needed to go back to an earlier state. */
    readonly isLogged: boolean;
  }) {
    this.#timeline = parts.timeline;
    this.#network = parts.network;
    this.#trace = parts.trace;
    this.#witness = parts.witness;
    this.rate = parts.rate;
    this.#wallMs = parts.wallMs;
    this.#log = parts.isLogged ? [] : undefined;
    this.#registry = this.#make(() => this.wallMs);
  }

  get wallMs(): number {
    return this.#wallMs + this.#timeline.nowMs * this.rate;
  }

  stepClock(ms: number): void {
    this.#wallMs += ms;
  }

  /** Everything is forgotten. */
  forget(): void {
    this.#registry = this.#make(() => this.wallMs);
    if (this.#log !== undefined) this.#log.length = 0;
  }

  /** Everything since `atMs` is forgotten: the log of commands is run again up to there, each at its own time. */
  async restore(atMs: number, witness: (execution: Execution, atMs: number) => void): Promise<void> {
    const log = this.#log ?? [];
    const next = log.findIndex((command) => command.atMs > atMs);
    if (next >= 0) log.length = next;
    let wallMs: number | undefined = 0;
    this.#registry = this.#make(() => wallMs ?? this.wallMs);
    for (const command of log) {
      const { operation, args } = command;
      wallMs = command.wallMs;
      witness({ operation, args, reply: await this.call(operation, args) }, command.atMs);
    }
    wallMs = undefined;
    this.#woken.length = 0;
  }

  /** The registry as one machine sees it: every operation is a message there and one back. */
  seenFrom(machine: Machine, timeoutMs: number): Registry {
    return new Proxy({} as Registry, {
      get: (_, property) => {
        const operation = String(property);
        const member: unknown = Reflect.get(this.#registry, property);
        if (typeof member !== 'function') return member;
        if (operation === 'listen') return this.#listener(machine);
        return (...args: unknown[]) => this.#ask(machine, timeoutMs, operation, args);
      },
    });
  }

  /** From the server's own console: no network. */
  async execute(operation: string, args: readonly unknown[], origin = 'console'): Promise<unknown> {
    this.operations += 1;
    this.#log?.push({ atMs: this.#timeline.nowMs, wallMs: this.wallMs, operation, args });
    const reply = await this.call(operation, args);
    this.#trace.add(this.#timeline.nowMs, origin, operation, [args, reply]);
    this.#told({ operation, args, reply });
    return reply;
  }

  /** What nobody may be answered: the witness hears only what it leads to. */
  async stray(operation: string, args: readonly unknown[]): Promise<unknown> {
    const reply = await this.call(operation, args);
    this.#told({ operation: 'stray', args, reply });
    return reply;
  }

  #told(execution: Execution): void {
    const wakes = this.#woken.splice(0);
    this.#witness({ ...execution, woken: wakes.map(({ leaseId }) => leaseId) });
    for (const { leaseId, ears } of wakes) {
      this.#trace.add(this.#timeline.nowMs, 'registry', 'wakes', leaseId);
      for (const hear of ears) hear(leaseId);
    }
  }

  /** Unseen by the witness. */
  call(operation: string, args: readonly unknown[]): Promise<unknown> {
    const member: unknown = Reflect.get(this.#registry, operation);
    if (typeof member !== 'function') throw new TypeError(`The registry has no ${operation}.`);
    return Promise.resolve(Reflect.apply(member, this.#registry, args));
  }

  #ask(machine: Machine, timeoutMs: number, operation: string, args: readonly unknown[]): Promise<unknown> {
    const sent = args.map((arg) => this.#overNetwork(machine, arg));
    return new Promise((resolve, reject) => {
      const timer = machine.setTimer(timeoutMs, () => reject(unreachable(timeoutMs)));
      this.#network.request(machine, () => {
        if (this.isDown) return;
        void this.execute(operation, sent, machine.name).then((reply) =>
          this.#network.reply(machine, () => {
            timer.cancel();
            resolve(reply);
          }),
        );
      });
    });
  }

  /** A subscription takes a message there and one back; from then on wake-ups arrive, or are lost on the way. */
  #listener(machine: Machine): NonNullable<Registry['listen']> {
    return (resource, holder, onWake) => {
      let isReady = false;
      let isOver = false;
      const hears = this.#overNetwork(machine, onWake) as typeof onWake;
      this.#network.request(machine, () => {
        if (this.isDown || isOver) return;
        this.#earsOf(resource, holder).add(hears);
        this.#network.reply(machine, () => {
          isReady = true;
        });
      });
      return {
        get isReady() {
          return isReady;
        },
        [Symbol.dispose]: () => {
          isOver = true;
          this.#ears.get(`${resource} ${holder}`)?.delete(hears);
        },
      };
    };
  }

  #earsOf(resource: string, holder: string): Set<(leaseId: string) => void> {
    const key = `${resource} ${holder}`;
    const known = this.#ears.get(key);
    if (known !== undefined) return known;
    const ears = new Set<(leaseId: string) => void>();
    this.#ears.set(key, ears);
    this.#hear(this.#registry, resource, holder);
    return ears;
  }

  #hear(registry: Registry, resource: string, holder: string): void {
    const ears = this.#ears.get(`${resource} ${holder}`) ?? new Set();
    registry.listen?.(resource, holder, (leaseId) => this.#woken.push({ leaseId, ears }));
  }

  /** What the server is to call back is called over the network, too. */
  #overNetwork(machine: Machine, arg: unknown): unknown {
    if (typeof arg !== 'function') return arg;
    return (...args: unknown[]) => this.#network.reply(machine, () => Reflect.apply(arg, undefined, args));
  }

  #make(wallMs: () => number): Registry {
    const clock: Clock = {
      read: () => ({ monotonicMs: wallMs(), wallMs: wallMs() }),
      wallMs,
      elapsedMs: () => fail('elapsedMs'),
      setTimer: () => fail('setTimer'),
      setBackgroundTimer: () => fail('setBackgroundTimer'),
    };
    const registry = memoryRegistry({ clock, namespace: 'virtual' });
    for (const key of this.#ears.keys()) {
      const [resource = '', holder = ''] = key.split(' ');
      this.#hear(registry, resource, holder);
    }
    return registry;
  }
}

const fail = (what: string): never => {
  throw new Error(`The simulated registry's clock has no ${what}.`);
};

const unreachable = (timeoutMs: number): LeaseholdError =>
  new LeaseholdError('REGISTRY_UNREACHABLE', `No answer within ${timeoutMs} ms.`);
