import { setTimeout as pause } from 'node:timers/promises';
import type { Member } from './member.ts';
import type { LeasePlan, Plan } from './plan.ts';
import type { Scene, SceneView, Screen } from './screen.ts';
import type { SlotWatch } from './slot-watch.ts';
import type { Stage } from './stage.ts';
import { type PhaseResult, Tally } from './tally.ts';

const SAMPLE_MS = 50;
/** Leases listed in one report of the registry; it lists no more than a page anyway. */
const REPORT_ENTRIES = 100;

export interface PhaseParts {
  readonly stage: Stage;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  readonly role: string;
  readonly scene: Scene;
  readonly periodMs: number;
  readonly leases?: LeasePlan;
  readonly slots?: SlotWatch;
}

/** One run of the load on the whole fleet, under the eyes of the database. */
export class Phase {
  readonly #parts: PhaseParts;
  readonly #tally = new Tally();
  readonly #over = new AbortController();
  readonly #view: SceneView;
  #address = '';
  #isEnding = false;
  #startedAt = 0;

  constructor(parts: PhaseParts) {
    this.#parts = parts;
    this.#view = parts.screen.open(parts.scene);
  }

  note(text: string): void {
    this.#view.note(text);
  }

  employ(member: Member): void {
    member.begin(this.#planOf(member));
  }

  /** `beside`: what happens to the fleet while it works. The phase lasts at least as long. */
  async run(beside: () => Promise<void> = async () => undefined): Promise<PhaseResult> {
    const { stage, role, leases, scene, signal } = this.#parts;
    this.#address = await stage.createRole(role);
    if (leases !== undefined) await stage.createResource(leases);
    stage.fleet.onTick = (tick) => this.#tally.add(tick);
    this.#startedAt = performance.now();
    stage.fleet.begin((member) => this.#planOf(member));
    const watching = this.#watch();
    const happening = beside();
    try {
      await Promise.race([watching, this.#last(happening, scene.totalMs)]);
      this.#isEnding = true;
      await Promise.race([watching, aborted(signal), stage.fleet.end()]);
    } finally {
      this.#over.abort();
      await Promise.allSettled([watching, happening]);
      this.#view.close();
    }
    return this.#tally.sum(await stage.judge.refusals(role));
  }

  async #last(happening: Promise<void>, totalMs: number): Promise<void> {
    await Promise.all([happening, pause(totalMs, undefined, { signal: this.#parts.signal })]);
  }

  /** Until the phase is over; rejects when the database or the registry cannot be asked. */
  async #watch(): Promise<void> {
    const { stage, role, leases, slots } = this.#parts;
    let { refused, completed } = this.#tally;
    while (!this.#over.signal.aborted) {
      await pause(SAMPLE_MS, undefined, { signal: this.#over.signal }).catch(() => undefined);
      const [backends, report] = await Promise.all([
        stage.judge.backends(role),
        leases === undefined ? undefined : stage.registry.inspect(leases.resource, REPORT_ENTRIES),
      ]);
      this.#tally.peakBackends = Math.max(this.#tally.peakBackends, backends);
      if (report !== undefined) slots?.report(report);
      // The picture that stays is the last one of the load.
      if (this.#isEnding) continue;
      this.#view.show({
        atMs: performance.now() - this.#startedAt,
        backends,
        waiting: report?.waiters ?? 0,
        refused: this.#tally.refused - refused,
        completed: this.#tally.completed - completed,
      });
      ({ refused, completed } = this.#tally);
    }
  }

  #planOf(member: Member): Plan {
    const { periodMs, leases, stage } = this.#parts;
    const { name, environments } = member;
    return {
      process: name,
      environments,
      engine: stage.engine,
      database: this.#address,
      periodMs,
      leases,
      registry: stage.address,
    };
  }
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
