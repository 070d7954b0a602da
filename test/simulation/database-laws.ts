import type { Backend, Handshake } from './backend.ts';
import type { Court } from './court.ts';
import type { Ledger } from './ledger.ts';

const ROUNDING_MS = 2;
/** Of a connect that was put off by some seconds, on clocks that differ. */
const EARLY_MS = 125;

/** What the laws need to know of the database. */
interface Scene {
  readonly server: string;
  readonly backends: ReadonlySet<Backend>;
  readonly byLease: ReadonlyMap<string, Backend>;
  readonly attempts: ReadonlyMap<string, Handshake>;
}

/**
 * Looks at the database itself: every session needs a lease that counts, and there are never more than the capacity. The
 * exceptions are the protocol's own, each a function with its reason.
 */
export class DatabaseLaws {
  peak = 0;
  /** Sessions of each stated exception that were seen. */
  readonly excused = new Map<string, number>();
  readonly #ledger: Ledger;
  readonly #court: Court;
  readonly #scene: Scene;

  constructor(ledger: Ledger, court: Court, scene: Scene) {
    this.#ledger = ledger;
    this.#court = court;
    this.#scene = scene;
  }

  connectStarted(attempt: Handshake): void {
    const { leaseId, timeoutMs } = attempt;
    attempt.stepsMs = this.#ledger.stepsMs;
    const lease = this.#ledger.find(leaseId);
    const leftMs = (lease?.reliedUntilMs ?? 0) - this.#ledger.nowMs;
    const isAllowed = lease !== undefined && leftMs + ROUNDING_MS >= timeoutMs;
    // A connect that was put off may begin when a forward step has long ended its lease.
    this.#court.judge(
      'L2',
      isAllowed || this.#ledger.shortened.has(leaseId),
      () => `a connect of ${timeoutMs} ms for ${leaseId} began with ${leftMs} ms protected`,
    );
    const soonMs = (lease?.connectFromMs ?? 0) - this.#ledger.nowMs;
    this.#court.judge(
      'rate',
      soonMs <= EARLY_MS,
      () => `a connect for ${leaseId} began ${soonMs} ms too soon`,
    );
    const isSecond = this.#scene.attempts.has(leaseId) || this.#scene.byLease.has(leaseId);
    this.#court.judge('L2', !isSecond, () => `a second connect for ${leaseId} while the first may succeed`);
    if (lease?.isProbe !== true) return;
    const others = [...this.#scene.attempts.values()].filter((other) => this.#mayAppear(other));
    const counted = others.filter((other) => this.#ledger.leases.has(other.leaseId));
    this.#court.judge(
      'probe',
      counted.length === 0,
      () => `probe ${leaseId} connects while ${counted[0]?.leaseId} does`,
    );
  }

  /** A session of this lease is there, or may yet appear. */
  readonly isAlive = (leaseId: string): boolean => {
    const backend = this.#scene.byLease.get(leaseId);
    if (backend !== undefined && this.#excuse(backend) === undefined) return true;
    const attempt = this.#scene.attempts.get(leaseId);
    return attempt !== undefined && this.#mayAppear(attempt);
  };

  born(backend: Backend): void {
    const { leaseId } = backend.attempt;
    const reason = this.#excuse(backend);
    if (reason === undefined) {
      this.#court.judge(
        'L2',
        this.#ledger.leases.has(leaseId) || this.#isBeforeLoss(leaseId),
        () => `a session of ${leaseId}, which does not count`,
      );
    } else this.excused.set(reason, (this.excused.get(reason) ?? 0) + 1);
    this.#count();
  }

  /** The borrower's statement leaves its process. */
  statementSent(leaseId: string): void {
    if (this.#ledger.shortened.has(leaseId)) return;
    const lease = this.#ledger.find(leaseId);
    const leftMs = (lease?.reliedUntilMs ?? Number.NEGATIVE_INFINITY) - this.#ledger.nowMs;
    this.#court.judge(
      'gate',
      leftMs + ROUNDING_MS >= 0,
      () => `a statement under ${leaseId}, ${-leftMs} ms after its protection`,
    );
  }

  /** It begins at the server. */
  statementBegins(leaseId: string): void {
    const { shortened } = this.#ledger;
    this.#court.judge(
      'L2',
      this.#ledger.find(leaseId) !== undefined || shortened.has(leaseId),
      () => `a statement ran under ${leaseId}, which is gone`,
    );
  }

  /** A registry that has lost its memory grants nothing until it has been told of every session. */
  learned(): void {
    for (const backend of this.#scene.backends) {
      const { leaseId } = backend.attempt;
      if (backend.isEnding || this.#excuse(backend) !== undefined) continue;
      const isCounted = this.#ledger.leases.has(leaseId);
      this.#court.judge('census', isCounted, () => `the census has missed the session of ${leaseId}`);
    }
  }

  /** Licensed by a memory that is lost, while the next one still learns. */
  #isBeforeLoss(leaseId: string): boolean {
    return this.#ledger.isLearning && this.#ledger.forgotten.has(leaseId);
  }

  #count(): void {
    const { mostOpen } = this.#ledger;
    const { size } = this.#scene.backends;
    this.peak = Math.max(this.peak, size);
    if (size <= mostOpen) {
      this.#court.judge('capacity', true, () => '');
      return;
    }
    const counted = [...this.#scene.backends].filter((backend) => this.#excuse(backend) === undefined);
    const leases = counted.map(({ attempt }) => this.#ledger.find(attempt.leaseId));
    const probes = leases.filter((lease) => lease?.isProbe === true).length;
    const censuses = leases.filter((lease) => lease?.isCensus === true).length;
    const allowed = mostOpen + Math.min(1, probes) + Math.min(1, censuses);
    const says = (): string =>
      `${counted.length} sessions, capacity ${mostOpen}: ${counted.map(({ attempt }) => attempt.leaseId).join(' ')}`;
    this.#court.judge('capacity', counted.length <= allowed, says);
  }

  #excuse(backend: Backend): string | undefined {
    const { attempt } = backend;
    // The capacity is the present server's.
    if (backend.server !== this.#scene.server) return 'on a former server';
    if (backend.bornAtMs > attempt.boundAtMs) return 'frozen in mid-handshake';
    if (this.#isAfterStep(attempt) || this.#ledger.shortened.has(attempt.leaseId))
      return 'server clock stepped';
    if (this.#isLearnedShort(attempt)) return 'server clock stepped';
    if (this.#ledger.lost.has(attempt.leaseId)) return 'grant lost with memory';
    if (this.#isResidue(backend)) return 'longer than learning';
    return undefined;
  }

  /** Learning that no census has ended ends by time: what a statement has kept alive beyond it is the stated residue. */
  #isResidue({ attempt, bornAtMs, idleMs, lastActiveMs, busyUntilMs }: Backend): boolean {
    const { forgotten, leases, learnUntilMs, nowMs } = this.#ledger;
    if (!forgotten.has(attempt.leaseId) || leases.has(attempt.leaseId)) return false;
    if (nowMs < learnUntilMs || learnUntilMs === 0) return false;
    if (bornAtMs === nowMs) return true;
    return Math.max(lastActiveMs, busyUntilMs) + idleMs >= learnUntilMs;
  }

  #isLearnedShort({ leaseId }: Handshake): boolean {
    const { isLearnedShort, isLearning, forgotten, leases } = this.#ledger;
    return isLearnedShort && !isLearning && forgotten.has(leaseId) && !leases.has(leaseId);
  }

  /** A forward step of the server's clock shortens also the connect bound by its size. */
  #isAfterStep(attempt: Handshake): boolean {
    return this.#ledger.stepsMs > attempt.stepsMs;
  }

  #mayAppear(attempt: Handshake): boolean {
    return attempt.mayStillOpen && this.#ledger.nowMs <= attempt.boundAtMs && !this.#isAfterStep(attempt);
  }
}
