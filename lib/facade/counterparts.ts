/** As good as never, in ms: the session of a lease does not idle for so long. */
export const NEVER_IDLE_MS = 3_600_000;

/** Options by name, as the user gave them. */
export type Given = Readonly<Record<string, unknown>>;

/** An option of another library's pool: what it is called here, and its value in our terms; undefined: as if it were not given. */
export interface Counterpart {
  readonly name: string;
  readonly read: (value: unknown) => unknown;
}

const isGiven = ([, value]: readonly [string, unknown]): boolean => value !== undefined;

/** Without what is undefined. */
export const given = (options: unknown): Given =>
  Object.fromEntries(Object.entries(Object(options)).filter(isGiven));

/** A problem begins with the name of its option, or with what else it is about: a variable, a profile. */
const OPTION = /^[a-z][\w.]*(?=:)/;

/** The options of another library's pool, by our names and back. */
export class Counterparts {
  readonly #table: Readonly<Record<string, Counterpart>>;

  constructor(table: Readonly<Record<string, Counterpart>>) {
    this.#table = table;
  }

  get names(): readonly string[] {
    return Object.keys(this.#table);
  }

  translated(config: Given): Given {
    return given(
      Object.fromEntries(
        Object.entries(this.#table)
          .filter(([own]) => config[own] !== undefined)
          .map(([own, { name, read }]) => [name, read(config[own])]),
      ),
    );
  }

  doubleProblems(config: Given, lease: Given): string[] {
    return Object.entries(this.#table)
      .filter(([own, { name }]) => config[own] !== undefined && lease[name] !== undefined)
      .map(([own, { name }]) => `lease.${name}: ${own} says the same; give one of them`);
  }

  /** A problem of our options by the names that the user wrote. */
  renamed(problem: string, config: Given, lease: Given): string {
    return problem.replace(OPTION, (name) => {
      const own = this.names.find((each) => this.#table[each]?.name === name && config[each] !== undefined);
      return own === undefined || lease[name] !== undefined ? `lease.${name}` : own;
    });
  }
}
