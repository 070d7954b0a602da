import type { ResourceReport } from '../../lib/core/report.ts';

/** Leases of a killed or frozen process, and for how long somebody has wanted their places since: waited, and found no room. */
type Slots = Map<string, { wantedMs: number }>;

/** How long the leases of killed and frozen processes kept their places while those were wanted, by the registry's reports. */
export class SlotWatch {
  /** Leases that were over in the end: revoked for somebody, or expired. */
  freed = 0;
  longestMs = 0;
  #reportedAt = performance.now();
  /** By process, which is the group of its leases; undefined until the first report after the fault. */
  readonly #watched = new Map<string, Slots | undefined>();

  watch(process: string): void {
    this.#watched.set(process, undefined);
  }

  report({ entries, held, revoking, waiters, settings }: ResourceReport): void {
    const now = performance.now();
    const hasRoom = held + revoking < settings.capacity - settings.headroom;
    const wantedMs = waiters > 0 && !hasRoom ? now - this.#reportedAt : 0;
    this.#reportedAt = now;
    for (const [process, slots] of this.#watched) {
      const held = new Set(
        entries
          .filter(({ group, state }) => group === process && state !== 'revoking')
          .map(({ lease }) => lease.id),
      );
      if (slots === undefined)
        this.#watched.set(process, new Map([...held].map((id) => [id, { wantedMs: 0 }])));
      else this.#follow(slots, held, wantedMs);
    }
  }

  #follow(slots: Slots, held: ReadonlySet<string>, wantedMs: number): void {
    for (const [id, slot] of slots) {
      slot.wantedMs += wantedMs;
      if (held.has(id)) continue;
      slots.delete(id);
      this.freed += 1;
      this.longestMs = Math.max(this.longestMs, Math.round(slot.wantedMs));
    }
  }
}
