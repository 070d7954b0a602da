import type { GroupReport, ReportEntry, ResourceReport } from '../../lib/core/report.ts';
import type { GrantReply } from '../../lib/registry/registry.ts';
import type { Aim } from './commands.ts';

interface Reports {
  readonly before: ResourceReport | undefined;
  readonly after: ResourceReport | undefined;
}

interface Step extends Reports {
  readonly aim: Aim;
  readonly reply: unknown;
}

/** The holder of a lease that a census has found. */
const NOBODY = '?';

const byId = (report: ResourceReport | undefined): ReadonlyMap<string, ReportEntry> =>
  new Map((report?.entries ?? []).map((entry) => [entry.lease.id, entry]));

/** What must hold after every step, whatever the implementation answers. Returns what is broken, by law. */
export class Invariants {
  #lastFence = 0;
  /** Leases that were there once: what is gone must not come back. */
  readonly #ever = new Set<string>();

  /**
   * The resource was forgotten: another epoch, where ids may be asked for anew. Fences go on from the clock, so here they may
   * repeat: a test forgets, steps the clock back and grants within one millisecond. The contract suite has the plain case.
   */
  forget(): void {
    this.#ever.clear();
    this.#lastFence = 0;
  }

  check({ aim, reply, before, after }: Step): string[] {
    const broken: string[] = [];
    const was = byId(before);
    const is = byId(after);
    if (after !== undefined) this.#counts(after, before, broken);
    if (after !== undefined) this.#debt(aim, before, after, broken);
    if (after !== undefined) this.#groups(aim, before, after, broken);
    if (aim.kind === 'grant') this.#fence(reply as GrantReply, was, aim.id, broken);
    if (aim.kind === 'grant') fullness(reply as GrantReply, after, broken);
    if (aim.kind === 'grant' && !was.has(aim.id))
      this.#admission(aim, reply as GrantReply, { before, after }, broken);
    // Who asks for an old id and does not say that it is a repeat has broken the contract: it is a new lease to the registry.
    if (aim.kind === 'grant' && !aim.again) this.#ever.delete(aim.id);
    for (const [id, entry] of is) this.#entry(entry, was.get(id), aim, broken);
    for (const [id, entry] of was) {
      const now = is.get(id);
      if (now === undefined && !mayRemove(aim, entry)) broken.push(`${id} vanished by ${aim.kind}`);
      if (entry.state === 'protected' && now?.state === 'revoking' && !mayEnd(aim, entry)) {
        broken.push(`L6: ${id} was protected and is revoking by ${aim.kind}`);
      }
    }
    return broken;
  }

