import type { Registry } from '../../lib/registry/registry.ts';
import { answerCall } from './channel-registry.ts';
import { Member, type MemberHooks } from './member.ts';
import type { Plan } from './plan.ts';
import type { Tick } from './tick.ts';

const PROCESSES = 8;

/** A phase that has not ended by then never will. */
const END_TIMEOUT_MS = 10_000;

export interface FleetParts {
  /** Answers the members that have none of their own. */
  readonly registry: Registry;
  /** A member ended although nobody had killed it. */
  crashed(error: Error): void;
}

/** All processes of the fleet. A killed one is replaced by a new one with as many environments. */
export class Fleet {
  onTick: (tick: Tick) => void = () => undefined;
  readonly #parts: FleetParts;
  readonly #members: Member[] = [];
  #born = 0;

  constructor(parts: FleetParts) {
    this.#parts = parts;
    // Also when something goes so wrong that nobody calls `stop`; a frozen process would not end by itself.
    process.on('exit', () => this.#killAll());
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  async start(environments: number): Promise<void> {
    const count = Math.min(PROCESSES, environments);
    for (let at = 0; at < count; at += 1) {
      const share = Math.floor((environments + at) / count);
      this.#members.push(this.#bear(share));
    }
    await Promise.all(this.#members.map(({ ready }) => ready));
  }

  begin(planOf: (member: Member) => Plan): void {
    for (const member of this.#members) member.begin(planOf(member));
  }

  async end(): Promise<void> {
    for (const member of this.#members) if (member.isFrozen) member.thaw();
    const tooLate = new AbortController();
    const ended = Promise.all(this.#members.map((member) => member.end())).then(() => tooLate.abort());
    const late = setTimeout(
      () => this.#parts.crashed(new Error('The fleet did not end its work.')),
      END_TIMEOUT_MS,
    );
    tooLate.signal.addEventListener('abort', () => clearTimeout(late));
    await ended;
  }

  /** Kills the process in this place and starts another one; resolves when that one lives. */
  async replace(place: number): Promise<Member> {
    const victim = this.#members[place];
    if (victim === undefined) throw new Error(`The fleet has no process ${place}.`);
    victim.kill();
    const heir = this.#bear(victim.environments);
    this.#members[place] = heir;
    await heir.ready;
    return heir;
  }

  async stop(): Promise<void> {
    this.#killAll();
    await Promise.all(this.#members.map(({ gone }) => gone));
  }

  #killAll(): void {
    for (const member of this.#members) member.kill();
  }

  #bear(environments: number): Member {
    this.#born += 1;
    return new Member(`p${this.#born}`, environments, this.#hooks);
  }

  get #hooks(): MemberHooks {
    const { registry, crashed } = this.#parts;
    return {
      tick: (tick) => this.onTick(tick),
      call: (call, answer) => void answerCall(registry, call).then(answer),
      crashed,
    };
  }
}
