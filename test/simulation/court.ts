export interface Violation {
  readonly law: string;
  readonly text: string;
  readonly atMs: number;
}

/** Judges from outside. The first broken law ends the run: whatever follows it proves nothing. */
export class Court {
  violation: Violation | undefined;
  /** How often each law was looked at. */
  readonly looks = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  judge(law: string, holds: boolean, text: () => string): void {
    this.looks.set(law, (this.looks.get(law) ?? 0) + 1);
    if (!holds) this.violation ??= { law, text: text(), atMs: this.#now() };
  }
}
