import type { CensusDuty } from '../../lib/core/duty.ts';
import type { LeaseOutcome, LeaseRef, ResourceSettings, Share } from '../../lib/core/lease.ts';
import type { Operation } from '../../lib/core/operation.ts';
import type { ReportEntry, ResourceReport } from '../../lib/core/report.ts';
import type { GrantReply, GrantRequest, Registration, Registry } from '../../lib/registry/registry.ts';
import { idOf } from '../support/registry-harness.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

/** One step: time that passes, or a call. `aim` says what it is about, for the counts and the invariants. */
export interface Command {
  readonly text: string;
  readonly aim: Aim;
  readonly advanceMs?: number;
  readonly run?: (registry: Registry) => Promise<unknown>;
}

export type Aim =
  | { readonly kind: 'tick'; readonly ms: number }
  | {
      readonly kind: 'grant';
      readonly id: string;
      readonly again: boolean;
      readonly stamp: number;
      readonly wait: boolean;
    }
  | {
      readonly kind: 'renew' | 'park';
      readonly id: string;
      readonly isLate: boolean;
      readonly comesBack: boolean;
    }
  | {
      readonly kind: 'release';
      readonly id: string;
      readonly by: string;
      readonly fence: number;
      readonly isRefused: boolean;
    }
  | {
      readonly kind: 'abandon';
      readonly id: string;
      readonly by: string;
      readonly fence: number;
      readonly session: string | undefined;
    }
  | {
      readonly kind: 'settle';
      readonly id: string;
      readonly isCannot: boolean;
      readonly seen: boolean;
      readonly isSameServer: boolean;
    }
  | { readonly kind: 'vacate'; readonly id: string }
  | { readonly kind: 'operate'; readonly word: Operation['kind'] }
  | { readonly kind: 'adopt'; readonly ids: readonly string[]; readonly isLast: boolean }
  | { readonly kind: 'sweep'; readonly isElection: boolean }
  | { readonly kind: 'configure' | 'forget' };

interface Known {
  readonly id: string;
  readonly holder: string;
  fence: number;
  turn: number;
  stamp: number;
}

export const HOLDERS = ['h1', 'h2', 'h3', 'h4'];
const GROUPS = ['g1', 'g2', 'g3'];
const SHARES: readonly Share[] = [
  { min: 0, max: 1_000_000_000, priority: 0 },
  { min: 1, max: 2, priority: 0 },
  { min: 0, max: 1, priority: 1 },
  { min: 1, max: 5, priority: 2 },
];
const SERVERS = ['alpha', 'beta'];
const SWEEPERS = ['s1', 's2'];
/** What is said where there is no operator. */
const UNATTENDED = ['resume', 'retire', 'retire'] as const;
const RECENT = 10;

/** Things go wrong all the time: dead entries fill the resource, looks and probes clear it. */
const TROUBLED = {
  tick: 25,
  ask: 16,
  poll: 14,
  renew: 10,
  park: 9,
  release: 7,
  abandon: 7,
  settle: 9,
  sweep: 4,
  configure: 0.6,
  forget: 0.3,
  operate: 4,
  adopt: 0.6,
};

const OPERATIONS: Readonly<Record<Operation['kind'], number>> = {
  pause: 2,
  resume: 6,
  drain: 1,
  reconnect: 2,
  resize: 4,
  share: 6,
  observe: 3,
  retire: 6,
};

/** Healthy and short of connections: holders park and renew, waiters poll, leases are revoked and told to yield. */
const BUSY: typeof TROUBLED = {
  ...TROUBLED,
  ask: 10,
  poll: 20,
  renew: 20,
  park: 22,
  release: 2,
  abandon: 1,
  settle: 12,
};

/** Leases come and go in haste: the connect rate is booked far ahead. */
const HURRIED: typeof TROUBLED = { ...TROUBLED, tick: 4, ask: 30, poll: 4, release: 30 };