  #counts(after: ResourceReport, before: ResourceReport | undefined, broken: string[]): void {
    const { headroom, waitersMax } = after.settings;
    const cap = capOf(after);
    const count = after.held + after.revoking;
    if (after.debt !== Math.max(0, count - cap))
      broken.push(`L12: a debt of ${after.debt}, ${count} of ${cap}`);
    if (after.entries.length !== count)
      broken.push(`${after.entries.length} entries, but a count of ${count}`);
    if (after.waiters > Math.max(waitersMax, before?.waiters ?? 0))
      broken.push(`L11: ${after.waiters} waiters of ${waitersMax}`);
    if (after.flagged > after.held) broken.push(`${after.flagged} flagged of ${after.held} held`);
    if (after.claims > (before?.claims ?? 0) && count + after.claims > cap - headroom)
      broken.push(`${after.claims} claims beside ${count} of ${cap}, headroom ${headroom}`);
  }

  /** L1: only what was open before, an operator's word, a smaller capacity, and one probe go beyond. */
  #debt(aim: Aim, before: ResourceReport | undefined, after: ResourceReport, broken: string[]): void {
    const isStated =
      aim.kind === 'adopt' || aim.kind === 'operate' || (aim.kind === 'renew' && aim.comesBack);
    if (beyond(after) > (before === undefined ? 0 : beyond(before)) && !isStated)
      broken.push(`L1: a debt of ${after.debt} after ${aim.kind}`);
  }

  #groups(aim: Aim, before: ResourceReport | undefined, after: ResourceReport, broken: string[]): void {
    const sum = (count: (group: GroupReport) => number): number =>
      after.groups.reduce((total, group) => total + count(group), 0);
    if (sum(({ taken }) => taken) !== after.held + after.claims)
      broken.push('groups do not add up to what is held');
    if (sum(({ waiting }) => waiting) !== after.waiters - after.claims)
      broken.push('groups do not add up to who waits');
    if (aim.kind !== 'grant') return;
    for (const { name, taken, max } of after.groups) {
      const was = before?.groups.find((group) => group.name === name)?.taken ?? 0;
      if (taken > max && taken > was) broken.push(`L10: ${name} has ${taken} of at most ${max}`);
    }
  }

  #fence(reply: GrantReply, was: ReadonlyMap<string, ReportEntry>, id: string, broken: string[]): void {
    if (reply.kind !== 'granted') return;
    const repeated = was.get(id);
    if (repeated !== undefined && repeated.lease.fence !== reply.fence)
      broken.push(`L3: ${id} has a second fence`);
    if (repeated !== undefined) return;
    if (reply.fence <= this.#lastFence) broken.push(`L7: fence ${reply.fence} after ${this.#lastFence}`);
    this.#lastFence = reply.fence;
  }

  /** No time has passed since `before`: what it shows is what the decision saw. */
  #admission(
    aim: Aim & { kind: 'grant' },
    reply: GrantReply,
    { before, after }: Reports,
    broken: string[],
  ): void {
    if (reply.kind !== 'granted') return;
    if (before === undefined) return void broken.push('L13: granted without memory');
    const { headroom } = before.settings;
    const cap = capOf(before);
    const count = before.held + before.revoking;
    const isCensus = reply.census !== undefined;
    const waited = before.waiters - (after?.waiters ?? 0) === 1;
    const waiting = before.waiters - before.claims;
    if (before.learningMs > 0 && !isCensus) broken.push('L13: granted while learning');
    if (before.learningMs === 0 && before.control !== 'open') broken.push(`granted while ${before.control}`);
    if (before.breaker === 'open') broken.push('granted while the breaker was open');
    const isOneGroup = before.groups.length === 1 && after?.groups.length === 1;
    if (waiting > 0 && !waited && aim.stamp === 0 && isOneGroup && !isCensus) {
      const room = cap - headroom - count - before.claims;
      if (waiting >= room) broken.push('L9: a newcomer went past a ticket');
    }
    const hadClaim = before.claims > (after?.claims ?? 0);
    if (count >= cap - headroom && reply.duties.length === 0 && !hadClaim && !isCensus)
      broken.push('L1: room out of the headroom');
    if (reply.isProbe && before.held > 0) broken.push('a probe while something was held');
    if (!reply.isProbe && count >= cap) broken.push('L1: granted at the capacity');
  }

  #entry(entry: ReportEntry, before: ReportEntry | undefined, aim: Aim, broken: string[]): void {
    const { id } = entry.lease;
    if (before?.state === 'revoking' && entry.state !== 'revoking')
      broken.push(`L5: ${id} was revoking and is held`);
    if (before === undefined) {
      const isAsked = aim.kind === 'grant' && aim.id === id;
      // Who says that a connection is open is believed, by a registry that does not know it.
      const isTold = aim.kind === 'adopt' || (aim.kind === 'renew' && aim.comesBack);
      if (!isAsked && !isTold) broken.push(`${id} appeared by ${aim.kind}`);
      if (this.#ever.has(id) && !isTold) broken.push(`L5: ${id} was gone and is back`);
    }
    if (before?.session !== undefined && entry.session !== before.session)
      broken.push(`${id} changed its session`);
    this.#ever.add(id);
  }
}

/** What a refusal says of the fleet is what it left behind. */
const fullness = (reply: GrantReply, after: ResourceReport | undefined, broken: string[]): void => {
  if ((reply.kind !== 'queued' && reply.kind !== 'denied') || after === undefined) return;
  const { inUse, capacity } = reply;
  if (inUse !== after.held + after.revoking || capacity !== after.settings.capacity)
    broken.push(`L1: told of ${inUse} of ${capacity}`);
};

/** Which step may end a protected lease: its own holder's, and time. What a drain finds parked is revoked at the next step. */
const mayEnd = (aim: Aim, entry: ReportEntry): boolean =>
  aim.kind === 'tick' ||
  (aim.kind === 'park' && aim.id === entry.lease.id) ||
  (aim.kind === 'abandon' && isOwn(aim, entry) && aim.fence === entry.lease.fence);

const mayRemove = (aim: Aim, entry: ReportEntry): boolean => {
  if (aim.kind === 'forget') return true;
  if (aim.kind === 'release') {
    return isOwn(aim, entry) && (aim.fence === entry.lease.fence || aim.fence === 0);
  }
  return aim.kind === 'settle' && aim.id === entry.lease.id && entry.state === 'revoking' && !aim.isCannot;
};

const isOwn = (aim: Aim & { readonly by: string; readonly id: string }, entry: ReportEntry): boolean =>
  aim.id === entry.lease.id && (aim.by === entry.holder || entry.holder === NOBODY);

const capOf = ({ settings, foreign }: ResourceReport): number => Math.max(0, settings.capacity - foreign);

/** Connections above the capacity, probes aside. */
const beyond = (report: ResourceReport): number => {
  const others = report.entries.filter(({ isProbe }) => !isProbe).length;
  return Math.max(0, others - capOf(report));
};
