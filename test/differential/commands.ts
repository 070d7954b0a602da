import type { LeaseRef, ResourceSettings } from '../../lib/core/lease.ts';
import type { GrantReply, Registry, ReportEntry, ResourceReport } from '../../lib/registry/registry.ts';
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
  | { readonly kind: 'grant'; readonly id: string; readonly again: boolean; readonly stamp: number }
  | {
      readonly kind: 'renew' | 'park';
      readonly id: string;
      readonly isLate: boolean;
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
  | { readonly kind: 'sweep' | 'configure' | 'forget' };

interface Known {
  readonly id: string;
  readonly holder: string;
  fence: number;
  turn: number;
  stamp: number;
}

const HOLDERS = ['h1', 'h2', 'h3'];
const SERVERS = ['alpha', 'beta'];
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
  sweep: 1.5,
  configure: 0.6,
  forget: 0.15,
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

  constructor(resource: string, random: SeededRandom) {
    this.resource = resource;
    this.#random = random;
    this.#weights = random.chance(0.4) ? BUSY : TROUBLED;
    const capacity = random.whole(1, 5);
    this.settings = {
      capacity,
      headroom: random.whole(0, Math.floor(capacity / 2)),
      protectMs: random.pick([1_000, 3_000]),
      idleMs: random.pick([1_000, 5_000]),
      connectBoundMs: random.pick([400, 1_500]),
      quantumMs: random.pick([0, 200]),
      dutyMs: random.pick([300, 1_000]),
      ticketLivenessMs: 1_500,
      waitersMax: random.whole(1, 4),
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

  next(report: ResourceReport | undefined): Command {
    const kind = this.#random.weighted(this.#weights);
    if (kind === 'tick') return this.#tick();
    if (kind === 'ask' || this.#known.length === 0) return this.#ask();
    if (kind === 'settle') return this.#settle(report?.entries ?? []);
    if (kind === 'sweep') return this.#sweep();
    if (kind === 'configure') return this.#configure();
    if (kind === 'forget') return this.#forget();
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
    const { protectMs, idleMs, connectBoundMs, dutyMs, ticketLivenessMs, quantumMs } = this.settings;
    const near = this.#random.pick([
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
    const isBusy = this.#weights === BUSY;
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
    const wait = this.#random.chance(0.7);
    const holder = this.#holderFor(known, 0.97);
    const request = {
      resource: this.resource,
      leaseId: id,
      again,
      stamp,
      holder,
      group: 'g',
      wait,
      settings,
    };
    return this.#call(
      `grant ${id} ${again ? 'again' : 'new'} stamp ${stamp} ${holder} wait ${wait}`,
      { kind: 'grant', id, again, stamp },
      (registry) => registry.grant(request),
    );
  }

  #renew(known: Known): Command {
    const { item, holder, isLate, text } = this.#turnOf(known);
    const idle = this.#random.chance(0.7);
    return this.#call(`renew ${text} idle ${idle}`, { kind: 'renew', id: known.id, isLate }, (registry) =>
      registry.renew(this.resource, holder, [{ ...item, idle }]),
    );
  }

  #park(known: Known): Command {
    const { item, holder, isLate, text } = this.#turnOf(known);
    return this.#call(`park ${text}`, { kind: 'park', id: known.id, isLate }, (registry) =>
      registry.park(this.resource, holder, [item]),
    );
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
    const outcome = this.#random.pick(['closed', 'refused', 'unused'] as const);
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
    const item = { ...ref, outcome: 'unseen', ...(session !== undefined && { session }) } as const;
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

  #sweep(): Command {
    const duties = this.#random.whole(0, 3);
    return this.#call(`sweep ${duties}`, { kind: 'sweep' }, (registry) =>
      registry.sweep(this.resource, duties),
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
