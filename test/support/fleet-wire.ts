import type { ProxyHooks } from './fleet.ts';

interface Value {
  readonly end: number;
  /** Its first word: of a command, the name. */
  readonly word: string;
}

const TEXTS = '$=!';
const LISTS = '*~>%';

/** The value of Redis's protocol that begins at `at`, if it is there to its end. */
const valueAt = (data: Buffer, at: number): Value | undefined => {
  const eol = data.indexOf('\r\n', at);
  if (eol < 0) return undefined;
  const kind = data.toString('latin1', at, at + 1);
  const text = data.toString('latin1', at + 1, eol);
  if (LISTS.includes(kind)) return listAt(data, eol + 2, Number(text) * (kind === '%' ? 2 : 1));
  if (!TEXTS.includes(kind) || Number(text) < 0) return { end: eol + 2, word: text };
  const end = eol + 2 + Number(text);
  return data.length < end + 2 ? undefined : { end: end + 2, word: data.toString('latin1', eol + 2, end) };
};

const listAt = (data: Buffer, at: number, count: number): Value | undefined => {
  let [end, word] = [at, ''];
  for (let item = 0; item < count; item += 1) {
    const value = valueAt(data, end);
    if (value === undefined) return undefined;
    end = value.end;
    if (item === 0) word = value.word;
  }
  return { end, word };
};

/** Reads one direction of a stream that arrives in pieces. */
class WireReader {
  #rest = Buffer.alloc(0);

  /** The first words of the values that are complete with this piece. */
  read(piece: Buffer): string[] {
    this.#rest = Buffer.concat([this.#rest, piece]);
    const words: string[] = [];
    for (let value = valueAt(this.#rest, 0); value !== undefined; value = valueAt(this.#rest, 0)) {
      words.push(value.word);
      this.#rest = this.#rest.subarray(value.end);
    }
    return words;
  }
}

const isScript = (name: string): boolean => name.startsWith('EVAL');

/** Counts what goes over one wire between ioredis and Redis: commands, and those of them that were answered. */
export class CommandTap {
  readonly names: string[] = [];
  /** Called when answers to scripts have been let through; HELLO and its like belong to connecting. */
  onScriptAnswer: (answers: number) => void = () => undefined;
  readonly #commands = new WireReader();
  readonly #replies = new WireReader();
  /** How many commands had been answered when each command was sent. */
  readonly #sentAfter: number[] = [];
  #answers = 0;

  readonly hooks: ProxyHooks = {
    onClientData: (data) => {
      for (const word of this.#commands.read(data)) {
        this.names.push(word.toUpperCase());
        this.#sentAfter.push(this.#answers);
      }
      return data;
    },
    onServerData: (data) => {
      const before = this.answeredScripts.length;
      this.#answers += this.#replies.read(data).length;
      const answered = this.answeredScripts.length;
      if (answered > before) setImmediate(() => this.onScriptAnswer(answered));
      return data;
    },
  };

  get scripts(): string[] {
    return this.names.filter(isScript);
  }

  get answeredScripts(): string[] {
    return this.names.slice(0, this.#answers).filter(isScript);
  }

  /** How many of the scripts, from one on, were sent before that one was answered: together they took one round trip. */
  togetherFrom(script: number): number {
    const scripts = [...this.names.keys()].filter((at) => isScript(this.names[at] ?? '')).slice(script);
    return scripts.filter((at) => (this.#sentAfter[at] ?? 0) <= (scripts[0] ?? 0)).length;
  }
}