/** Chooses commands so that leases, tickets and dead entries meet often: few ids, few places, times near every bound. */
export class CommandSource {
  readonly resource: string;
  readonly settings: ResourceSettings;
  readonly #random: SeededRandom;
  readonly #known: Known[] = [];
  readonly #weights: typeof TROUBLED;
  /** Moments at which protections end, in the registry's own time. */
  #lapses: number[] = [];
  #now = 0;
  #made = 0;
  /** Of the whole episode, so that some have one group, no operator and no failing connect. */
  readonly #hasGroups: boolean;
  readonly #hasOperator: boolean;
  readonly #fails: number;
  #census: CensusDuty | undefined;

  constructor(resource: string, random: SeededRandom) {
    this.resource = resource;
    this.#random = random;
    this.#weights = random.pick([BUSY, BUSY, TROUBLED, TROUBLED, HURRIED]);
    const capacity = random.whole(1, 5);
    this.#hasGroups = random.chance(0.6);
    this.#hasOperator = random.chance(0.6);
    this.#fails = random.pick([0, 0.1, 0.5]);
    this.settings = {
      capacity,
      headroom: random.whole(0, Math.floor(capacity / 2)),
      protectMs: random.pick([1_000, 3_000]),
      idleMs: random.pick([1_000, 5_000]),
      connectBoundMs: random.pick([400, 1_500]),
      quantumMs: random.pick([0, 200]),
      dutyMs: random.pick([300, 1_000]),
      ticketLivenessMs: 1_500,
      waitersMax: random.whole(1, 6),
      claimMs: random.pick([100, 1_000]),
      connectsPerSecond: this.#weights === HURRIED ? 1 : random.pick([0, 0, 0, 1, 7]),
      connectBurst: random.whole(1, 3),
    };
  }

  /** What the source learns from a grant: fences, stamps and moments to aim at. */
  note(id: string, reply: GrantReply): void {
    if (reply.kind === 'granted') this.#lapses.push(this.#now + reply.protectMs);
    const known = this.#known.find((each) => each.id === id);
    if (known === undefined) return;
    if (reply.kind === 'granted') known.fence = reply.fence;
    if (reply.kind === 'queued') known.stamp = reply.stamp;
  }

  /** Any reply may carry the census. */
  noteCensus(reply: unknown): void {
    if (typeof reply === 'object' && reply !== null && 'census' in reply)
      this.#census = reply.census as CensusDuty;
  }

  next(report: ResourceReport | undefined): Command {
    const isLearning = report !== undefined && report.learningMs > 0;
    const kind = this.#random.weighted(
      isLearning ? { ...this.#weights, adopt: 4, renew: 25, sweep: 6 } : this.#weights,
    );
    if (kind === 'tick') return this.#tick();
    if (kind === 'ask' || this.#known.length === 0) return this.#ask();
    if (kind === 'settle') return this.#settle(report?.entries ?? []);
    if (kind === 'sweep') return this.#sweep();
    if (kind === 'configure') return this.#configure();
    if (kind === 'forget') return this.#forget();
    if (kind === 'operate') return this.#operate();
    if (kind === 'adopt') return this.#adopt(report);
    const known = this.#target(report);
    switch (kind) {
      case 'poll':
        return this.#grant(known, this.#random.chance(0.95), this.settings);
      case 'renew':
        return this.#renew(known);
      case 'park':
        return this.#park(known);
      case 'release':
        return this.#release(known);
      case 'abandon':
        return this.#abandon(known);
    }
  }

  /** Mostly a lease that is there, else any of the last ids: a ticket, or something gone. */
  #target(report: ResourceReport | undefined): Known {
    const present = new Set(report?.entries.map(({ lease }) => lease.id));
    const live = this.#known.filter(({ id }) => present.has(id));
    return this.#random.pick(live.length > 0 && this.#random.chance(0.6) ? live : this.#known);
  }

  start(isNew: boolean): Command {
    return this.#configureWith(isNew);
  }

