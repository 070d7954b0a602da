import type { ResourceSettings } from '../../lib/core/lease.ts';
import type { GrantReply, ReportEntry, ResourceReport } from '../../lib/registry/registry.ts';
import type { Aim } from './commands.ts';

interface Reports {
  readonly before: ResourceReport | undefined;
  readonly after: ResourceReport | undefined;
}

interface Step extends Reports {
  readonly aim: Aim;
  readonly reply: unknown;
}

const byId = (report: ResourceReport | undefined): ReadonlyMap<string, ReportEntry> =>
  new Map((report?.entries ?? []).map((entry) => [entry.lease.id, entry]));

/** What must hold after every step, whatever the implementation answers. Returns what is broken, by law. */
export class Invariants {
  readonly #settings: ResourceSettings;
  #lastFence = 0;
  /** Leases that were there once: what is gone must not come back. */
  readonly #ever = new Set<string>();

  constructor(settings: ResourceSettings) {
    this.#settings = settings;
  }

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
    if (aim.kind === 'grant') this.#fence(reply as GrantReply, was, aim.id, broken);
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
    const { capacity, headroom, waitersMax } = this.#settings;
    const count = after.held + after.revoking;
    const probes = after.entries.filter(({ isProbe }) => isProbe).length;
    if (count > capacity + probes) broken.push(`L1: ${count} of ${capacity}, ${probes} probes`);
    if (after.entries.length !== count)
      broken.push(`${after.entries.length} entries, but a count of ${count}`);
    if (after.waiters > waitersMax) broken.push(`L11: ${after.waiters} waiters of ${waitersMax}`);
    const isMore = after.flagged > (before?.flagged ?? 0);
    const isWanted = after.flagged <= after.waiters || (headroom === 0 && count >= capacity);
    if (after.flagged > after.held || (isMore && !isWanted)) {
      broken.push(`${after.flagged} flagged of ${after.held} held, ${after.waiters} waiters`);
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
    const { capacity, headroom } = this.#settings;
    const count = before.held + before.revoking;
    const isTicket = (after?.waiters ?? 0) < before.waiters;
    if (before.learningMs > 0) broken.push('L13: granted while learning');
    if (before.waiters > 0 && !isTicket && aim.stamp === 0) broken.push('L9: a newcomer went past a ticket');
    if (count >= capacity - headroom && reply.duties.length === 0)
      broken.push('L1: room out of the headroom');
    if (reply.isProbe && before.held > 0) broken.push('a probe while something was held');
    if (!reply.isProbe && count >= capacity) broken.push('L1: granted at the capacity');
  }

  #entry(entry: ReportEntry, before: ReportEntry | undefined, aim: Aim, broken: string[]): void {
    const { id } = entry.lease;
    if (before?.state === 'revoking' && entry.state !== 'revoking')
      broken.push(`L5: ${id} was revoking and is held`);
    if (before === undefined) {
      const isAsked = aim.kind === 'grant' && aim.id === id;
      if (!isAsked) broken.push(`${id} appeared by ${aim.kind}`);
      if (this.#ever.has(id)) broken.push(`L5: ${id} was gone and is back`);
    }
    if (before?.session !== undefined && entry.session !== before.session)
      broken.push(`${id} changed its session`);
    this.#ever.add(id);
  }
}

/** Which step may end a protected lease: its own holder's, and time. */
const mayEnd = (aim: Aim, entry: ReportEntry): boolean =>
  aim.kind === 'tick' || (aim.kind === 'abandon' && isOwn(aim, entry) && aim.fence === entry.lease.fence);

const mayRemove = (aim: Aim, entry: ReportEntry): boolean => {
  if (aim.kind === 'forget') return true;
  if (aim.kind === 'release') {
    return isOwn(aim, entry) && (aim.fence === entry.lease.fence || aim.fence === 0);
  }
  return aim.kind === 'settle' && aim.id === entry.lease.id && entry.state === 'revoking' && !aim.isCannot;
};

const isOwn = (aim: Aim & { readonly by: string; readonly id: string }, entry: ReportEntry): boolean =>
  aim.id === entry.lease.id && aim.by === entry.holder;
