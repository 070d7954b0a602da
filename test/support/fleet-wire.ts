import type { ProxyHooks } from './fleet.ts';

/** Reads the commands of a Redis protocol stream that arrives in pieces. */
class CommandReader {
  #rest = Buffer.alloc(0);

  /** The names of the commands that are complete with this piece. */
  read(piece: Buffer): string[] {
    this.#rest = Buffer.concat([this.#rest, piece]);
    const names: string[] = [];
    for (let name = this.#one(); name !== undefined; name = this.#one()) names.push(name);
    return names;
  }

  #one(): string | undefined {
    const parts = this.#line(0);
    if (parts === undefined) return undefined;
    let { at } = parts;
    let name = '';
    for (let part = 0; part < Number(parts.text.slice(1)); part += 1) {
      const size = this.#line(at);
      if (size === undefined) return undefined;
      const end = size.at + Number(size.text.slice(1));
      if (this.#rest.length < end + 2) return undefined;
      if (part === 0) name = this.#rest.toString('latin1', size.at, end).toUpperCase();
      at = end + 2;
    }
    this.#rest = this.#rest.subarray(at);
    return name;
  }

  #line(from: number): { readonly text: string; readonly at: number } | undefined {
    const end = this.#rest.indexOf('\r\n', from);
    if (end < 0) return undefined;
    return { text: this.#rest.toString('latin1', from, end), at: end + 2 };
  }
}

const isScript = (name: string): boolean => name.startsWith('EVAL');

/** Counts what goes over one wire between ioredis and Redis: commands, and those of them that were answered. */
export class CommandTap {
  readonly names: string[] = [];
  /** Called when an answer to a script has been let through; HELLO and its like belong to connecting. */
  onScriptAnswer: (answers: number) => void = () => undefined;
  readonly #reader = new CommandReader();
  #answers = 0;

  readonly hooks: ProxyHooks = {
    onClientData: (data) => {
      this.names.push(...this.#reader.read(data));
      return data;
    },
    onServerData: (data) => {
      // One answer a piece: whoever uses this waits for each before the next.
      this.#answers += 1;
      const answered = this.answeredScripts.length;
      if (isScript(this.names[this.#answers - 1] ?? '')) setImmediate(() => this.onScriptAnswer(answered));
      return data;
    },
  };

  get scripts(): string[] {
    return this.names.filter(isScript);
  }

  get answeredScripts(): string[] {
    return this.names.slice(0, this.#answers).filter(isScript);
  }
}
