import { LeaseholdError } from '../../core/errors.ts';
import { type Control, decodeSettings, type ResourceSettings } from '../../core/lease.ts';

/** Reads one array reply from left to right and trusts nothing about it. */
export class Reply {
  readonly #values: readonly unknown[];
  #at = 0;

  constructor(value: unknown) {
    if (!Array.isArray(value)) throw unexpected(value);
    this.#values = value;
  }

  word(): string {
    const value = this.#next();
    if (typeof value !== 'string') throw unexpected(this.#values);
    return value;
  }

  /** One of `words`. */
  oneOf<Word extends string>(...words: readonly Word[]): Word {
    const value = this.word();
    const found = words.find((word) => word === value);
    if (found === undefined) throw unexpected(this.#values);
    return found;
  }

  /** Nothing that the registry says is negative or broken. */
  number(): number {
    const value = this.#next();
    if (!(Number.isSafeInteger(value) && (value as number) >= 0)) throw unexpected(this.#values);
    return value as number;
  }

  flag(): boolean {
    const value = this.number();
    if (value > 1) throw unexpected(this.#values);
    return value === 1;
  }

  settings(): ResourceSettings {
    const text = this.word();
    try {
      return decodeSettings(text);
    } catch {
      throw unexpected(this.#values);
    }
  }

  session(): string | undefined {
    const value = this.word();
    return value === '-' ? undefined : value;
  }

  /** `count`: how many there must be, where the request says so. */
  list<Item>(read: (item: Reply) => Item, count?: number): Item[] {
    const value = this.#next();
    if (!Array.isArray(value) || value.length !== (count ?? value.length)) throw unexpected(this.#values);
    return value.map((item) => read(new Reply(item)));
  }

  /** An empty list stands for nothing. */
  optional<Value>(read: (item: Reply) => Value): Value | undefined {
    const value = this.#next();
    if (!Array.isArray(value)) throw unexpected(this.#values);
    return value.length === 0 ? undefined : read(new Reply(value));
  }

  #next(): unknown {
    const value = this.#values[this.#at];
    this.#at += 1;
    return value;
  }
}

const SHOWN_CHARACTERS = 200;

export const unexpected = (value: unknown): LeaseholdError =>
  new LeaseholdError(
    'REGISTRY_INCOMPATIBLE',
    `Not a reply of the lease registry: ${JSON.stringify(value)?.slice(0, SHOWN_CHARACTERS)}`,
  );

/** Opens a reply; a newer owner of the resource is told from an answer here, for every script alike (law L14). */
export const open = (value: unknown): Reply => {
  if (Array.isArray(value) && value[0] === 'upgrade') {
    throw new LeaseholdError(
      'REGISTRY_INCOMPATIBLE',
      `The resource is kept by a newer version of leasehold (schema ${String(value[1])}): upgrade this one.`,
    );
  }
  return new Reply(value);
};

export const CONTROLS = ['open', 'paused', 'draining'] as const satisfies readonly Control[];