  #tick(): Command {
    const { protectMs, idleMs, connectBoundMs, dutyMs, ticketLivenessMs, quantumMs, claimMs } = this.settings;
    const near = this.#random.pick([
      claimMs,
      500,
      protectMs,
      idleMs,
      connectBoundMs,
      dutyMs,
      ticketLivenessMs,
      quantumMs,
      protectMs + idleMs,
    ]);
    this.#lapses = this.#lapses.filter((moment) => moment > this.#now);
    const lapse = this.#lapses.length > 0 ? this.#random.pick(this.#lapses) - this.#now : 1;
    const isBusy = this.#weights !== TROUBLED;
    const ms = this.#random.weighted({
      small: isBusy ? 200 : 50,
      near: 35,
      lapse: 35,
      far: 8,
      back: 5,
      leap: 2,
    });
    const advanceMs = {
      small: this.#random.whole(1, 120),
      near: Math.max(0, near + this.#random.whole(-1, 1)),
      lapse: Math.max(0, lapse - this.#random.whole(0, 3)),
      far: 10_000,
      back: -this.#random.whole(1, 100_000),
      leap: 3_600_000,
    }[ms];
    this.#now += Math.max(0, advanceMs);
    return { text: `tick ${advanceMs}`, aim: { kind: 'tick', ms: advanceMs }, advanceMs };
  }

  #ask(): Command {
    this.#made += 1;
    const holder = this.#random.pick(HOLDERS);
    const old =
      this.#random.chance(0.25) && this.#known.length > 0 ? this.#random.pick(this.#known).stamp : 0;
    const stamp = this.#random.chance(0.05) ? 2 ** 50 : old;
    const known: Known = { id: idOf(`l${this.#made}`), holder, fence: 0, turn: 0, stamp };
    this.#known.push(known);
    if (this.#known.length > RECENT) this.#known.shift();
    const isSlow = this.#random.chance(0.03);
    const more = this.#random.whole(-100, 700);
    const settings = isSlow
      ? { ...this.settings, connectBoundMs: this.settings.connectBoundMs + more }
      : this.settings;
    return this.#grant(known, false, settings);
  }

  #grant(known: Known, again: boolean, settings: ResourceSettings): Command {
    const { id, stamp } = known;
    const random = this.#random;
    const wait = random.chance(0.7);
    const holder = this.#holderFor(known, 0.97);
    const request: GrantRequest = {
      resource: this.resource,
      leaseId: id,
      again,
      stamp,
      holder,
      group: this.#group(known),
      wait,
      settings,
      ...(random.chance(0.2) && { waitMs: random.pick([0, 200, 1_000, 100_000]) }),
      ...(random.chance(0.6) && { listens: random.chance(0.8) }),
      ...(this.#hasGroups && random.chance(0.5) && { share: random.pick(SHARES) }),
    };
    const { resource: _, settings: __, ...rest } = request;
    return this.#call(
      `grant ${JSON.stringify(rest)} ${settings === this.settings ? '' : settings.connectBoundMs}`,
      { kind: 'grant', id, again, stamp, wait },
      (registry) => registry.grant(request),
    );
  }

  /** Mostly the same group for the same lease. */
  #group(known: Known): string {
    if (!this.#hasGroups) return 'g';
    const at = Number(known.id.replace(/\D/g, '')) % GROUPS.length;
    return this.#random.chance(0.02) ? this.#random.pick(GROUPS) : (GROUPS[at] ?? 'g');
  }

  #operate(): Command {
    const random = this.#random;
    const kind = this.#hasOperator ? random.weighted(OPERATIONS) : random.pick(UNATTENDED);
    const operation = this.#operationOf(kind);
    return this.#call(`operate ${JSON.stringify(operation)}`, { kind: 'operate', word: kind }, (registry) =>
      registry.operate(this.resource, operation),
    );
  }

  #operationOf(kind: Operation['kind']): Operation {
    const random = this.#random;
    const version = random.chance(0.2) ? { version: random.whole(0, 12) } : {};
    switch (kind) {
      case 'pause':
        return {
          kind,
          ...random.pick([{ forMs: 0 }, { forMs: 300 }, { forMs: 2_000 }, { forMs: 2_000, atMost: true }]),
        };
      case 'resize': {
        const capacity = random.whole(1, 6);
        return { kind, capacity, headroom: random.whole(0, Math.floor(capacity / 2)), ...version };
      }
      case 'share':
        return { kind, group: random.pick([...GROUPS, 'g']), share: random.pick(SHARES), ...version };
      case 'observe':
        return { kind, holder: random.pick(HOLDERS), outcome: this.#outcome() };
      case 'retire':
        return { kind, sweeper: random.pick(SWEEPERS), looked: random.chance(0.5) };
      default:
        return { kind };
    }
  }

  #adopt(report: ResourceReport | undefined): Command {
    const random = this.#random;
    const given = this.#census ?? { epoch: report?.epoch ?? 0, token: 0 };
    const census = random.chance(0.9) ? given : { ...given, token: given.token + 1 };
    const known = random.chance(0.7) ? this.#known.slice(-random.whole(0, 4)) : [];
    const sessions = known.map(({ id, fence }) => ({ id, fence, session: this.#session() }));
    const last = random.chance(0.6) ? { foreign: random.weighted({ 0: 6, 1: 2, 2: 1 }) } : undefined;
    const foreign = last === undefined ? undefined : { foreign: Number(last.foreign) };
    const aim: Aim = { kind: 'adopt', ids: sessions.map(({ id }) => id), isLast: last !== undefined };
    const text = `adopt ${JSON.stringify({ census, sessions, last })}`;
    return this.#call(text, aim, (registry) => registry.adopt(this.resource, census, sessions, foreign));
  }

  /** How a connect went, for the breaker. */
  #outcome(): LeaseOutcome {
    const random = this.#random;
    if (!random.chance(this.#fails)) return random.pick(['closed', 'unused', 'unseen']);
    return random.pick(['refused', 'refused', 'auth', 'unanswered']);
  }

  #registration(known: Known): Registration {
    const random = this.#random;
    const { capacity, headroom } = this.settings;
    const inForce = {
      settings: { ...this.settings, capacity: capacity + random.whole(0, 2), headroom },
      version: random.whole(0, 6),
      control: random.pick(['open', 'open', 'paused', 'draining'] as const),
      pausedForMs: random.pick([0, 500]),
    };
    return {
      group: this.#group(known),
      settings: this.settings,
      ...(this.#hasOperator && random.chance(0.3) && { inForce }),
    };
  }

  #renew(known: Known): Command {
    const random = this.#random;
    const { item, holder, isLate } = this.#turnOf(known);
    const again = random.chance(0.3) ? { again: this.#registration(known) } : {};
    const session = 'again' in again && random.chance(0.9) ? { session: this.#session() } : {};
    const one = { ...item, idle: random.chance(0.7), ...session, ...again };
    const two = random.chance(0.1) ? [{ ...one, id: random.pick(this.#known).id }] : [];
    const aim = { kind: 'renew', id: known.id, isLate, comesBack: 'again' in again } as const;
    return this.#call(`renew ${holder} ${JSON.stringify([one, ...two])}`, aim, (registry) =>
      registry.renew(this.resource, holder, [one, ...two]),
    );
  }

  #park(known: Known): Command {
    const { item, holder, isLate, text } = this.#turnOf(known);
    const aim = { kind: 'park', id: known.id, isLate, comesBack: false } as const;
    return this.#call(`park ${text}`, aim, (registry) => registry.park(this.resource, holder, [item]));
  }

  #turnOf(known: Known) {
    const ref = this.#refFor(known);
    const holder = this.#holderFor(known, 0.95);
    const isLate = this.#random.chance(0.2);
    if (!isLate) known.turn += 1;
    const turn = isLate ? Math.max(0, known.turn - this.#random.whole(0, 2)) : known.turn;
    const session = this.#random.chance(0.4) ? this.#session() : undefined;
    const item = { ...ref, turn, ...(session !== undefined && { session }) };
    const text = `${JSON.stringify(item)} ${holder}`;
    return { item, holder, isLate, text };
  }

  #release(known: Known): Command {
    const ref = this.#random.chance(0.2) ? { id: known.id, fence: 0 } : this.#refFor(known);
    const holder = this.#holderFor(known, 0.95);
    const outcome = this.#outcome();
    const aim: Aim = {
      kind: 'release',
      id: known.id,
      by: holder,
      fence: ref.fence,
      isRefused: outcome === 'refused',
    };
    return this.#call(`release ${JSON.stringify(ref)} ${holder} ${outcome}`, aim, (registry) =>
      registry.release(this.resource, holder, [{ ...ref, outcome }]),
    );
  }

  #abandon(known: Known): Command {
    const ref = this.#refFor(known);
    const holder = this.#holderFor(known, 0.95);
    const session = this.#random.chance(0.4) ? this.#session() : undefined;
    const item = { ...ref, outcome: this.#outcome(), ...(session !== undefined && { session }) };
    const aim: Aim = { kind: 'abandon', id: known.id, by: holder, fence: ref.fence, session };
    return this.#call(`abandon ${JSON.stringify(item)} ${holder}`, aim, (registry) =>
      registry.abandon(this.resource, holder, [item]),
    );
  }

  #settle(entries: readonly ReportEntry[]): Command {
    const revoking = entries.filter(({ state }) => state === 'revoking');
    const held = entries.filter(({ state }) => state !== 'revoking');
    const isAimed = revoking.length > 0 && this.#random.chance(0.9);
    const target = isAimed ? this.#random.pick(revoking) : undefined;
    const id = target?.lease.id ?? this.#random.pick(this.#known).id;
    if (held.length > 0 && this.#random.chance(0.1)) return this.#vacate(this.#random.pick(held));
    const isCannot = this.#random.chance(0.2);
    const server = this.#random.pick(SERVERS);
    const seen = this.#random.chance(0.2);
    const by: LeaseRef | undefined =
      held.length > 0 && this.#random.chance(0.6) ? this.#random.pick(held).lease : undefined;
    const isSameServer = target?.session?.startsWith(`${server}.`) ?? false;
    const item = isCannot
      ? ({ id, kind: 'cannot' } as const)
      : ({ id, kind: 'absent', seen, server } as const);
    const text = `settle ${JSON.stringify(item)} by ${JSON.stringify(by)}`;
    return this.#call(text, { kind: 'settle', id, isCannot, seen, isSameServer }, (registry) =>
      registry.settle(this.resource, by, [item]),
    );
  }

  #vacate({ lease: { id, fence } }: ReportEntry): Command {
    const item = { id, kind: 'vacant', fence: fence + Number(this.#random.chance(0.1)) } as const;
    return this.#call(`settle ${JSON.stringify(item)}`, { kind: 'vacate', id }, (registry) =>
      registry.settle(this.resource, undefined, [item]),
    );
  }

  #sweep(): Command {
    const random = this.#random;
    const duties = random.whole(0, 3);
    const election = random.chance(0.7)
      ? { sweeper: random.pick(SWEEPERS), forMs: random.pick([0, 2_000, 20_000]) }
      : undefined;
    const aim: Aim = { kind: 'sweep', isElection: election !== undefined };
    return this.#call(`sweep ${duties} ${JSON.stringify(election)}`, aim, (registry) =>
      registry.sweep(this.resource, duties, election),
    );
  }

  #configure(): Command {
    return this.#configureWith(this.#random.chance(0.7));
  }

  #configureWith(isNew: boolean): Command {
    return this.#call(`configure ${isNew ? 'new' : ''}`, { kind: 'configure' }, (registry) =>
      registry.configure(this.resource, this.settings, isNew),
    );
  }

  #forget(): Command {
    return this.#call('forget', { kind: 'forget' }, (registry) => registry.forget(this.resource));
  }

  #call(text: string, aim: Aim, run: (registry: Registry) => Promise<unknown>): Command {
    return { text, aim, run };
  }

  #holderFor(known: Known, own: number): string {
    return this.#random.chance(own) ? known.holder : this.#random.pick(HOLDERS);
  }

  #refFor(known: Known): LeaseRef {
    return { id: known.id, fence: this.#random.chance(0.95) ? known.fence : known.fence + 1 };
  }

  #session(): string {
    return `${this.#random.pick(SERVERS)}.${this.#random.whole(1, 99)}`;
  }
}
