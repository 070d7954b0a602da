import { DEFAULT_SHARE, type ResourceSettings, type Share } from '../../lib/core/lease.ts';
import { idOf, type RegistryHarness, Scene } from '../support/registry-harness.ts';
import { SeededRandom } from '../support/seeded-random.ts';

/** A group whose wish for connections rises and falls. */
interface Consumer {
  readonly group: string;
  readonly share?: Partial<Share>;
  readonly mean: number;
  readonly swing: number;
  readonly periodSteps: number;
}

const CONSUMERS: readonly Consumer[] = [
  { group: 'checkout', share: { min: 6, max: 14, priority: 10 }, mean: 7, swing: 4, periodSteps: 190 },
  { group: 'search', share: { min: 2, max: 12 }, mean: 4, swing: 3, periodSteps: 120 },
  { group: 'mail', share: { max: 4 }, mean: 2, swing: 2, periodSteps: 70 },
  { group: 'reports', mean: 2, swing: 2, periodSteps: 260 },
];

const SETTINGS: Partial<ResourceSettings> = {
  capacity: 24,
  headroom: 4,
  waitersMax: 200,
  idleMs: 300_000,
  ticketLivenessMs: 10_000,
};

/** How much of the wish is asked for: a rush in the middle. */
const rush = (step: number): number => (step % 300 > 150 && step % 300 < 200 ? 2 : 1);

interface Member {
  readonly name: string;
  readonly holder: string;
  readonly group: string;
  state: 'held' | 'waiting' | 'frozen' | 'gone';
  stamp: number;
}

/** Environments that come and go, freeze and die, step by step of two seconds, the same for the same seed. */
export class LivelyFleet {
  readonly scene: Scene;
  readonly #random: SeededRandom;
  #members: Member[] = [];
  #step = 0;
  #number = 0;

  constructor(harness: RegistryHarness, seed: number) {
    this.scene = new Scene(harness, 'orders', SETTINGS);
    this.#random = new SeededRandom(seed);
  }

  async start(): Promise<void> {
    await this.scene.start();
    for (const { group, share } of CONSUMERS)
      if (share !== undefined) await this.scene.share(group, { ...DEFAULT_SHARE, ...share });
  }

  async step(stepMs = 2_000): Promise<void> {
    this.scene.advance(stepMs);
    this.#step += 1;
    for (const member of this.#members) await this.#live(member);
    for (const consumer of CONSUMERS) await this.#adjust(consumer);
    await this.#settle();
    this.#members = this.#members.filter(({ state }) => state !== 'gone');
  }

  /** A moment with something of everything: six are idle, two have crashed, and one has ended. */
  async mix(): Promise<void> {
    const held = this.#members.filter(({ state }) => state === 'held');
    for (const { name, holder } of held.slice(0, 6)) await this.scene.park(name, { holder });
    for (const member of held.slice(6, 8)) {
      await this.scene.abandon(member.name, { holder: member.holder });
      member.state = 'gone';
    }
    for (const member of held.slice(8, 9)) await this.#leave(member);
  }

  async #live(member: Member): Promise<void> {
    const { name, holder } = member;
    if (member.state === 'waiting') {
      await this.#ask(member, true);
      return;
    }
    if (member.state !== 'held') return;
    // A frozen environment says nothing; its lease lapses, and whoever needs the slot takes it.
    if (this.#random.chance(0.02)) {
      member.state = 'frozen';
      return;
    }
    const turn = this.scene.turn(name);
    const outcome = this.#random.chance(0.15)
      ? await this.scene.park(name, { holder, turn, session: `server1.${name}` })
      : await this.scene.renew(name, { holder, turn, session: `server1.${name}` });
    if (outcome.kind === 'lost') member.state = 'gone';
    if (outcome.kind === 'yield') await this.#leave(member);
  }

  async #leave(member: Member): Promise<void> {
    await this.scene.release(member.name, { holder: member.holder });
    member.state = 'gone';
  }

  async #adjust({ group, mean, swing, periodSteps }: Consumer): Promise<void> {
    const wave = mean + swing * Math.sin((2 * Math.PI * this.#step) / periodSteps);
    const wanted = Math.max(0, Math.round(wave * rush(this.#step) + this.#random.fraction()));
    const mine = this.#members.filter((each) => each.group === group && each.state !== 'frozen');
    const idle = mine.filter(({ state }) => state === 'held');
    for (let more = mine.length; more < wanted; more++) await this.#enter(group);
    for (const member of idle.slice(0, Math.max(0, mine.length - wanted))) await this.#leave(member);
  }

  async #enter(group: string): Promise<void> {
    this.#number += 1;
    const token = (Math.imul(this.#number, 2_654_435_761) >>> 0).toString(36).padStart(7, 'x');
    const member: Member = {
      name: `${token}${this.#number}`,
      holder: `${token.split('').reverse().join('')}-${this.#number}`,
      group,
      state: 'waiting',
      stamp: 0,
    };
    this.#members.push(member);
    await this.#ask(member, false);
  }

  async #ask(member: Member, again: boolean): Promise<void> {
    const { name, holder, group, stamp } = member;
    const reply = await this.scene.ask(name, { holder, group, wait: true, again, stamp });
    if (reply.kind === 'granted') member.state = 'held';
    else if (reply.kind === 'queued') member.stamp = reply.stamp;
    else member.state = 'gone';
  }

  /** Looks at the database take their time. */
  async #settle(): Promise<void> {
    if (this.#random.chance(0.3)) return;
    const { entries } = await this.scene.report();
    const over = entries.filter(({ state }) => state === 'revoking').slice(0, 3);
    for (const { lease } of over)
      await this.scene.registry.settle(this.scene.resource, undefined, [
        { id: lease.id, kind: 'absent', seen: true, server: 'server1' },
      ]);
    const ended = new Set(over.map(({ lease }) => lease.id));
    for (const member of this.#members) if (ended.has(idOf(member.name))) member.state = 'gone';
  }
}
