import { show } from './problem.ts';
import type { Right } from './right.ts';

/** Options from one place, and what a problem calls them there. */
export interface Source {
  readonly values: Readonly<Record<string, unknown>>;
  nameOf(option: string): string;
}

/** The places that options come from; the first that has an option decides. */
export class Sources {
  readonly #sources: readonly Source[];

  constructor(sources: readonly Source[]) {
    this.#sources = sources;
  }

  followedBy(...more: readonly Source[]): Sources {
    return new Sources([...this.#sources, ...more]);
  }

  valueOf(option: string): unknown {
    return this.#firstWith(option)?.values[option];
  }

  /** As the place calls it that has decided. */
  nameOf(option: string): string {
    return this.#firstWith(option)?.nameOf(option) ?? option;
  }

  /** The value that counts, undefined where it is wrong or missing. Also what is overruled has to be right: it is a mistake waiting. */
  judge(option: string, { isRight, says }: Right, problems: string[]): unknown {
    for (const { values, nameOf } of this.#sources) {
      const value = values[option];
      if (value !== undefined && !isRight(value))
        problems.push(`${nameOf(option)}: ${show(value)} is not ${says}`);
    }
    const value = this.valueOf(option);
    return isRight(value) ? value : undefined;
  }

  #firstWith(option: string): Source | undefined {
    return this.#sources.find(({ values }) => values[option] !== undefined);
  }
}
