/** One thing that happened, ready to be printed; nothing is formatted before it is asked for. */
type Line = readonly [atMs: number, who: string, what: string, detail: unknown];

const KEPT = 400;
const SHOWN_CHARACTERS = 240;

/** The last things that happened, and a digest of all: two runs of one seed must have the same. */
export class Trace {
  digest = 0;
  readonly isKept: boolean;
  readonly #lines: Line[] = [];
  #next = 0;

  /** Not kept: only the digest is made, for large fleets. */
  constructor(isKept = true) {
    this.isKept = isKept;
  }

  add(atMs: number, who: string, what: string, detail?: unknown): void {
    this.digest = (Math.imul(this.digest, 31) + Math.round(atMs * 1_000) + what.length) | 0;
    if (!this.isKept) return;
    this.#lines[this.#next] = [atMs, who, what, detail];
    this.#next = (this.#next + 1) % KEPT;
  }

  last(count: number): string {
    const ordered = [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)];
    return ordered
      .slice(-count)
      .map(
        ([atMs, who, what, detail]) =>
          `${atMs.toFixed(3).padStart(11)}  ${who.padEnd(9)} ${what} ${show(detail)}`,
      )
      .join('\n');
  }
}

const show = (detail: unknown): string =>
  detail === undefined ? '' : JSON.stringify(detail, briefly).slice(0, SHOWN_CHARACTERS);

const briefly = (key: string, value: unknown): unknown =>
  key === 'settings' || key === 'resource' ? undefined : value;
